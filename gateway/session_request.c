#include "gateway/session_request.h"

#include "base/json.h"
#include "clusters/quantity.h"
#include "gateway/environments.h"
#include "gateway/gateway_config.h"
#include "gateway/packages.h"

#include <stdio.h>

#define ENV_COUNT_MAX      128
#define METADATA_BYTES_MAX ((size_t)16 * 1024)
#define METADATA_DEPTH_MAX                                                                         \
    16 /* it is read back from inside other objects, which have a limit too */
#define MILLICPU_MIN 10
#define MEMORY_MIN   ((int64_t)16 * 1024 * 1024)
#define DISK_MIN     ((int64_t)1024 * 1024)

static int refuse_unknown(const struct json_t *object, const char *const *known, size_t count,
                          const char *where, struct err *err)
{
    const char *key;
    struct json_t *value;
    void *it = NULL;
    while ((it = json_next(object, it, &key, &value))) {
        bool found = false;
        for (size_t i = 0; i < count && !found; i++)
            found = strcmp(key, known[i]) == 0;
        if (!found)
            return err_set(err, ERR_INVALID_ARGUMENT, "%s: unknown member '%.64s'", where, key);
    }
    return 0;
}

/* A text member of at most size-1 bytes; absent or null leaves `out`. */
static int read_text(const struct json_t *body, const char *key, char *out, size_t size,
                     struct err *err)
{
    const struct json_t *value = json_get(body, key);
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_string(value) || json_text_len(value) == 0)
        return err_set(err, ERR_INVALID_ARGUMENT, "%s must be a text that is not empty", key);
    if (json_text_len(value) >= size)
        return err_set(err, ERR_LIMIT_EXCEEDED, "%s is longer than %zu bytes", key, size - 1);
    snprintf(out, size, "%s", json_text(value));
    return 0;
}

static int read_seconds(const struct json_t *body, const char *key, int64_t max_ms, int64_t *out_ms,
                        struct err *err)
{
    const struct json_t *value = json_get(body, key);
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_integer(value) || json_int(value, 0) < 1)
        return err_set(err, ERR_INVALID_ARGUMENT, "%s must be a whole number of at least 1", key);
    if (json_int(value, 0) > max_ms / 1000)
        return err_set(err, ERR_LIMIT_EXCEEDED, "%s: the maximum is %lld", key,
                       (long long)(max_ms / 1000));
    *out_ms = json_int(value, 0) * 1000;
    return 0;
}

struct quantity_range {
    const char *key;
    bool milli;
    int64_t min, max;
    const char *min_text;
};

static int read_quantity(const struct json_t *resources, const struct quantity_range *q,
                         int64_t *out, struct err *err)
{
    const struct json_t *value = json_get(resources, q->key);
    char number[64];
    if (!value || json_is_null(value))
        return 0;
    const char *text = json_text(value);
    if (!text && json_is_number(value)) {
        snprintf(number, sizeof(number), q->milli ? "%.3f" : "%.0f", json_number(value, 0));
        text = number;
    }
    int64_t amount = 0;
    if (!text || strlen(text) > 32 ||
        (q->milli ? quantity_parse_milli(text, &amount, err) : quantity_parse(text, &amount, err)) <
            0)
        return err_set(err, ERR_INVALID_ARGUMENT,
                       "resources.%s is not a quantity such as 500m or 64Mi", q->key);
    if (amount < q->min)
        return err_set(err, ERR_INVALID_ARGUMENT, "resources.%s: the minimum is %s", q->key,
                       q->min_text);
    if (amount > q->max)
        return err_set(err, ERR_LIMIT_EXCEEDED, "resources.%s: the maximum is %lld%s", q->key,
                       (long long)q->max, q->milli ? "m" : " bytes");
    *out = amount;
    return 0;
}

static int read_resources(struct session_spec *s, const struct json_t *body,
                          const struct gateway_limits *l, struct err *err)
{
    static const char *const KNOWN[] = {"cpu", "memory", "disk"};
    const struct json_t *resources = json_get(body, "resources");
    if (!resources || json_is_null(resources))
        return 0;
    if (!json_is_object(resources))
        return err_set(err, ERR_INVALID_ARGUMENT, "resources must be an object");
    const struct quantity_range cpu = {"cpu", true, MILLICPU_MIN, l->millicpu_max, "10m"};
    const struct quantity_range memory = {"memory", false, MEMORY_MIN, l->memory_bytes_max, "16Mi"};
    const struct quantity_range disk = {"disk", false, DISK_MIN, l->disk_bytes_max, "1Mi"};
    int rc = refuse_unknown(resources, KNOWN, ARRAY_LEN(KNOWN), "resources", err);
    if (rc == 0)
        rc = read_quantity(resources, &cpu, &s->millicpu, err);
    if (rc == 0)
        rc = read_quantity(resources, &memory, &s->memory_bytes, err);
    return rc == 0 ? read_quantity(resources, &disk, &s->disk_bytes, err) : rc;
}

