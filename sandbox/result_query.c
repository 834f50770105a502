#include "sandbox/result_query.h"
#include "http/http_message.h"

bool result_query_id_ok(const char *id)
{
    size_t len = 0;
    for (; id[len]; len++) {
        char c = id[len];
        bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
        if (len == 64 || (!word && c != '.' && c != '_' && c != '-'))
            return false;
    }
    return len > 0;
}

static int read_id(struct slice query, struct result_query *out, struct err *err)
{
    int bad = 0;
    bool there =
        http_query_get(query, "execution_id", out->execution_id, sizeof(out->execution_id), &bad);
    if (bad != 0 || (there && !result_query_id_ok(out->execution_id)))
        return err_set(err, ERR_INVALID_ID, "execution_id must be 1 to 64 of [A-Za-z0-9._-]");
    return 0;
}

static int read_encoding(struct slice query, struct result_query *out, struct err *err)
{
    char text[16] = "utf-8";
    int bad = 0;
    http_query_get(query, "encoding", text, sizeof(text), &bad);
    if (bad != 0 || (strcmp(text, "utf-8") != 0 && strcmp(text, "base64") != 0))
        return err_set(err, ERR_INVALID_ARGUMENT, "encoding must be utf-8 or base64");
    out->base64 = strcmp(text, "base64") == 0;
    return 0;
}

int result_query_parse(struct slice query, struct result_query *out, struct err *err)
{
    *out = (struct result_query){.limit = RESULT_LIMIT_DEFAULT};
    const struct {
        const char *name;
        int64_t min, max;
        int64_t *to;
    } numbers[] = {
        {"stdout_offset", 0, INT64_MAX, &out->stdout_offset},
        {"stderr_offset", 0, INT64_MAX, &out->stderr_offset},
        {"limit", 1, RESULT_LIMIT_MAX, &out->limit},
        {"wait", 0, RESULT_WAIT_MAX_S, &out->wait_s},
    };
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        int rc = http_query_int(query, numbers[i].name, numbers[i].min, numbers[i].max,
                                numbers[i].to, err);
        if (rc < 0)
            return rc;
    }
    int rc = read_id(query, out, err);
    return rc < 0 ? rc : read_encoding(query, out, err);
}
