#include "base/config_target.h"

#include "base/config.h"
#include "base/config_value.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/slice.h"
#include "base/yaml.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS_MAX 1024 /* of one list or map */

static char *own_text(struct config *c, const char *text, size_t len)
{
    return config_own(c, mem_text_n(text, len));
}

/* -- from a text -- */

static int check_range(const struct config_key *k, int64_t v, struct err *err)
{
    if ((k->min == 0 && k->max == 0) || (v >= k->min && v <= k->max))
        return 0;
    return err_set(err, ERR_CONFIG, "must lie between %lld and %lld%s, not %lld", (long long)k->min,
                   (long long)k->max,
                   k->type == CONFIG_DURATION_MS ? " ms"
                   : k->type == CONFIG_BYTES     ? " bytes"
                   : k->type == CONFIG_MILLICPU  ? " thousandths of a CPU"
                                                 : "",
                   (long long)v);
}

static int parse_number(const struct config_key *k, const char *text, int64_t *out, struct err *err)
{
    switch (k->type) {
    case CONFIG_DURATION_MS:
        return config_parse_duration_ms(text, out, err);
    case CONFIG_BYTES:
        return config_parse_bytes(text, out, err);
    case CONFIG_MILLICPU:
        return config_parse_millicpu(text, out, err);
    default:
        return config_parse_int(text, out, err);
    }
}

static int set_number(struct config_target *t, const struct config_key *k, const char *text)
{
    int64_t v;
    int failed = parse_number(k, text, &v, t->err);
    if (!failed)
        failed = check_range(k, v, t->err);
    if (!failed)
        memcpy(t->fields + k->offset, &v, sizeof(v));
    return failed;
}

static int set_bool(struct config_target *t, const struct config_key *k, const char *text)
{
    bool v;
    int failed = config_parse_bool(text, &v, t->err);
    if (!failed)
        memcpy(t->fields + k->offset, &v, sizeof(v));
    return failed;
}

static void set_text(struct config_target *t, const struct config_key *k, const char *text)
{
    const char *copy = own_text(t->config, text, strlen(text));
    memcpy(t->fields + k->offset, &copy, sizeof(copy));
}

static struct slice trimmed(const char *at, size_t len)
{
    while (len && isspace((unsigned char)*at)) {
        at++;
        len--;
    }
    while (len && isspace((unsigned char)at[len - 1]))
        len--;
    return (struct slice){at, len};
}

static size_t count_items(const char *text)
{
    size_t count = *text ? 1 : 0;
    for (; *text; text++)
        count += *text == ',';
    return count;
}

static int refuse_length(struct err *err)
{
    return err_set(err, ERR_CONFIG, "has more than the limit of %d items", ITEMS_MAX);
}

static int set_list(struct config_target *t, const struct config_key *k, const char *text)
{
    struct config_list list = {.count = count_items(text)};
    if (list.count > ITEMS_MAX)
        return refuse_length(t->err);
    list.items = config_own(t->config, mem_array(list.count, sizeof(*list.items)));
    for (size_t i = 0; i < list.count; i++) {
        size_t len = strcspn(text, ",");
        struct slice item = trimmed(text, len);
        if (item.len == 0)
            return err_set(t->err, ERR_CONFIG, "has an empty item");
        list.items[i] = own_text(t->config, item.at, item.len);
        text += len + 1;
    }
    memcpy(t->fields + k->offset, &list, sizeof(list));
    return 0;
}

static void new_map(struct config_target *t, struct config_map *map, size_t room)
{
    *map = (struct config_map){.count = 0};
    map->keys = config_own(t->config, mem_array(room, sizeof(*map->keys)));
    map->values = config_own(t->config, mem_array(room, sizeof(*map->values)));
}

static int add_pair(struct config_target *t, struct config_map *map, struct slice key,
                    struct slice value)
{
    if (key.len == 0)
        return err_set(t->err, ERR_CONFIG, "has an item without a name");
    const char *name = own_text(t->config, key.at, key.len);
    if (config_map_get(map, name))
        return err_set(t->err, ERR_CONFIG, "names '%s' twice", name);
    map->keys[map->count] = name;
    map->values[map->count++] = own_text(t->config, value.at, value.len);
    return 0;
}

static int set_map(struct config_target *t, const struct config_key *k, const char *text)
{
    size_t room = count_items(text);
    if (room > ITEMS_MAX)
        return refuse_length(t->err);
    struct config_map map;
    new_map(t, &map, room);
    for (size_t i = 0; i < room; i++) {
        size_t len = strcspn(text, ",");
        const char *equals = memchr(text, '=', len);
        if (!equals)
            return err_set(t->err, ERR_CONFIG, "has an item that is not name=value");
        size_t name_len = (size_t)(equals - text);
        int failed =
            add_pair(t, &map, trimmed(text, name_len), trimmed(equals + 1, len - name_len - 1));
        if (failed)
            return failed;
        text += len + 1;
    }
    memcpy(t->fields + k->offset, &map, sizeof(map));
    return 0;
}

