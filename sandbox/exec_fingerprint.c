#include "sandbox/exec_fingerprint.h"

#include "base/buf.h"
#include "base/json.h"

#define BYTES_MAX ((size_t)64 * 1024 * 1024) /* JSON of the largest body, escaped */

static void sum(const char *language, const char *kind, struct slice body, char out[DIGEST_HEX])
{
    struct buf b;
    buf_init(&b, BYTES_MAX);
    buf_addf(&b, "%s\n%s\n", language, kind);
    buf_add(&b, body.at, body.len);
    digest_sha256_hex(buf_slice(&b), out);
    buf_fini(&b);
}

void exec_fingerprint_text(const char *language, struct slice code, char out[DIGEST_HEX])
{
    sum(language, "text", code, out);
}

void exec_fingerprint_json(const char *language, struct json_t *body, char out[DIGEST_HEX])
{
    struct buf canonical;
    json_remove(body, "execution_id");
    buf_init(&canonical, BYTES_MAX);
    json_print_sorted(body, &canonical);
    sum(language, "json", buf_slice(&canonical), out);
    buf_fini(&canonical);
}

int exec_fingerprint(const char *language, bool is_text, struct slice body, char out[DIGEST_HEX],
                     struct err *err)
{
    if (is_text) {
        exec_fingerprint_text(language, body, out);
        return 0;
    }
    struct json_t *j = json_parse_object(body, err);
    if (!j)
        return -ERR_BAD_JSON;
    exec_fingerprint_json(language, j, out);
    json_free(j);
    return 0;
}
