#include "gateway/environments.h"

#include "base/config.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "clusters/quantity.h"
#include "gateway/packages.h"
#include "gateway/session_id.h"

#include <stdio.h>
#include <stdlib.h>

#define ENVIRONMENTS_MAX 256
#define ALIASES_MAX      256
#define MI               ((int64_t)1024 * 1024)

/* Another name of a language. */
struct language_alias {
    char name[ENVIRONMENT_LANGUAGE_SIZE];
    char language[ENVIRONMENT_LANGUAGE_SIZE];
};

struct environments {
    struct environment *items;
    size_t count;
    struct language_alias *aliases;
    size_t alias_count;
};

/* A quantity may be written as a number too: cpu: 1. */
static int read_quantity(const struct json_t *resources, const char *key, bool milli, int64_t *out,
                         struct err *err)
{
    const struct json_t *value = json_get(resources, key);
    char number[32];
    if (!value)
        return 0;
    const char *text = json_text(value);
    if (!text && json_is_number(value)) {
        snprintf(number, sizeof(number), "%.3f", json_number(value, 0));
        text = number;
    }
    if (!text)
        return err_set(err, ERR_CONFIG, "%s is not a quantity", key);
    int rc = milli ? quantity_parse_milli(text, out, err) : quantity_parse(text, out, err);
    if (rc < 0 || *out <= 0)
        return err_set(err, ERR_CONFIG, "%s: '%s' is not a quantity above 0", key, text);
    return 0;
}

static int read_languages(struct environment *e, const struct json_t *list, struct err *err)
{
    if (!json_is_array(list) || json_count(list) == 0 ||
        json_count(list) > ENVIRONMENT_LANGUAGES_MAX)
        return err_set(err, ERR_CONFIG, "languages: a list of 1 to %d names is needed",
                       ENVIRONMENT_LANGUAGES_MAX);
    for (size_t i = 0; i < json_count(list); i++) {
        struct slice name = slice_of(json_text(json_item(list, i)));
        if (!session_id_is_language(name))
            return err_set(err, ERR_CONFIG, "languages: entry %zu is not a language's name", i + 1);
        memcpy(e->languages[e->language_count++], name.at, name.len);
    }
    return 0;
}

static int read_aliases(struct environment *e, const struct json_t *list, struct err *err)
{
    if (list && (!json_is_array(list) || json_count(list) > ENVIRONMENT_ALIASES_MAX))
        return err_set(err, ERR_CONFIG, "aliases: a list of up to %d names is needed",
                       ENVIRONMENT_ALIASES_MAX);
    for (size_t i = 0; i < json_count(list); i++) {
        struct slice name = slice_of(json_text(json_item(list, i)));
        if (!session_id_is_label(name))
            return err_set(err, ERR_CONFIG, "aliases: entry %zu is not a DNS label", i + 1);
        memcpy(e->aliases[e->alias_count++], name.at, name.len);
    }
    return 0;
}

static int read_environment(struct environment *e, const char *name, const struct json_t *from,
                            struct err *err)
{
    const struct json_t *resources = json_get(from, "resources");
    if (!session_id_is_label(slice_of(name)))
        return err_set(err, ERR_CONFIG, "the name is not a DNS label");
    if (*json_get_text(from, "image", "") == '\0')
        return err_set(err, ERR_CONFIG, "image is needed");
    snprintf(e->name, sizeof(e->name), "%s", name);
    snprintf(e->image, sizeof(e->image), "%s", json_get_text(from, "image", ""));
    snprintf(e->description, sizeof(e->description), "%s", json_get_text(from, "description", ""));
    e->millicpu = 500;
    e->memory_bytes = 256 * MI;
    e->disk_bytes = 64 * MI;
    e->pids = json_int(json_get(from, "pids"), 64);
    if (e->pids < 8 || e->pids > 32768)
        return err_set(err, ERR_CONFIG, "pids must be between 8 and 32768");
    int rc = read_quantity(resources, "cpu", true, &e->millicpu, err);
    if (rc == 0)
        rc = read_quantity(resources, "memory", false, &e->memory_bytes, err);
    if (rc == 0)
        rc = read_quantity(resources, "disk", false, &e->disk_bytes, err);
    if (rc == 0)
        rc = read_aliases(e, json_get(from, "aliases"), err);
    if (rc == 0 && packages_read(from, &e->packages, err) < 0) {
        err->code = ERR_CONFIG;
        return -ERR_CONFIG;
    }
    return rc == 0 ? read_languages(e, json_get(from, "languages"), err) : rc;
}

