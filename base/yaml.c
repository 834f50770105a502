#include "base/yaml.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>
#include <yaml.h>

#define PATH_MAX_BYTES 4096
#define DEPTH_MAX      JSON_DEPTH_MAX

struct reader {
    yaml_parser_t parser;
    const char *name;
    bool typed;
    yaml_line_f *line_of;
    void *user;
    struct buf path; /* "a.b.c" of the key that is being read */
    struct err *err;
};

static int line_at(const yaml_mark_t *mark)
{
    return (int)mark->line + 1;
}

static int refuse(struct reader *r, const yaml_event_t *event, const char *why)
{
    return err_set(r->err, ERR_CONFIG, "%s:%d: %s", r->name, line_at(&event->start_mark), why);
}

static int next(struct reader *r, yaml_event_t *event)
{
    if (yaml_parser_parse(&r->parser, event))
        return 0;
    const char *problem = r->parser.problem ? r->parser.problem : "not YAML";
    return err_set(r->err, ERR_CONFIG, "%s:%d: %s", r->name, line_at(&r->parser.problem_mark),
                   problem);
}

/* -- plain scalars: YAML 1.2's core schema -- */

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++) {
        if (strcmp(text, *words) == 0)
            return true;
    }
    return false;
}

static bool is_null_word(const char *text)
{
    static const char *const WORDS[] = {"", "~", "null", "Null", "NULL", NULL};
    return is_one_of(text, WORDS);
}

static bool is_decimal(const char *text)
{
    const char *digits = text + (*text == '-' || *text == '+');
    return *digits && digits[strspn(digits, "0123456789")] == '\0';
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_real(const char *at)
{
    at += *at == '-' || *at == '+';
    size_t whole = strspn(at, "0123456789"), part = 0;
    at += whole;
    if (*at == '.') {
        at++;
        part = strspn(at, "0123456789");
        at += part;
    }
    if (whole + part == 0)
        return false;
    if (*at == 'e' || *at == 'E') {
        at++;
        return is_decimal(at);
    }
    return *at == '\0';
}

static bool as_integer(const char *text, int64_t *out)
{
    int base = 10;
    const char *digits = text;
    if (text[0] == '0' && text[1] == 'x' && isxdigit((unsigned char)text[2])) {
        base = 16;
        digits = text + 2;
    } else if (text[0] == '0' && text[1] == 'o' && isdigit((unsigned char)text[2])) {
        base = 8;
        digits = text + 2;
    } else if (!is_decimal(text)) {
        return false;
    }
    char *end;
    errno = 0;
    *out = strtoll(digits, &end, base);
    return errno == 0 && *end == '\0';
}

static struct json_t *typed_value(const char *text)
{
    static const char *const TRUE_WORDS[] = {"true", "True", "TRUE", NULL};
    static const char *const FALSE_WORDS[] = {"false", "False", "FALSE", NULL};
    int64_t whole;
    if (is_one_of(text, TRUE_WORDS))
        return json_new_bool(true);
    if (is_one_of(text, FALSE_WORDS))
        return json_new_bool(false);
    if (as_integer(text, &whole))
        return json_new_int(whole);
    if (is_real(text)) {
        double real = strtod(text, NULL);
        if (isfinite(real))
            return json_new_number(real);
    }
    return json_new_text(text);
}

static const char *scalar_text(const yaml_event_t *event)
{
    return (const char *)event->data.scalar.value;
}

static struct json_t *read_scalar(struct reader *r, const yaml_event_t *event)
{
    const char *text = scalar_text(event);
    size_t len = event->data.scalar.length;
    if (event->data.scalar.tag) {
        refuse(r, event, "tags are not supported");
        return NULL;
    }
    if (event->data.scalar.anchor) {
        refuse(r, event, "anchors are not supported");
        return NULL;
    }
    if (memchr(text, '\0', len)) {
        refuse(r, event, "a text contains NUL");
        return NULL;
    }
    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return json_new_text_n(text, len);
    if (is_null_word(text))
        return json_new_null();
    return r->typed ? typed_value(text) : json_new_text_n(text, len);
}

/* -- collections -- */

static struct json_t *read_node(struct reader *r, const yaml_event_t *event, int depth);

static int enter(struct reader *r, const yaml_event_t *at, const char *key)
{
    bool fits = (r->path.len == 0 || buf_add_text(&r->path, ".")) && buf_add_text(&r->path, key);
    if (!fits)
        return refuse(r, at, "the path of this key is too long");
    return 0;
}

static void leave(struct reader *r, size_t len)
{
    r->path.len = len;
}

static struct json_t *read_child(struct reader *r, int depth)
{
    yaml_event_t event;
    if (next(r, &event) < 0)
        return NULL;
    struct json_t *value = read_node(r, &event, depth);
    yaml_event_delete(&event);
    return value;
}

static int read_member(struct reader *r, const yaml_event_t *event, struct json_t *map, int depth)
{
    if (event->type != YAML_SCALAR_EVENT)
        return refuse(r, event, "a key must be a plain text");
    if (event->data.scalar.tag || event->data.scalar.anchor)
        return refuse(r, event, "tags and anchors are not supported");
    const char *key = scalar_text(event);
    if (strlen(key) != event->data.scalar.length)
        return refuse(r, event, "a key contains NUL");
    if (json_get(map, key))
        return err_set(r->err, ERR_CONFIG, "%s:%d: the key '%s' stands here twice", r->name,
                       line_at(&event->start_mark), key);
    size_t path_len = r->path.len;
    if (enter(r, event, key) < 0)
        return -ERR_CONFIG;
    if (r->line_of)
        r->line_of(buf_text(&r->path), line_at(&event->start_mark), r->user);
    struct json_t *value = read_child(r, depth);
    leave(r, path_len);
    if (!value)
        return -ERR_CONFIG;
    json_set(map, key, value);
    return 0;
}

static struct json_t *read_map(struct reader *r, int depth)
{
    struct json_t *map = json_new_object();
    for (;;) {
        yaml_event_t event;
        if (next(r, &event) < 0)
            break;
        bool ended = event.type == YAML_MAPPING_END_EVENT;
        int failed = ended ? 0 : read_member(r, &event, map, depth);
        yaml_event_delete(&event);
        if (ended)
            return map;
        if (failed)
            break;
    }
    json_free(map);
    return NULL;
}

static int read_item(struct reader *r, const yaml_event_t *event, struct json_t *list, int depth)
{
    char index[24];
    size_t path_len = r->path.len;
    snprintf(index, sizeof(index), "%zu", json_count(list));
    if (enter(r, event, index) < 0)
        return -ERR_CONFIG;
    struct json_t *item = read_node(r, event, depth);
    leave(r, path_len);
    if (!item)
        return -ERR_CONFIG;
    json_add(list, item);
    return 0;
}

static struct json_t *read_list(struct reader *r, int depth)
{
    struct json_t *list = json_new_array();
    for (;;) {
        yaml_event_t event;
        if (next(r, &event) < 0)
            break;
        bool ended = event.type == YAML_SEQUENCE_END_EVENT;
        int failed = ended ? 0 : read_item(r, &event, list, depth);
        yaml_event_delete(&event);
        if (ended)
            return list;
        if (failed)
            break;
    }
    json_free(list);
    return NULL;
}

static struct json_t *read_collection(struct reader *r, const yaml_event_t *event, int depth)
{
    bool is_map = event->type == YAML_MAPPING_START_EVENT;
    const yaml_char_t *tag =
        is_map ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    const yaml_char_t *anchor =
        is_map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    if (tag || anchor) {
        refuse(r, event, tag ? "tags are not supported" : "anchors are not supported");
        return NULL;
    }
    if (depth == DEPTH_MAX) {
        refuse(r, event, "nested too deeply");
        return NULL;
    }
    return is_map ? read_map(r, depth + 1) : read_list(r, depth + 1);
}

/* Reads the value that begins with `event`, which the caller deletes. */
static struct json_t *read_node(struct reader *r, const yaml_event_t *event, int depth)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(r, event);
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        return read_collection(r, event, depth);
    case YAML_ALIAS_EVENT:
        refuse(r, event, "anchors are not supported");
        return NULL;
    default:
        refuse(r, event, "a value is missing");
        return NULL;
    }
}

