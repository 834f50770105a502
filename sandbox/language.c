#include "sandbox/language.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "sandbox/compile_step.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define COMPILE_SECONDS     20
#define COMPILE_SECONDS_MAX 120

static int read_texts(const struct json_t *array, const char *language, const char *what,
                      struct text_list *out, struct err *err)
{
    if (!json_is_array(array))
        return err_set(err, ERR_CONFIG, "language %s: %s must be a list", language, what);
    out->items = mem_array(json_count(array) + 1, sizeof(*out->items));
    for (size_t i = 0; i < json_count(array); i++) {
        const char *text = json_text(json_item(array, i));
        if (!text)
            return err_set(err, ERR_CONFIG, "language %s: %s must hold texts", language, what);
        out->items[out->count++] = mem_text(text);
    }
    return 0;
}

static int read_warm(struct language *l, const char *name, const struct json_t *v, struct err *err)
{
    const char *text = json_text(v);
    size_t at;
    l->warm = LANGUAGE_WARM_NO;
    if (text && strcmp(text, "fork") == 0)
        l->warm = LANGUAGE_WARM_FORK;
    else if (text && strcmp(text, "once") == 0)
        l->warm = LANGUAGE_WARM_ONCE;
    else
        return err_set(err, ERR_CONFIG, "language %s: warm must be fork or once", name);
    if (!language_file_at(l, &at))
        return err_set(err, ERR_CONFIG, "language %s: warm needs {file_path} in run", name);
    return 0;
}

static int read_compile(struct language *l, const char *name, const struct json_t *j,
                        struct err *err)
{
    if (!json_get(j, "compile"))
        return 0;
    int64_t seconds = json_int(json_get(j, "compile_timeout_seconds"), COMPILE_SECONDS);
    int rc = read_texts(json_get(j, "compile"), name, "compile", &l->compile, err);
    if (rc == 0 && (l->compile.count == 0 || l->compile.items[0][0] != '/'))
        rc =
            err_set(err, ERR_CONFIG, "language %s: compile must begin with an absolute path", name);
    if (rc == 0 && (seconds < 1 || seconds > COMPILE_SECONDS_MAX))
        rc = err_set(err, ERR_CONFIG, "language %s: compile_timeout_seconds is 1 to %d", name,
                     COMPILE_SECONDS_MAX);
    l->compile_ms = seconds * 1000;
    return rc;
}

static bool begins_well(const struct language *l)
{
    if (l->run.count == 0)
        return false;
    return l->run.items[0][0] == '/' ||
           (l->compile.count > 0 && strcmp(l->run.items[0], "{output_path}") == 0);
}

static int read_language(struct language *l, const char *name, const struct json_t *j,
                         struct err *err)
{
    l->name = mem_text(name);
    l->filename = mem_text(json_get_text(j, "filename", NULL));
    l->value = json_true(json_get(j, "value"));
    if (!l->filename)
        return err_set(err, ERR_CONFIG, "language %s: filename is missing", name);
    int rc = read_texts(json_get(j, "run"), name, "run", &l->run, err);
    if (rc == 0)
        rc = read_compile(l, name, j, err);
    if (rc == 0 && !begins_well(l))
        rc = err_set(err, ERR_CONFIG, "language %s: run must begin with an absolute path", name);
    if (rc == 0 && json_get(j, "context"))
        rc = read_texts(json_get(j, "context"), name, "context", &l->context, err);
    l->interrupts = json_true(json_get(j, "interrupts"));
    if (rc == 0 && json_get(j, "warm"))
        rc = read_warm(l, name, json_get(j, "warm"), err);
    if (rc == 0 && json_get(j, "needs"))
        rc = read_texts(json_get(j, "needs"), name, "needs", &l->needs, err);
    if (rc == 0 && json_get(j, "aliases"))
        rc = read_texts(json_get(j, "aliases"), name, "aliases", &l->aliases, err);
    return rc;
}

int languages_parse(struct languages *l, const struct json_t *table, struct err *err)
{
    *l = (struct languages){0};
    const struct json_t *all = json_get(table, "languages");
    if (!json_is_object(all))
        return err_set(err, ERR_CONFIG, "there is no map \"languages\"");
    l->items = mem_array(json_count(all) + 1, sizeof(*l->items));
    const char *name;
    struct json_t *value;
    int rc = 0;
    for (void *it = NULL; rc == 0 && (it = json_next(all, it, &name, &value));)
        rc = read_language(&l->items[l->count++], name, value, err);
    if (rc < 0)
        languages_fini(l);
    return rc;
}

int languages_read(struct languages *l, const char *path, struct err *err)
{
    *l = (struct languages){0};
    struct json_t *table = yaml_read_file(path, err);
    if (!table)
        return -ERR_CONFIG;
    int rc = languages_parse(l, table, err);
    json_free(table);
    return rc < 0 ? err_wrap(err, "%s", path) : 0;
}

