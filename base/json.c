#include <jansson.h>

/* jansson's tests are macros of the same names as our functions. */
#undef json_is_object
#undef json_is_array
#undef json_is_string
#undef json_is_integer
#undef json_is_number
#undef json_is_null
#ifdef json_is_bool
#undef json_is_bool
#endif

#include "base/json.h"

#include "base/mem.h"

#include <stdarg.h>
#include <string.h>

#define REAL_DIGITS 15 /* for people: 0.1 stays 0.1; the canonical form keeps all 17 */

static json_t *present(json_t *j)
{
    INVARIANT(j); /* out of memory, or a format of json_build() that is wrong */
    return j;
}

/* jansson's own limit is 2048 levels and cannot be set: brackets are counted before it sees the
 * text. */
static bool is_too_deep(struct slice text)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX)
                return true;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return false;
}

/* jansson quotes the text near the error, whose bytes need not be text. */
static void make_printable(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
            *text = '?';
    }
}

struct json_t *json_parse(struct slice text, struct err *err)
{
    if (is_too_deep(text)) {
        err_set(err, ERR_BAD_JSON, "nested deeper than the limit of %d levels", JSON_DEPTH_MAX);
        return NULL;
    }
    json_error_t where;
    json_t *j = json_loadb(text.at ? text.at : "", text.len,
                           JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
    if (!j) {
        make_printable(where.text);
        err_set(err, ERR_BAD_JSON, "line %d column %d: %s", where.line, where.column, where.text);
    }
    return j;
}

struct json_t *json_parse_object(struct slice text, struct err *err)
{
    json_t *j = json_parse(text, err);
    if (j && !json_is_object(j)) {
        err_set(err, ERR_BAD_JSON, "the outermost value must be an object");
        json_free(j);
        return NULL;
    }
    return j;
}

void json_free(struct json_t *j)
{
    json_decref(j);
}

struct json_t *json_ref(struct json_t *j)
{
    return json_incref(j);
}

bool json_is_object(const struct json_t *j)
{
    return j && json_typeof(j) == JSON_OBJECT;
}

bool json_is_array(const struct json_t *j)
{
    return j && json_typeof(j) == JSON_ARRAY;
}

bool json_is_string(const struct json_t *j)
{
    return j && json_typeof(j) == JSON_STRING;
}

bool json_is_integer(const struct json_t *j)
{
    return j && json_typeof(j) == JSON_INTEGER;
}

bool json_is_number(const struct json_t *j)
{
    return j && (json_typeof(j) == JSON_INTEGER || json_typeof(j) == JSON_REAL);
}

bool json_is_bool(const struct json_t *j)
{
    return j && (json_typeof(j) == JSON_TRUE || json_typeof(j) == JSON_FALSE);
}

bool json_is_null(const struct json_t *j)
{
    return j && json_typeof(j) == JSON_NULL;
}

struct json_t *json_get(const struct json_t *j, const char *key)
{
    return json_object_get(j, key);
}

struct json_t *json_at(const struct json_t *j, ...)
{
    const json_t *at = j;
    const char *key;
    va_list keys;
    va_start(keys, j);
    while (at && (key = va_arg(keys, const char *)))
        at = json_object_get(at, key);
    va_end(keys);
    return (json_t *)at;
}

const char *json_text(const struct json_t *j)
{
    return json_string_value(j);
}

size_t json_text_len(const struct json_t *j)
{
    return json_string_length(j);
}

int64_t json_int(const struct json_t *j, int64_t otherwise)
{
    return json_is_integer(j) ? json_integer_value(j) : otherwise;
}

double json_number(const struct json_t *j, double otherwise)
{
    return json_is_number(j) ? json_number_value(j) : otherwise;
}

bool json_true(const struct json_t *j)
{
    return j && json_typeof(j) == JSON_TRUE;
}

const char *json_get_text(const struct json_t *j, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(j, key));
    return text ? text : otherwise;
}

size_t json_count(const struct json_t *j)
{
    return json_is_array(j) ? json_array_size(j) : json_object_size(j);
}

struct json_t *json_item(const struct json_t *j, size_t i)
{
    return json_array_get(j, i);
}

void *json_next(const struct json_t *object, void *it, const char **key, struct json_t **value)
{
    json_t *o = (json_t *)object;
    void *next = it ? json_object_iter_next(o, it) : json_object_iter(o);
    if (!next)
        return NULL;
    if (key)
        *key = json_object_iter_key(next);
    if (value)
        *value = json_object_iter_value(next);
    return next;
}

struct json_t *json_new_object(void)
{
    return present(json_object());
}

struct json_t *json_new_array(void)
{
    return present(json_array());
}

struct json_t *json_new_text(const char *text)
{
    return json_new_text_n(text, text ? strlen(text) : 0);
}

struct json_t *json_new_text_n(const char *text, size_t len)
{
    json_t *j = text ? json_stringn(text, len) : NULL;
    return j ? j : json_null();
}

struct json_t *json_new_int(int64_t v)
{
    return present(json_integer(v));
}

