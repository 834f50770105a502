#include "base/config.h"

#include "base/config_value.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS_MAX 1024 /* of one list or map */

/* All that the target's pointers lead to. */
struct config {
    void **owned;
    size_t count, room;
};

struct line {
    struct line *next;
    char *path;
    int number;
};

struct reader {
    const char *program;
    const struct config_key *keys;
    size_t key_count;
    const char **flags; /* the text that the arguments give a key, or NULL */
    const char *file;
    bool check_only;
    struct json_t *tree; /* the file's, or NULL */
    struct line *lines;
    struct config *config;
    char *target;
    struct err *err;
};

static void *own(struct config *c, void *p)
{
    if (c->count == c->room) {
        c->room = c->room ? 2 * c->room : 16;
        c->owned = mem_resize(c->owned, c->room * sizeof(*c->owned));
    }
    c->owned[c->count++] = p;
    return p;
}

static char *own_text(struct config *c, const char *text, size_t len)
{
    return own(c, mem_text_n(text, len));
}

void config_free(struct config **c)
{
    if (!*c)
        return;
    for (size_t i = 0; i < (*c)->count; i++)
        free((*c)->owned[i]);
    free((*c)->owned);
    free(*c);
    *c = NULL;
}

/* -- one key's value into the target -- */

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

static int set_number(struct reader *r, const struct config_key *k, const char *text)
{
    int64_t v;
    int failed = parse_number(k, text, &v, r->err);
    if (!failed)
        failed = check_range(k, v, r->err);
    if (!failed)
        memcpy(r->target + k->offset, &v, sizeof(v));
    return failed;
}

static int set_bool(struct reader *r, const struct config_key *k, const char *text)
{
    bool v;
    int failed = config_parse_bool(text, &v, r->err);
    if (!failed)
        memcpy(r->target + k->offset, &v, sizeof(v));
    return failed;
}

