#include "gateway/packages.h"

#include "base/json.h"

static const struct kind {
    const char *member;
    const char *more; /* characters beside letters and digits */
    const char *first;
} KINDS[] = {
    {"requirements", "._-[],<>=!~*+ ", ""},
    {"npm", "._-~^<>=|*+ @/", "@"},
};

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_name(const struct kind *k, const struct json_t *name)
{
    const char *text = json_is_string(name) ? json_text(name) : "";
    size_t len = strlen(text);
    if (len == 0 || len > PACKAGES_NAME_MAX || len != json_text_len(name))
        return false;
    if (!is_alnum(text[0]) && !strchr(k->first, text[0]))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_alnum(text[i]) && !strchr(k->more, text[i]))
            return false;
    return true;
}

static bool holds(const struct json_t *list, const struct json_t *name)
{
    for (size_t i = 0; i < json_count(list); i++)
        if (strcmp(json_text(json_item(list, i)), json_text(name)) == 0)
            return true;
    return false;
}

static int add(struct json_t *list, const struct kind *k, const struct json_t *name,
               struct err *err)
{
    if (!is_name(k, name))
        return err_set(err, ERR_INVALID_ARGUMENT,
                       "%s: each is a package's name, with a version where one is wanted",
                       k->member);
    if (holds(list, name))
        return 0;
    if (json_count(list) == PACKAGES_MAX)
        return err_set(err, ERR_LIMIT_EXCEEDED, "%s: the maximum is %d", k->member, PACKAGES_MAX);
    json_add(list, json_new_text(json_text(name)));
    return 0;
}

static int add_all(struct json_t *to, const struct kind *k, const struct json_t *from,
                   struct err *err)
{
    const struct json_t *names = json_get(from, k->member);
    struct json_t *list = json_get(to, k->member);
    int rc = 0;
    if (!names || json_is_null(names))
        return 0;
    if (!json_is_array(names))
        return err_set(err, ERR_INVALID_ARGUMENT, "%s must be a list of texts", k->member);
    if (!list) {
        list = json_new_array();
        json_set(to, k->member, list);
    }
    for (size_t i = 0; rc == 0 && i < json_count(names); i++)
        rc = add(list, k, json_item(names, i), err);
    return rc;
}

int packages_join(const struct json_t *first, const struct json_t *second, struct json_t **out,
                  struct err *err)
{
    const struct json_t *both[] = {first, second};
    size_t count = 0;
    int rc = 0;
    *out = json_new_object();
    for (size_t k = 0; k < ARRAY_LEN(KINDS); k++) {
        for (size_t i = 0; rc == 0 && i < ARRAY_LEN(both); i++)
            if (both[i])
                rc = add_all(*out, &KINDS[k], both[i], err);
        count += json_count(json_get(*out, KINDS[k].member));
    }
    if (rc < 0 || count == 0) {
        json_free(*out);
        *out = NULL;
    }
    return rc;
}

int packages_read(const struct json_t *from, struct json_t **out, struct err *err)
{
    return packages_join(from, NULL, out, err);
}

void packages_put(const struct json_t *packages, struct json_t *into)
{
    for (size_t k = 0; packages && k < ARRAY_LEN(KINDS); k++) {
        struct json_t *list = json_get(packages, KINDS[k].member);
        if (json_count(list) > 0)
            json_set(into, KINDS[k].member, json_ref(list));
    }
}