static int read_language_alias(struct environments *e, const char *language,
                               const struct json_t *name, struct err *err)
{
    struct language_alias *a = &e->aliases[e->alias_count];
    if (e->alias_count == ALIASES_MAX || !session_id_is_language(slice_of(language)) ||
        !session_id_is_language(slice_of(json_text(name))))
        return err_set(err, ERR_CONFIG, "language_aliases of '%s': up to %d names are needed",
                       language, ALIASES_MAX);
    snprintf(a->language, sizeof(a->language), "%s", language);
    snprintf(a->name, sizeof(a->name), "%s", json_text(name));
    e->alias_count++;
    return 0;
}

static int read_language_aliases(struct environments *e, const struct json_t *map, struct err *err)
{
    const char *language;
    struct json_t *names;
    int rc = 0;
    e->aliases = mem_array(ALIASES_MAX, sizeof(*e->aliases));
    if (map && !json_is_object(map))
        return err_set(err, ERR_CONFIG, "language_aliases: a map of lists is needed");
    for (void *it = NULL; rc == 0 && map && (it = json_next(map, it, &language, &names));) {
        if (!json_is_array(names))
            return err_set(err, ERR_CONFIG, "language_aliases: a map of lists is needed");
        for (size_t i = 0; rc == 0 && i < json_count(names); i++)
            rc = read_language_alias(e, language, json_item(names, i), err);
    }
    return rc;
}

struct environments *environments_parse(const struct json_t *file, struct err *err)
{
    const struct json_t *map = json_get(file, "environments");
    size_t count = json_count(map);
    if (!json_is_object(map) || count == 0 || count > ENVIRONMENTS_MAX) {
        err_set(err, ERR_CONFIG, "a map 'environments' with 1 to %d entries is needed",
                ENVIRONMENTS_MAX);
        return NULL;
    }
    struct environments *e = mem_alloc(sizeof(*e));
    e->items = mem_array(count, sizeof(*e->items));
    const char *name;
    struct json_t *value;
    void *it = NULL;
    while ((it = json_next(map, it, &name, &value))) {
        if (read_environment(&e->items[e->count++], name, value, err) < 0) {
            err_wrap(err, "environment '%s'", name);
            environments_free(&e);
            return NULL;
        }
    }
    if (read_language_aliases(e, json_get(file, "language_aliases"), err) < 0)
        environments_free(&e);
    return e;
}

struct environments *environments_read(const char *path, struct err *err)
{
    struct json_t *file = yaml_read_file(path, err);
    struct environments *e = NULL;
    if (file) {
        e = environments_parse(file, err);
        if (!e)
            err_wrap(err, "%s", path);
        json_free(file);
    }
    return e;
}

void environments_free(struct environments **e)
{
    if (!*e)
        return;
    for (size_t i = 0; i < (*e)->count; i++)
        json_free((*e)->items[i].packages);
    free((*e)->items);
    free((*e)->aliases);
    free(*e);
    *e = NULL;
}

const struct environment *environments_get(const struct environments *e, const char *name)
{
    for (size_t i = 0; i < e->count; i++) {
        if (strcmp(e->items[i].name, name) == 0)
            return &e->items[i];
    }
    for (size_t i = 0; i < e->count; i++) {
        for (int a = 0; a < e->items[i].alias_count; a++) {
            if (strcmp(e->items[i].aliases[a], name) == 0)
                return &e->items[i];
        }
    }
    return NULL;
}

const char *environments_name_for(const struct environments *e, const char *usual,
                                  struct slice language)
{
    const struct environment *first = environments_get(e, usual);
    if (first && environment_has_language(first, language))
        return usual;
    for (size_t i = 0; i < e->count; i++) {
        if (environment_has_language(&e->items[i], language))
            return e->items[i].name;
    }
    return usual;
}

size_t environments_count(const struct environments *e)
{
    return e->count;
}

const struct environment *environments_at(const struct environments *e, size_t i)
{
    return &e->items[i];
}

const char *environments_language(const struct environments *e, const char *name)
{
    for (size_t i = 0; i < e->alias_count; i++) {
        if (strcmp(e->aliases[i].name, name) == 0)
            return e->aliases[i].language;
    }
    return name;
}

bool environment_has_language(const struct environment *e, struct slice language)
{
    for (int i = 0; i < e->language_count; i++) {
        if (slice_eq(language, e->languages[i]))
            return true;
    }
    return false;
}
