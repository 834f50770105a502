#include "sandbox/agent_limits.h"
#include "base/json.h"
#include "sandbox/result_record.h"
#include <inttypes.h>
#include <stddef.h>

struct row {
    const char *name;
    size_t offset;
    int64_t fallback, max;
};

#define ROW(member, fallback, max)                                                                 \
    {                                                                                              \
#member, offsetof(struct agent_limits, member), fallback, max                              \
    }

static const struct row ROWS[] = {
    ROW(execution_ms, 10000, 86400000),
    ROW(execution_max_ms, 300000, 86400000),
    ROW(output_bytes, 1048576, RESULT_OUTPUT_MAX),
    ROW(code_bytes, 1048576, 16777216),
    ROW(executions_max, 4, 64),
    ROW(pids, 64, 65536),
    ROW(memory_bytes, INT64_MAX, INT64_MAX),
    ROW(workspace_bytes, 67108864, INT64_MAX),
    ROW(upload_bytes, 10485760, INT64_C(1) << 40),
    ROW(body_rate, 65536, INT64_C(1) << 30),
    ROW(setup_ms, 120000, 3600000),
};

static int64_t *member(struct agent_limits *l, const struct row *row)
{
    return (int64_t *)(void *)((char *)l + row->offset);
}

static int read_member(struct agent_limits *l, const char *key, const struct json_t *value,
                       struct err *err)
{
    if (strcmp(key, "warm") == 0 && json_is_bool(value)) {
        l->warm = json_true(value);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        if (strcmp(ROWS[i].name, key) != 0)
            continue;
        int64_t v = json_int(value, -1);
        if (v < 1 || v > ROWS[i].max)
            return err_set(err, ERR_CONFIG, "SPILLWAY_LIMITS: %s must be 1 to %" PRId64, key,
                           ROWS[i].max);
        *member(l, &ROWS[i]) = v;
        return 0;
    }
    return err_set(err, ERR_CONFIG, "SPILLWAY_LIMITS: unknown member %.64s", key);
}

int agent_limits_parse(struct agent_limits *l, const char *json, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++)
        *member(l, &ROWS[i]) = ROWS[i].fallback;
    l->warm = true;
    if (!json)
        return 0;
    struct json_t *j = json_parse_object(slice_of(json), err);
    if (!j)
        return err_wrap(err, "SPILLWAY_LIMITS");
    int rc = 0;
    const char *key;
    struct json_t *value;
    for (void *it = NULL; rc == 0 && (it = json_next(j, it, &key, &value));)
        rc = read_member(l, key, value, err);
    json_free(j);
    if (rc == 0 && l->execution_ms > l->execution_max_ms)
        rc = err_set(err, ERR_CONFIG, "SPILLWAY_LIMITS: execution_ms is above execution_max_ms");
    return rc;
}
