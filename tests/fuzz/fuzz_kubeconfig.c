/* Kubeconfig files. */
#include "clusters/kubeconfig.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kubeconfig k;
    struct err err;
    char path[32];
    int fd = fuzz_file(data, size, path);
    if (kubeconfig_read(path, &k, &err) == 0) {
        INVARIANT(k.server && *k.server);
        kubeconfig_fini(&k);
    }
    close(fd);
    return 0;
}