static bool is_variable_name(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > 128 || (name[0] >= '0' && name[0] <= '9'))
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '_')
            return false;
    }
    return true;
}

static int read_env(struct session_request *r, const struct json_t *body, struct err *err)
{
    struct json_t *env = json_get(body, "env");
    const char *key;
    struct json_t *value;
    void *it = NULL;
    if (!env || json_is_null(env) || (json_is_object(env) && json_count(env) == 0))
        return 0;
    if (!json_is_object(env))
        return err_set(err, ERR_INVALID_ARGUMENT, "env must be an object of texts");
    if (json_count(env) > ENV_COUNT_MAX)
        return err_set(err, ERR_LIMIT_EXCEEDED, "env: at most %d variables", ENV_COUNT_MAX);
    while ((it = json_next(env, it, &key, &value))) {
        if (!is_variable_name(key) || strncmp(key, "SPILLWAY_", 9) == 0)
            return err_set(err, ERR_INVALID_ARGUMENT, "env: '%.64s' is not an acceptable name",
                           key);
        if (!json_is_string(value))
            return err_set(err, ERR_INVALID_ARGUMENT, "env: the value of '%.64s' must be a text",
                           key);
    }
    r->env = json_ref(env);
    r->spec.has_env = true;
    return 0;
}

/* The environment's, and what this session wants besides. */
static int read_packages(struct session_request *r, const struct json_t *body, struct err *err)
{
    return packages_join(r->environment->packages, body, &r->spec.packages, err);
}

static bool is_deeper(const struct json_t *j, int levels)
{
    const char *key;
    struct json_t *value;
    void *it = NULL;
    if (!json_is_object(j) && !json_is_array(j))
        return false;
    if (levels == 0)
        return true;
    for (size_t i = 0; json_is_array(j) && i < json_count(j); i++)
        if (is_deeper(json_item(j, i), levels - 1))
            return true;
    while (json_is_object(j) && (it = json_next(j, it, &key, &value)))
        if (is_deeper(value, levels - 1))
            return true;
    return false;
}

static int read_metadata(struct session_spec *s, const struct json_t *body, struct err *err)
{
    struct json_t *metadata = json_get(body, "metadata");
    struct buf text;
    if (!metadata || json_is_null(metadata))
        return 0;
    if (!json_is_object(metadata))
        return err_set(err, ERR_INVALID_ARGUMENT, "metadata must be an object");
    if (is_deeper(metadata, METADATA_DEPTH_MAX))
        return err_set(err, ERR_LIMIT_EXCEEDED, "metadata: the maximum is %d levels",
                       METADATA_DEPTH_MAX);
    buf_init(&text, METADATA_BYTES_MAX);
    json_print(metadata, &text);
    bool fits = !text.overflowed;
    buf_fini(&text);
    if (!fits)
        return err_set(err, ERR_LIMIT_EXCEEDED, "metadata: the maximum is %zu bytes",
                       METADATA_BYTES_MAX);
    if (json_count(metadata) > 0)
        s->metadata = json_ref(metadata);
    return 0;
}

static int read_cleanup(struct session_spec *s, const struct json_t *body, struct err *err)
{
    char word[16] = "";
    int rc = read_text(body, "cleanup", word, sizeof(word), err);
    if (rc < 0 || !*word)
        return rc;
    if (strcmp(word, "idle") != 0 && strcmp(word, "completion") != 0)
        return err_set(err, ERR_INVALID_ARGUMENT, "cleanup is 'completion' or 'idle'");
    s->cleanup = strcmp(word, "idle") == 0 ? SESSION_CLEANUP_IDLE : SESSION_CLEANUP_COMPLETION;
    return 0;
}

static int read_environment(struct session_request *r, const struct json_t *body,
                            const struct session_request_defaults *d, struct err *err)
{
    struct session_spec *s = &r->spec;
    snprintf(s->environment, sizeof(s->environment), "%s", d->environment);
    int rc = read_text(body, "environment", s->environment, sizeof(s->environment), err);
    if (rc < 0)
        return rc;
    r->environment = environments_get(d->environments, s->environment);
    if (!r->environment)
        return err_set(err, ERR_UNKNOWN_ENVIRONMENT, "there is no environment '%s'",
                       s->environment);
    s->millicpu = r->environment->millicpu;
    s->memory_bytes = r->environment->memory_bytes;
    s->disk_bytes = r->environment->disk_bytes;
    return 0;
}

