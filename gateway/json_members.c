#include "gateway/json_members.h"

#include "base/json.h"

#define KEY_WRITTEN_MAX 128
#define MEMBERS_MAX     100

void json_members_init(struct json_members *it, struct slice object)
{
    *it = (struct json_members){object.at, object.at ? object.at + object.len : NULL, false, false,
                                0};
}

static void skip_space(struct json_members *it)
{
    while (it->at < it->end &&
           (*it->at == ' ' || *it->at == '\t' || *it->at == '\r' || *it->at == '\n'))
        it->at++;
}

static bool take(struct json_members *it, char c)
{
    skip_space(it);
    if (it->at >= it->end || *it->at != c)
        return false;
    it->at++;
    return true;
}

/* Behind the opening quote, to behind the closing one. */
static bool skip_string(struct json_members *it)
{
    while (it->at < it->end) {
        char c = *it->at++;
        if (c == '\\')
            it->at++;
        else if (c == '"')
            return true;
    }
    return false;
}

static bool skip_nested(struct json_members *it)
{
    int depth = 0;
    while (it->at < it->end) {
        char c = *it->at++;
        if (c == '"' && !skip_string(it))
            return false;
        if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && --depth == 0)
            return true;
    }
    return false;
}

static bool skip_value(struct json_members *it)
{
    skip_space(it);
    if (it->at >= it->end)
        return false;
    if (*it->at == '{' || *it->at == '[')
        return skip_nested(it);
    if (*it->at == '"') {
        it->at++;
        return skip_string(it);
    }
    const char *from = it->at;
    while (it->at < it->end && *it->at && !strchr(",}] \t\r\n", *it->at))
        it->at++;
    return it->at > from;
}

static bool read_member(struct json_members *it, struct json_member *out)
{
    if (!take(it, '"'))
        return false;
    const char *key = it->at;
    if (!skip_string(it))
        return false;
    out->key = (struct slice){key, (size_t)(it->at - 1 - key)};
    if (!take(it, ':'))
        return false;
    skip_space(it);
    const char *value = it->at;
    if (!skip_value(it) || it->at > it->end)
        return false;
    out->value = (struct slice){value, (size_t)(it->at - value)};
    return true;
}

bool json_members_next(struct json_members *it, struct json_member *out)
{
    if (it->bad)
        return false;
    if (!it->begun) {
        it->bad = !take(it, '{');
        it->begun = true;
        if (it->bad || take(it, '}'))
            return false;
    } else if (!take(it, ',')) {
        it->bad = !take(it, '}');
        return false;
    }
    it->bad = it->count++ == MEMBERS_MAX || !read_member(it, out);
    return !it->bad;
}

static bool resolve(struct slice quoted, char *out, size_t out_size)
{
    struct err ignored;
    struct json_t *j = json_parse(quoted, &ignored);
    const char *text = json_text(j);
    bool fits = text && json_text_len(j) < out_size;
    if (fits)
        memcpy(out, text, json_text_len(j) + 1);
    json_free(j);
    return fits;
}

bool json_member_is(const struct json_member *m, const char *key)
{
    char resolved[KEY_WRITTEN_MAX];
    if (!memchr(m->key.at, '\\', m->key.len))
        return slice_eq(m->key, key);
    /* Written with escapes, which a parser would resolve: so do we. */
    struct slice quoted = {m->key.at - 1, m->key.len + 2};
    return m->key.len < KEY_WRITTEN_MAX && resolve(quoted, resolved, sizeof(resolved)) &&
           strcmp(resolved, key) == 0;
}

bool json_members_text(struct slice object, const char *key, char *out, size_t out_size)
{
    struct json_members it;
    struct json_member m;
    json_members_init(&it, object);
    while (json_members_next(&it, &m)) {
        if (json_member_is(&m, key))
            return m.value.len > 1 && *m.value.at == '"' && m.value.len < 6 * out_size + 2 &&
                   resolve(m.value, out, out_size);
    }
    return false;
}
