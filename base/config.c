#include "base/config.h"

#include "base/config_target.h"
#include "base/config_value.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"

#include <stdlib.h>
#include <string.h>

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
    struct config_target target;
    struct err *err;
};

void *config_own(struct config *c, void *p)
{
    if (c->count == c->room) {
        c->room = c->room ? 2 * c->room : 16;
        c->owned = mem_resize(c->owned, c->room * sizeof(*c->owned));
    }
    c->owned[c->count++] = p;
    return p;
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

/* -- the file -- */

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

static int read_key(struct reader *r, size_t i)
{
    const struct config_key *k = &r->keys[i];
    char env[CONFIG_ENV_MAX];
    config_env_name(k->name, env);
    const char *from_env = getenv(env);
    const struct json_t *node = find_node(r->tree, k->name);
    int failed;
    if (r->flags[i]) {
        failed = config_target_set_text(&r->target, k, r->flags[i]);
        return failed ? err_wrap(r->err, "--%s", k->name) : 0;
    }
    if (from_env) {
        failed = config_target_set_text(&r->target, k, from_env);
        return failed ? err_wrap(r->err, "%s", env) : 0;
    }
    if (node && !json_is_null(node)) {
        failed = config_target_set_node(&r->target, k, node);
        return failed ? err_wrap(r->err, "%s:%d: %s", r->file, line_of(r, k->name), k->name) : 0;
    }
    failed = config_target_set_fallback(&r->target, k);
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
    r.target = (struct config_target){target, mem_alloc(sizeof(struct config)), &why};
    int failed = read_all(&r, argc, argv);
    if (!failed && check)
        failed = check(target, &why);
    free_reader(&r);
    if (r.check_only)
        report_and_exit(program, failed, &why);
    if (failed) {
        config_free(&r.target.config);
        err_set(err, why.code, "%s", why.msg);
    }
    return r.target.config;
}

const char *config_map_get(const struct config_map *m, const char *key)
{
    for (size_t i = 0; i < m->count; i++) {
        if (strcmp(m->keys[i], key) == 0)
            return m->values[i];
    }
    return NULL;
}