static void set_text(struct reader *r, const struct config_key *k, const char *text)
{
    const char *copy = own_text(r->config, text, strlen(text));
    memcpy(r->target + k->offset, &copy, sizeof(copy));
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

static int set_list(struct reader *r, const struct config_key *k, const char *text)
{
    struct config_list list = {.count = count_items(text)};
    if (list.count > ITEMS_MAX)
        return refuse_length(r->err);
    list.items = own(r->config, mem_array(list.count, sizeof(*list.items)));
    for (size_t i = 0; i < list.count; i++) {
        size_t len = strcspn(text, ",");
        struct slice item = trimmed(text, len);
        if (item.len == 0)
            return err_set(r->err, ERR_CONFIG, "has an empty item");
        list.items[i] = own_text(r->config, item.at, item.len);
        text += len + 1;
    }
    memcpy(r->target + k->offset, &list, sizeof(list));
    return 0;
}

static void new_map(struct reader *r, struct config_map *map, size_t room)
{
    *map = (struct config_map){.count = 0};
    map->keys = own(r->config, mem_array(room, sizeof(*map->keys)));
    map->values = own(r->config, mem_array(room, sizeof(*map->values)));
}

static int add_pair(struct reader *r, struct config_map *map, struct slice key, struct slice value)
{
    if (key.len == 0)
        return err_set(r->err, ERR_CONFIG, "has an item without a name");
    const char *name = own_text(r->config, key.at, key.len);
    if (config_map_get(map, name))
        return err_set(r->err, ERR_CONFIG, "names '%s' twice", name);
    map->keys[map->count] = name;
    map->values[map->count++] = own_text(r->config, value.at, value.len);
    return 0;
}

static int set_map(struct reader *r, const struct config_key *k, const char *text)
{
    size_t room = count_items(text);
    if (room > ITEMS_MAX)
        return refuse_length(r->err);
    struct config_map map;
    new_map(r, &map, room);
    for (size_t i = 0; i < room; i++) {
        size_t len = strcspn(text, ",");
        const char *equals = memchr(text, '=', len);
        if (!equals)
            return err_set(r->err, ERR_CONFIG, "has an item that is not name=value");
        size_t name_len = (size_t)(equals - text);
        int failed =
            add_pair(r, &map, trimmed(text, name_len), trimmed(equals + 1, len - name_len - 1));
        if (failed)
            return failed;
        text += len + 1;
    }
    memcpy(r->target + k->offset, &map, sizeof(map));
    return 0;
}

static int set_map_list(struct reader *r, const struct config_key *k, const struct json_t *j);

static int set_map_list_from_text(struct reader *r, const struct config_key *k, const char *text)
{
    struct json_t *j = yaml_read_scalars(text, strlen(text), k->name, NULL, NULL, r->err);
    int failed = j ? set_map_list(r, k, j) : -ERR_CONFIG;
    json_free(j);
    return failed;
}

static int set_from_text(struct reader *r, const struct config_key *k, const char *text)
{
    switch (k->type) {
    case CONFIG_TEXT:
        set_text(r, k, text);
        return 0;
    case CONFIG_TEXT_LIST:
        return set_list(r, k, text);
    case CONFIG_TEXT_MAP:
        return set_map(r, k, text);
    case CONFIG_MAP_LIST:
        return set_map_list_from_text(r, k, text);
    case CONFIG_BOOL:
        return set_bool(r, k, text);
    default:
        return set_number(r, k, text);
    }
}

/* -- values of the file -- */

static int set_list_from_node(struct reader *r, const struct config_key *k, const struct json_t *j)
{
    struct config_list list = {.count = json_count(j)};
    if (list.count > ITEMS_MAX)
        return refuse_length(r->err);
    list.items = own(r->config, mem_array(list.count, sizeof(*list.items)));
    for (size_t i = 0; i < list.count; i++) {
        const char *text = json_text(json_item(j, i));
        if (!text)
            return err_set(r->err, ERR_CONFIG, "item %zu is not a text", i + 1);
        list.items[i] = own_text(r->config, text, strlen(text));
    }
    memcpy(r->target + k->offset, &list, sizeof(list));
    return 0;
}

static int read_map(struct reader *r, const struct json_t *j, struct config_map *map)
{
    if (json_count(j) > ITEMS_MAX)
        return refuse_length(r->err);
    new_map(r, map, json_count(j));
    const char *key;
    struct json_t *value;
    for (void *it = NULL; (it = json_next(j, it, &key, &value));) {
        const char *text = json_text(value);
        if (!text)
            return err_set(r->err, ERR_CONFIG, "the value of '%s' is not a text", key);
        int failed = add_pair(r, map, slice_of(key), slice_of(text));
        if (failed)
            return failed;
    }
    return 0;
}

static int set_map_from_node(struct reader *r, const struct config_key *k, const struct json_t *j)
{
    struct config_map map;
    int failed = read_map(r, j, &map);
    if (!failed)
        memcpy(r->target + k->offset, &map, sizeof(map));
    return failed;
}

static int set_map_list(struct reader *r, const struct config_key *k, const struct json_t *j)
{
    struct config_map_list list = {.count = json_count(j)};
    if (!json_is_array(j) && !json_is_null(j))
        return err_set(r->err, ERR_CONFIG, "must be a list of maps");
    if (list.count > ITEMS_MAX)
        return refuse_length(r->err);
    list.items = own(r->config, mem_array(list.count, sizeof(*list.items)));
    for (size_t i = 0; i < list.count; i++) {
        if (!json_is_object(json_item(j, i)))
            return err_set(r->err, ERR_CONFIG, "item %zu is not a map", i + 1);
        int failed = read_map(r, json_item(j, i), &list.items[i]);
        if (failed)
            return err_wrap(r->err, "item %zu", i + 1);
    }
    memcpy(r->target + k->offset, &list, sizeof(list));
    return 0;
}

static int set_from_node(struct reader *r, const struct config_key *k, const struct json_t *j)
{
    if (json_is_array(j) && k->type == CONFIG_TEXT_LIST)
        return set_list_from_node(r, k, j);
    if (json_is_object(j) && k->type == CONFIG_TEXT_MAP)
        return set_map_from_node(r, k, j);
    if (k->type == CONFIG_MAP_LIST && !json_text(j))
        return set_map_list(r, k, j);
    if (!json_text(j))
        return err_set(r->err, ERR_CONFIG, "this kind of value does not belong here");
    return set_from_text(r, k, json_text(j));
}

static const struct json_t *find_node(const struct json_t *tree, const char *name)
{
    char part[CONFIG_ENV_MAX];
    while (tree && *name) {
        size_t len = strcspn(name, ".");
        memcpy(part, name, len);
        part[len] = '\0';
        tree = json_get(tree, part);
        name += len + (name[len] == '.');
    }
    return tree;
}

static int line_of(const struct reader *r, const char *path)
{
    for (const struct line *l = r->lines; l; l = l->next) {
        if (strcmp(l->path, path) == 0)
            return l->number;
    }
    return 0;
}

static void note_line(const char *path, int number, void *user)
{
    struct reader *r = user;
    struct line *l = mem_alloc(sizeof(*l));
    *l = (struct line){.next = r->lines, .path = mem_text(path), .number = number};
    r->lines = l;
}

enum place { PLACE_NONE, PLACE_ABOVE, PLACE_KEY };

/* Is there a key of this name, or are there keys below it? */
static enum place find_place(const struct reader *r, const char *path)
{
    size_t len = strlen(path);
    enum place place = PLACE_NONE;
    for (size_t i = 0; i < r->key_count; i++) {
        const char *name = r->keys[i].name;
        if (strcmp(name, path) == 0)
            return PLACE_KEY;
        if (strncmp(name, path, len) == 0 && name[len] == '.')
            place = PLACE_ABOVE;
    }
    return place;
}

static int check_names(struct reader *r, const struct json_t *map, const char *above)
{
    const char *key;
    struct json_t *value;
    for (void *it = NULL; (it = json_next(map, it, &key, &value));) {
        char *path CLEANUP(mem_free_text) = mem_format("%s%s%s", above, *above ? "." : "", key);
        enum place place = strchr(key, '.') ? PLACE_NONE : find_place(r, path);
        if (place == PLACE_NONE)
            return err_set(r->err, ERR_CONFIG, "%s:%d: unknown key '%s'", r->file, line_of(r, path),
                           path);
        if (place == PLACE_ABOVE && !json_is_object(value) && !json_is_null(value))
            return err_set(r->err, ERR_CONFIG, "%s:%d: '%s' must be a map of keys", r->file,
                           line_of(r, path), path);
        int failed = place == PLACE_ABOVE ? check_names(r, value, path) : 0;
        if (failed)
            return failed;
    }
    return 0;
}

static int read_file(struct reader *r)
{
    size_t len;
    char *text CLEANUP(mem_free_text) = yaml_load_file(r->file, &len, r->err);
    if (!text)
        return -ERR_CONFIG;
    r->tree = yaml_read_scalars(text, len, r->file, note_line, r, r->err);
    if (!r->tree)
        return -ERR_CONFIG;
    if (!json_is_object(r->tree) && !json_is_null(r->tree))
        return err_set(r->err, ERR_CONFIG, "%s: the file must be a map of keys", r->file);
    return check_names(r, r->tree, "");
}

/* -- arguments -- */

static const struct config_key *find_key(const struct reader *r, const char *name, size_t len)
{
    for (size_t i = 0; i < r->key_count; i++) {
        if (strlen(r->keys[i].name) == len && memcmp(r->keys[i].name, name, len) == 0)
            return &r->keys[i];
    }
    return NULL;
}

static void print_and_exit(const struct reader *r, bool help) NORETURN;
static void print_and_exit(const struct reader *r, bool help)
{
    if (help)
        config_print_help(r->program, r->keys, r->key_count, stdout);
    else
        printf("%s %s\n", r->program, SPILLWAY_VERSION);
    exit(EXIT_SUCCESS);
}

/* The value behind '=' or in the next argument; a truth may stand alone. */
static const char *take_value(const char *equals, const struct config_key *k, int argc, char **argv,
                              int *at)
{
    if (equals)
        return equals + 1;
    bool next_is_value = *at + 1 < argc && strncmp(argv[*at + 1], "--", 2) != 0;
    if (k && k->type == CONFIG_BOOL && !next_is_value)
        return "true";
    return *at + 1 < argc ? argv[++*at] : NULL;
}

static int read_argument(struct reader *r, int argc, char **argv, int *at)
{
    const char *argument = argv[*at];
    if (strncmp(argument, "--", 2) != 0)
        return err_set(r->err, ERR_CONFIG, "unexpected argument '%s' (see --help)", argument);
    const char *name = argument + 2, *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    struct slice flag = {name, len};
    if (!equals && (slice_eq(flag, "help") || slice_eq(flag, "version")))
        print_and_exit(r, slice_eq(flag, "help"));
    if (!equals && slice_eq(flag, "check-config")) {
        r->check_only = true;
        return 0;
    }
    const struct config_key *k = find_key(r, name, len);
    bool is_file = slice_eq(flag, "config");
    if (!k && !is_file)
        return err_set(r->err, ERR_CONFIG, "unknown flag --%.*s (see --help)", (int)len, name);
    const char *value = take_value(equals, k, argc, argv, at);
    if (!value)
        return err_set(r->err, ERR_CONFIG, "--%.*s needs a value", (int)len, name);
    if (is_file)
        r->file = value;
    else
        r->flags[k - r->keys] = value;
    return 0;
}

static int read_arguments(struct reader *r, int argc, char **argv)
{
    for (int at = 1; at < argc; at++) {
        int failed = read_argument(r, argc, argv, &at);
        if (failed)
            return failed;
    }
    return 0;
}

/* -- all sources -- */

static int set_fallback(struct reader *r, const struct config_key *k)
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
        return set_from_text(r, k, k->fallback);
    memset(r->target + k->offset, 0, SIZES[k->type]);
    return 0;
}