void languages_fini(struct languages *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->items[i].name);
        free(l->items[i].filename);
        text_list_fini(&l->items[i].aliases);
        text_list_fini(&l->items[i].run);
        text_list_fini(&l->items[i].compile);
        text_list_fini(&l->items[i].needs);
        text_list_fini(&l->items[i].context);
    }
    free(l->items);
    *l = (struct languages){0};
}

static bool named(const struct language *l, struct slice name)
{
    if (slice_eq(name, l->name))
        return true;
    for (size_t i = 0; i < l->aliases.count; i++)
        if (slice_eq(name, l->aliases.items[i]))
            return true;
    return false;
}

const struct language *languages_find(const struct languages *l, struct slice name)
{
    for (size_t i = 0; i < l->count; i++)
        if (named(&l->items[i], name))
            return &l->items[i];
    return NULL;
}

bool language_installed(const struct language *l)
{
    for (size_t i = 0; i < l->needs.count; i++)
        if (access(l->needs.items[i], F_OK) < 0)
            return false;
    if (l->compile.count > 0 && access(l->compile.items[0], X_OK) < 0)
        return false;
    return l->run.items[0][0] != '/' || access(l->run.items[0], X_OK) == 0;
}

bool language_reports(const struct language *l)
{
    return l->value || l->compile.count > 0;
}

bool language_file_at(const struct language *l, size_t *out)
{
    for (size_t i = 1; i < l->run.count; i++)
        if (strcmp(l->run.items[i], "{file_path}") == 0) {
            *out = i;
            return true;
        }
    return false;
}

void languages_list_installed(const struct languages *l, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < l->count && used < size; i++)
        if (language_installed(&l->items[i])) {
            int n =
                snprintf(out + used, size - used, "%s%s", used > 0 ? ", " : "", l->items[i].name);
            used += n > 0 ? (size_t)n : 0;
        }
}

static const char *place(const struct language_places *places, const char *from, size_t len)
{
    const struct {
        const char *name;
        const char *value;
    } known[] = {{"{file_path}", places->file_path},
                 {"{filename}", places->filename},
                 {"{output_path}", places->output_path},
                 {"{runtimes}", places->runtimes}};
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strlen(known[i].name) == len && memcmp(known[i].name, from, len) == 0)
            return known[i].value;
    return NULL;
}

/* The file's name without its ending. */
static size_t stem_length(const char *filename)
{
    const char *dot = strrchr(filename, '.');
    return dot && dot > filename ? (size_t)(dot - filename) : strlen(filename);
}

static char *fill_in(const char *text, const struct language_places *places)
{
    struct buf b;
    buf_init(&b, EXEC_REQUEST_TEXT_BYTES_MAX);
    while (*text) {
        const char *end = *text == '{' ? strchr(text, '}') : NULL;
        size_t len = end ? (size_t)(end - text) + 1 : 1;
        const char *value = end ? place(places, text, len) : NULL;
        if (value)
            buf_add_text(&b, value);
        else if (end && len == strlen("{stem}") && memcmp(text, "{stem}", len) == 0)
            buf_add(&b, places->filename, stem_length(places->filename));
        else
            buf_add(&b, text, len = 1);
        text += len;
    }
    char *filled = mem_text(buf_text(&b));
    buf_fini(&b);
    return filled;
}

static struct text_list fill_all(const struct text_list *from, const struct language_places *places)
{
    struct text_list c = {mem_array(from->count + 1, sizeof(*c.items)), 0};
    for (size_t i = 0; i < from->count; i++)
        c.items[c.count++] = fill_in(from->items[i], places);
    return c;
}

/* The agent's own file lies beside the folder of runtimes. */
static struct text_list with_compiler(const struct language *l,
                                      const struct language_places *places, struct text_list *run)
{
    struct text_list compile = fill_all(&l->compile, places);
    const char *end = strrchr(places->file_path, '/');
    char *agent = mem_format("%s/../agent", places->runtimes);
    char *folder = mem_text_n(places->file_path, end ? (size_t)(end - places->file_path) + 1 : 0);
    const struct compile_step how = {agent, folder, l->value};
    struct text_list both = compile_step_command(&how, &compile, run);
    free(folder);
    free(agent);
    text_list_fini(&compile);
    text_list_fini(run);
    return both;
}

struct text_list language_command(const struct language *l, const struct language_places *places,
                                  const struct text_list *args)
{
    struct text_list c = {mem_array(l->run.count + args->count + 1, sizeof(*c.items)), 0};
    for (size_t i = 0; i < l->run.count; i++)
        c.items[c.count++] = fill_in(l->run.items[i], places);
    for (size_t i = 0; i < args->count; i++)
        c.items[c.count++] = mem_text(args->items[i]);
    return l->compile.count > 0 ? with_compiler(l, places, &c) : c;
}

struct text_list language_context_command(const struct language *l,
                                          const struct language_places *places)
{
    return fill_all(&l->context, places);
}