static int set_map_list(struct config_target *t, const struct config_key *k,
                        const struct json_t *j);

static int set_map_list_from_text(struct config_target *t, const struct config_key *k,
                                  const char *text)
{
    struct json_t *j = yaml_read_scalars(text, strlen(text), k->name, NULL, NULL, t->err);
    int failed = j ? set_map_list(t, k, j) : -ERR_CONFIG;
    json_free(j);
    return failed;
}

int config_target_set_text(struct config_target *t, const struct config_key *k, const char *text)
{
    switch (k->type) {
    case CONFIG_TEXT:
        set_text(t, k, text);
        return 0;
    case CONFIG_TEXT_LIST:
        return set_list(t, k, text);
    case CONFIG_TEXT_MAP:
        return set_map(t, k, text);
    case CONFIG_MAP_LIST:
        return set_map_list_from_text(t, k, text);
    case CONFIG_BOOL:
        return set_bool(t, k, text);
    default:
        return set_number(t, k, text);
    }
}

/* -- from the file's tree -- */

static int set_list_from_node(struct config_target *t, const struct config_key *k,
                              const struct json_t *j)
{
    struct config_list list = {.count = json_count(j)};
    if (list.count > ITEMS_MAX)
        return refuse_length(t->err);
    list.items = config_own(t->config, mem_array(list.count, sizeof(*list.items)));
    for (size_t i = 0; i < list.count; i++) {
        const char *text = json_text(json_item(j, i));
        if (!text)
            return err_set(t->err, ERR_CONFIG, "item %zu is not a text", i + 1);
        list.items[i] = own_text(t->config, text, strlen(text));
    }
    memcpy(t->fields + k->offset, &list, sizeof(list));
    return 0;
}

static int read_map(struct config_target *t, const struct json_t *j, struct config_map *map)
{
    if (json_count(j) > ITEMS_MAX)
        return refuse_length(t->err);
    new_map(t, map, json_count(j));
    const char *key;
    struct json_t *value;
    for (void *it = NULL; (it = json_next(j, it, &key, &value));) {
        const char *text = json_text(value);
        if (!text)
            return err_set(t->err, ERR_CONFIG, "the value of '%s' is not a text", key);
        int failed = add_pair(t, map, slice_of(key), slice_of(text));
        if (failed)
            return failed;
    }
    return 0;
}

static int set_map_from_node(struct config_target *t, const struct config_key *k,
                             const struct json_t *j)
{
    struct config_map map;
    int failed = read_map(t, j, &map);
    if (!failed)
        memcpy(t->fields + k->offset, &map, sizeof(map));
    return failed;
}

static int set_map_list(struct config_target *t, const struct config_key *k, const struct json_t *j)
{
    struct config_map_list list = {.count = json_count(j)};
    if (!json_is_array(j) && !json_is_null(j))
        return err_set(t->err, ERR_CONFIG, "must be a list of maps");
    if (list.count > ITEMS_MAX)
        return refuse_length(t->err);
    list.items = config_own(t->config, mem_array(list.count, sizeof(*list.items)));
    for (size_t i = 0; i < list.count; i++) {
        if (!json_is_object(json_item(j, i)))
            return err_set(t->err, ERR_CONFIG, "item %zu is not a map", i + 1);
        int failed = read_map(t, json_item(j, i), &list.items[i]);
        if (failed)
            return err_wrap(t->err, "item %zu", i + 1);
    }
    memcpy(t->fields + k->offset, &list, sizeof(list));
    return 0;
}

int config_target_set_node(struct config_target *t, const struct config_key *k,
                           const struct json_t *j)
{
    if (json_is_array(j) && k->type == CONFIG_TEXT_LIST)
        return set_list_from_node(t, k, j);
    if (json_is_object(j) && k->type == CONFIG_TEXT_MAP)
        return set_map_from_node(t, k, j);
    if (k->type == CONFIG_MAP_LIST && !json_text(j))
        return set_map_list(t, k, j);
    if (!json_text(j))
        return err_set(t->err, ERR_CONFIG, "this kind of value does not belong here");
    return config_target_set_text(t, k, json_text(j));
}

/* -- where nobody says anything -- */

int config_target_set_fallback(struct config_target *t, const struct config_key *k)
{
    static const size_t SIZES[] = {
        [CONFIG_TEXT] = sizeof(const char *),
        [CONFIG_TEXT_LIST] = sizeof(struct config_list),
        [CONFIG_TEXT_MAP] = sizeof(struct config_map),
        [CONFIG_MAP_LIST] = sizeof(struct config_map_list),
        [CONFIG_INT] = sizeof(int64_t),
        [CONFIG_DURATION_MS] = sizeof(int64_t),
        [CONFIG_BYTES] = sizeof(int64_t),
        [CONFIG_MILLICPU] = sizeof(int64_t),
        [CONFIG_BOOL] = sizeof(bool),
    };
    if (k->fallback)
        return config_target_set_text(t, k, k->fallback);
    memset(t->fields + k->offset, 0, SIZES[k->type]);
    return 0;
}