struct json_t *json_new_number(double v)
{
    json_t *j = json_real(v);
    return j ? j : json_null(); /* NaN and the infinities have no JSON */
}

struct json_t *json_new_bool(bool v)
{
    return present(json_pack("b", v)); /* not json_boolean(): it would call our json_true() */
}

struct json_t *json_new_null(void)
{
    return json_null();
}

struct json_t *json_copy(const struct json_t *j)
{
    return j ? present(json_deep_copy(j)) : NULL;
}

struct json_t *json_build(const char *fmt, ...)
{
    json_error_t where;
    va_list args;
    va_start(args, fmt);
    json_t *j = json_vpack_ex(&where, 0, fmt, args);
    va_end(args);
    return present(j);
}

void json_set(struct json_t *object, const char *key, struct json_t *value)
{
    INVARIANT(json_is_object(object) && value);
    int refused = json_object_set_new(object, key, value);
    (void)refused; /* only a key that is not UTF-8 */
}

void json_set_text(struct json_t *object, const char *key, const char *text)
{
    json_set(object, key, json_new_text(text));
}

void json_set_int(struct json_t *object, const char *key, int64_t v)
{
    json_set(object, key, json_new_int(v));
}

void json_set_bool(struct json_t *object, const char *key, bool v)
{
    json_set(object, key, json_new_bool(v));
}

void json_remove(struct json_t *object, const char *key)
{
    json_object_del(object, key);
}

void json_add(struct json_t *array, struct json_t *value)
{
    INVARIANT(json_is_array(array) && value);
    int failed = json_array_append_new(array, value);
    INVARIANT(!failed);
}

void json_merge_patch(struct json_t *target, const struct json_t *patch)
{
    INVARIANT(json_is_object(target));
    const char *key;
    json_t *value;
    for (void *it = NULL; (it = json_next(patch, it, &key, &value));) {
        if (json_is_null(value)) {
            json_remove(target, key);
        } else if (json_is_object(value)) {
            if (!json_is_object(json_get(target, key)))
                json_set(target, key, json_new_object());
            json_merge_patch(json_get(target, key), value);
        } else {
            json_set(target, key, json_copy(value));
        }
    }
}

static int add_dumped(const char *bytes, size_t len, void *user)
{
    return buf_add(user, bytes, len) ? 0 : -1;
}

static void print(const struct json_t *j, struct buf *out, size_t flags)
{
    json_dump_callback(j, add_dumped, out, flags | JSON_COMPACT | JSON_ENCODE_ANY);
}

void json_print(const struct json_t *j, struct buf *out)
{
    print(j, out, JSON_REAL_PRECISION(REAL_DIGITS));
}

void json_print_sorted(const struct json_t *j, struct buf *out)
{
    print(j, out, JSON_SORT_KEYS);
}

/* Length of the UTF-8 character at `at` (RFC 3629: no overlong forms, no surrogates), 0 when it is
 * none. */
static size_t utf8_len(const unsigned char *at, size_t left)
{
    unsigned char c = at[0], low = 0x80, high = 0xbf;
    size_t len;
    if (c < 0x80)
        return 1;
    if (c >= 0xc2 && c <= 0xdf)
        len = 2;
    else if (c >= 0xe0 && c <= 0xef)
        len = 3;
    else if (c >= 0xf0 && c <= 0xf4)
        len = 4;
    else
        return 0;
    if (c == 0xe0)
        low = 0xa0;
    else if (c == 0xed)
        high = 0x9f;
    else if (c == 0xf0)
        low = 0x90;
    else if (c == 0xf4)
        high = 0x8f;
    if (left < len || at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if (at[i] < 0x80 || at[i] > 0xbf)
            return 0;
    }
    return len;
}

static bool add_escaped(struct buf *out, unsigned char c)
{
    switch (c) {
    case '"':
        return buf_add_text(out, "\\\"");
    case '\\':
        return buf_add_text(out, "\\\\");
    case '\n':
        return buf_add_text(out, "\\n");
    case '\r':
        return buf_add_text(out, "\\r");
    case '\t':
        return buf_add_text(out, "\\t");
    default:
        return buf_addf(out, "\\u%04x", c);
    }
}

void json_print_string(struct buf *out, struct slice text)
{
    const unsigned char *at = (const unsigned char *)text.at;
    size_t plain = 0; /* start of the run that can be copied as it is */
    buf_add_text(out, "\"");
    for (size_t i = 0; i < text.len;) {
        bool escape = at[i] < ' ' || at[i] == '"' || at[i] == '\\';
        size_t len = escape ? 0 : utf8_len(at + i, text.len - i);
        if (len) {
            i += len;
            continue;
        }
        buf_add(out, at + plain, i - plain);
        if (escape)
            add_escaped(out, at[i]);
        else
            buf_add_text(out, "\xef\xbf\xbd"); /* U+FFFD */
        plain = ++i;
    }
    if (text.len)
        buf_add(out, at + plain, text.len - plain);
    buf_add_text(out, "\"");
}
