#include "gateway/exec_body.h"

#include "gateway/session_id.h"

#include <stdio.h>

#define DEFAULT_LANGUAGE "python"

static void add_member(struct buf *out, const struct json_member *m)
{
    if (out->len > 1)
        buf_add_text(out, ",");
    if (json_member_is(m, "timeout")) {
        buf_add_text(out, "\"timeout_seconds\"");
    } else {
        buf_add_text(out, "\"");
        buf_add(out, m->key.at, m->key.len);
        buf_add_text(out, "\"");
    }
    buf_add_text(out, ":");
    buf_add(out, m->value.at, m->value.len);
}

int exec_body_from_execute(struct slice body, char *language, size_t language_size, struct buf *out,
                           struct err *err)
{
    struct json_members it;
    struct json_member m;
    snprintf(language, language_size, DEFAULT_LANGUAGE);
    bool named = json_members_text(body, "language", language, language_size);
    if (named && !session_id_is_language(slice_of(language)))
        return err_set(err, ERR_UNKNOWN_LANGUAGE, "that is no name of a language");
    buf_add_text(out, "{");
    json_members_init(&it, body);
    while (json_members_next(&it, &m)) {
        bool is_language = json_member_is(&m, "language");
        if (is_language && slice_eq(m.value, "null")) /* as if it were not there */
            continue;
        if (is_language && m.value.len > 0 && *m.value.at != '"')
            return err_set(err, ERR_INVALID_ARGUMENT, "language must be a text");
        if (is_language && !named)
            return err_set(err, ERR_UNKNOWN_LANGUAGE, "that is no name of a language");
        if (!is_language)
            add_member(out, &m);
    }
    buf_add_text(out, "}");
    if (it.bad)
        return err_set(err, ERR_BAD_JSON, "the body is not a JSON object");
    return 0;
}

int exec_body_from_run(struct slice body, char *language, size_t language_size, struct buf *out,
                       struct err *err)
{
    int rc = exec_body_from_execute(body, language, language_size, out, err);
    if (rc < 0)
        return rc;
    out->len--; /* the closing brace */
    buf_add_text(out, out->len > 1 ? ",\"one_shot\":true}" : "\"one_shot\":true}");
    return 0;
}