static int read_key(struct reader *r, size_t i)
{
    const struct config_key *k = &r->keys[i];
    char env[CONFIG_ENV_MAX];
    config_env_name(k->name, env);
    const char *from_env = getenv(env);
    const struct json_t *node = find_node(r->tree, k->name);
    int failed;
    if (r->flags[i]) {
        failed = set_from_text(r, k, r->flags[i]);
        return failed ? err_wrap(r->err, "--%s", k->name) : 0;
    }
    if (from_env) {
        failed = set_from_text(r, k, from_env);
        return failed ? err_wrap(r->err, "%s", env) : 0;
    }
    if (node && !json_is_null(node)) {
        failed = set_from_node(r, k, node);
        return failed ? err_wrap(r->err, "%s:%d: %s", r->file, line_of(r, k->name), k->name) : 0;
    }
    failed = set_fallback(r, k);
    return failed ? err_wrap(r->err, "default of %s", k->name) : 0;
}

static int read_all(struct reader *r, int argc, char **argv)
{
    int failed = read_arguments(r, argc, argv);
    if (failed)
        return failed;
    if (!r->file)
        r->file = getenv("SPILLWAY_CONFIG");
    if (r->file && *r->file)
        failed = read_file(r);
    for (size_t i = 0; !failed && i < r->key_count; i++)
        failed = read_key(r, i);
    return failed;
}

