/* YAML, as values and as a configuration. */
#include "base/json.h"
#include "base/yaml.h"
#include "gateway/gateway_config.h"
#include "tests/fuzz/fuzz.h"

static void note_line(const char *path, int line, void *user)
{
    (void)user;
    INVARIANT(path && line > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    struct gateway_config conf;
    char path[32], program[] = "p", flag[] = "--config";
    char *argv[] = {program, flag, path, NULL};
    json_free(yaml_read_text((const char *)data, size, "input", note_line, NULL, &err));
    int fd = fuzz_file(data, size, path);
    struct config *owner = gateway_config_read(3, argv, &conf, &err);
    config_free(&owner);
    close(fd);
    return 0;
}
