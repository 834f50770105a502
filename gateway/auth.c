#include "gateway/auth.h"

#include "base/digest.h"
#include "base/mem.h"
#include "gateway/session_id.h"
#include "gateway/small_file.h"
#include "http/http_message.h"

#include <stdlib.h>

#define KEYS_MAX       1000
#define FILE_MAX_BYTES (256 * 1024)

struct auth_key {
    char tenant[SESSION_ID_SIZE];
    char hash_hex[DIGEST_HEX];
};

struct auth {
    bool open;
    struct auth_key *keys;
    size_t count;
};

struct auth *auth_new_open(void)
{
    struct auth *a = mem_alloc(sizeof(*a));
    a->open = true;
    return a;
}

void auth_free(struct auth **a)
{
    if (!*a)
        return;
    free((*a)->keys);
    free(*a);
    *a = NULL;
}

static bool is_hash(struct slice s)
{
    if (s.len != DIGEST_HEX - 1)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!strchr("0123456789abcdef", s.at[i]))
            return false;
    }
    return true;
}

static int parse_line(struct auth_key *key, struct slice line, const char *name, int number,
                      struct err *err)
{
    const char *gap = memchr(line.at, ' ', line.len);
    if (!gap)
        gap = memchr(line.at, '\t', line.len);
    struct slice tenant = {line.at, gap ? (size_t)(gap - line.at) : line.len};
    struct slice hash = {gap, gap ? (size_t)(line.at + line.len - gap) : 0};
    while (hash.len > 0 && (*hash.at == ' ' || *hash.at == '\t')) {
        hash.at++;
        hash.len--;
    }
    if (!session_id_is_label(tenant) || !is_hash(hash))
        return err_set(err, ERR_CONFIG,
                       "%s:%d: a line is a tenant (DNS label) and a SHA-256 in 64 small hex digits",
                       name, number);
    memcpy(key->tenant, tenant.at, tenant.len);
    memcpy(key->hash_hex, hash.at, hash.len);
    return 0;
}

struct auth *auth_parse(struct slice text, const char *name, struct err *err)
{
    struct auth *a = mem_alloc(sizeof(*a));
    struct slice line;
    int number = 0, rc = 0;
    a->keys = mem_array(KEYS_MAX, sizeof(*a->keys));
    while (rc == 0 && small_file_line(&text, &line, &number)) {
        if (a->count == KEYS_MAX)
            rc = err_set(err, ERR_CONFIG, "%s:%d: more than %d keys", name, number, KEYS_MAX);
        else
            rc = parse_line(&a->keys[a->count++], line, name, number, err);
    }
    if (rc == 0 && a->count == 0)
        rc = err_set(err, ERR_CONFIG, "%s: holds no key", name);
    if (rc < 0)
        auth_free(&a);
    return a;
}

struct auth *auth_read(const char *keys_file, struct err *err)
{
    struct buf text;
    struct auth *a = NULL;
    buf_init(&text, FILE_MAX_BYTES);
    if (small_file_read(keys_file, &text, err) == 0)
        a = auth_parse(buf_slice(&text), keys_file, err);
    buf_fini(&text);
    if (!a)
        err_wrap(err, "auth.keys_file");
    return a;
}

const char *auth_tenant_of_key(const struct auth *a, struct slice key)
{
    char hex[DIGEST_HEX];
    const char *tenant = NULL;
    digest_sha256_hex(key, hex);
    for (size_t i = 0; i < a->count; i++) {
        if (digest_equal(hex, a->keys[i].hash_hex, DIGEST_HEX - 1))
            tenant = a->keys[i].tenant;
    }
    return tenant;
}

static struct slice sent_key(const struct http_head *head)
{
    struct slice value = http_head_get(head, "Authorization");
    if (value.len > 7 && strncasecmp(value.at, "Bearer ", 7) == 0)
        return (struct slice){value.at + 7, value.len - 7};
    return http_head_get(head, "X-API-Key");
}

const char *auth_tenant(const struct auth *a, const struct http_head *head, struct err *err)
{
    if (a->open)
        return AUTH_DEFAULT_TENANT;
    struct slice key = sent_key(head);
    const char *tenant = key.len > 0 ? auth_tenant_of_key(a, key) : NULL;
    if (!tenant)
        err_set(err, ERR_UNAUTHORIZED, "%s",
                key.len > 0 ? "this API key is not known"
                            : "send the API key as 'Authorization: Bearer' or 'X-API-Key'");
    return tenant;
}