static int read_words(struct session_request *r, const struct json_t *body,
                      const struct session_request_defaults *d, struct err *err)
{
    struct session_spec *s = &r->spec;
    char id[256] = "";
    snprintf(r->placement, sizeof(r->placement), "auto");
    snprintf(s->runtime_class, sizeof(s->runtime_class), "%s", d->runtime_class);
    int rc = read_text(body, "session_id", id, sizeof(id), err);
    if (rc == 0 && *id)
        rc = session_id_check(slice_of(id), r->session_id, err);
    if (rc == 0)
        rc = read_text(body, "placement", r->placement, sizeof(r->placement), err);
    if (rc == 0 && !session_id_is_label(slice_of(r->placement)))
        rc = err_set(err, ERR_INVALID_ARGUMENT,
                     "placement is 'auto', 'local', 'remote' or the name of a site");
    if (rc == 0)
        rc = read_text(body, "runtime_class", s->runtime_class, sizeof(s->runtime_class), err);
    if (rc == 0 && *s->runtime_class && !session_id_is_label(slice_of(s->runtime_class)))
        rc = err_set(err, ERR_INVALID_ARGUMENT, "runtime_class is a DNS label");
    return rc == 0 ? read_cleanup(s, body, err) : rc;
}

static int read_all(struct session_request *r, const struct json_t *body,
                    const struct session_request_defaults *d, struct err *err)
{
    static const char *const KNOWN[] = {
        "session_id",    "environment", "timeout_seconds", "idle_timeout_seconds",
        "resources",     "env",         "cleanup",         "placement",
        "runtime_class", "metadata",    "requirements",    "npm"};
    const struct gateway_limits *l = d->limits;
    int rc = refuse_unknown(body, KNOWN, ARRAY_LEN(KNOWN), "body", err);
    if (rc == 0)
        rc = read_environment(r, body, d, err);
    if (rc == 0)
        rc = read_words(r, body, d, err);
    if (rc == 0)
        rc = read_seconds(body, "timeout_seconds", l->session_max_ms, &r->spec.timeout_ms, err);
    if (rc == 0)
        rc = read_seconds(body, "idle_timeout_seconds", l->session_max_ms, &r->spec.idle_ms, err);
    if (rc == 0)
        rc = read_resources(&r->spec, body, l, err);
    if (rc == 0)
        rc = read_env(r, body, err);
    if (rc == 0)
        rc = read_packages(r, body, err);
    return rc == 0 ? read_metadata(&r->spec, body, err) : rc;
}

int session_request_parse(struct session_request *r, struct slice body,
                          const struct session_request_defaults *d, struct err *err)
{
    *r = (struct session_request){0};
    r->spec.cleanup = d->cleanup;
    r->spec.timeout_ms = d->limits->session_ms;
    r->spec.idle_ms = d->limits->idle_ms;
    r->spec.linger_ms = d->limits->linger_ms;
    struct json_t *j = body.len > 0 ? json_parse_object(body, err) : json_new_object();
    if (!j)
        return -ERR_BAD_JSON;
    int rc = read_all(r, j, d, err);
    json_free(j);
    if (rc < 0)
        session_request_fini(r);
    return rc;
}

void session_request_fini(struct session_request *r)
{
    json_free(r->env);
    r->env = NULL;
    session_spec_fini(&r->spec);
}

void session_request_fingerprint(const struct session_request *r, struct slice site_key,
                                 char out[DIGEST_HEX])
{
    uint8_t mac[DIGEST_BYTES];
    struct buf text;
    struct json_t *j = session_spec_to_json(&r->spec);
    /* Not the client's words: they may differ between two answers to the same request. */
    json_remove(j, "placement_reason");
    json_remove(j, "origin");
    json_remove(j, "again");
    json_remove(j, "linger_ms");
    json_remove(j, "created_ms");
    json_set_text(j, "placement", r->placement);
    json_set(j, "env", r->env ? json_ref(r->env) : json_new_null());
    buf_init(&text, (size_t)1024 * 1024);
    json_print_sorted(j, &text);
    digest_hmac_sha256(site_key, buf_slice(&text), mac);
    digest_hex(mac, DIGEST_BYTES, out);
    buf_fini(&text);
    json_free(j);
}

bool session_request_matches(const struct session_request *r, const struct site_key *k,
                             const char *fingerprint)
{
    char own[DIGEST_HEX];
    for (int i = 0; i < k->count; i++) {
        session_request_fingerprint(r, site_key_at(k, i), own);
        if (strcmp(own, fingerprint) == 0)
            return true;
    }
    return false;
}