static void check_table(const struct config_key *keys, size_t count)
{
    static const char *const TAKEN[] = {"config", "check-config", "help", "version"};
    char one[CONFIG_ENV_MAX], other[CONFIG_ENV_MAX];
    for (size_t i = 0; i < count; i++) {
        for (size_t t = 0; t < ARRAY_LEN(TAKEN); t++)
            INVARIANT(strcmp(keys[i].name, TAKEN[t]) != 0);
        config_env_name(keys[i].name, one);
        for (size_t j = 0; j < i; j++) {
            config_env_name(keys[j].name, other);
            INVARIANT(strcmp(one, other) != 0); /* "a.b" and "a_b" would be the same variable */
        }
    }
}

static void free_reader(struct reader *r)
{
    while (r->lines) {
        struct line *next = r->lines->next;
        free(r->lines->path);
        free(r->lines);
        r->lines = next;
    }
    json_free(r->tree);
    free(r->flags);
}

static void report_and_exit(const char *program, int failed, const struct err *err) NORETURN;
static void report_and_exit(const char *program, int failed, const struct err *err)
{
    if (failed)
        fprintf(stderr, "%s: %s\n", program, err->msg);
    else
        printf("%s: the configuration is fine\n", program);
    exit(failed ? EXIT_FAILURE : EXIT_SUCCESS);
}

struct config *config_read(const char *program, const struct config_key *keys, size_t key_count,
                           int argc, char **argv, void *target, struct err *err)
{
    return config_read_checked(program, keys, key_count, argc, argv, target, NULL, err);
}

struct config *config_read_checked(const char *program, const struct config_key *keys,
                                   size_t key_count, int argc, char **argv, void *target,
                                   config_check_f *check, struct err *err)
{
    check_table(keys, key_count);
    struct err why = {.code = ERR_NONE};
    struct reader r = {.program = program, .keys = keys, .key_count = key_count, .err = &why};
    r.flags = mem_array(key_count, sizeof(*r.flags));
    r.config = mem_alloc(sizeof(*r.config));
    r.target = target;
    int failed = read_all(&r, argc, argv);
    if (!failed && check)
        failed = check(target, &why);
    free_reader(&r);
    if (r.check_only)
        report_and_exit(program, failed, &why);
    if (failed) {
        config_free(&r.config);
        err_set(err, why.code, "%s", why.msg);
    }
    return r.config;
}

const char *config_map_get(const struct config_map *m, const char *key)
{
    for (size_t i = 0; i < m->count; i++) {
        if (strcmp(m->keys[i], key) == 0)
            return m->values[i];
    }
    return NULL;
}