/* Skips what begins a document; 1 when there is one, 0 at the end of the text. */
static int begin_document(struct reader *r)
{
    for (;;) {
        yaml_event_t event;
        if (next(r, &event) < 0)
            return -ERR_CONFIG;
        yaml_event_type_t type = event.type;
        yaml_event_delete(&event);
        if (type == YAML_DOCUMENT_START_EVENT)
            return 1;
        if (type == YAML_STREAM_END_EVENT)
            return 0;
    }
}

static struct json_t *read_stream(struct reader *r)
{
    int begun = begin_document(r);
    if (begun <= 0)
        return begun == 0 ? json_new_null() : NULL;
    struct json_t *value = read_child(r, 0);
    if (!value)
        return NULL;
    int more = begin_document(r);
    if (more == 0)
        return value;
    if (more > 0)
        err_set(r->err, ERR_CONFIG, "%s: only one document is supported", r->name);
    json_free(value);
    return NULL;
}

static struct json_t *read_text(const char *text, size_t len, struct reader *r)
{
    int ready = yaml_parser_initialize(&r->parser);
    INVARIANT(ready);
    yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)text, len);
    buf_init(&r->path, PATH_MAX_BYTES);
    struct json_t *value = read_stream(r);
    buf_fini(&r->path);
    yaml_parser_delete(&r->parser);
    return value;
}

struct json_t *yaml_read_text(const char *text, size_t len, const char *name, yaml_line_f *line_of,
                              void *user, struct err *err)
{
    struct reader r = {.name = name, .typed = true, .line_of = line_of, .user = user, .err = err};
    return read_text(text, len, &r);
}

struct json_t *yaml_read_scalars(const char *text, size_t len, const char *name,
                                 yaml_line_f *line_of, void *user, struct err *err)
{
    struct reader r = {.name = name, .line_of = line_of, .user = user, .err = err};
    return read_text(text, len, &r);
}

/* Reads up to one byte more than the limit, so that a file that is too long shows. */
static int read_all(int fd, const char *path, struct buf *out, struct err *err)
{
    char chunk[16384];
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof(chunk));
        if (got == 0)
            return 0;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set_errno(err, ERR_CONFIG, errno, "cannot read %s", path);
        if (!buf_add(out, chunk, (size_t)got))
            return err_set(err, ERR_CONFIG, "%s is longer than the limit of %d bytes", path,
                           YAML_FILE_MAX_BYTES);
    }
}

char *yaml_load_file(const char *path, size_t *out_len, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        err_set_errno(err, ERR_CONFIG, errno, "cannot read %s", path);
        return NULL;
    }
    struct buf text;
    buf_init(&text, YAML_FILE_MAX_BYTES);
    int failed = read_all(fd, path, &text, err);
    close(fd);
    if (failed) {
        buf_fini(&text);
        return NULL;
    }
    *out_len = text.len;
    return buf_text(&text); /* handed over instead of buf_fini() */
}

struct json_t *yaml_read_file(const char *path, struct err *err)
{
    size_t len;
    char *text = yaml_load_file(path, &len, err);
    if (!text)
        return NULL;
    struct json_t *value = yaml_read_text(text, len, path, NULL, NULL, err);
    free(text);
    return value;
}
