/* json.h - reading and writing JSON with limits (the only room that knows jansson).
 *
 * Ownership: json_parse(), json_new_*() give a reference; json_free() drops it. json_set() and
 * json_add() take the value's reference. What a getter returns is borrowed from its parent. Errors:
 * ERR_BAD_JSON with the place (RFC 8259; duplicate keys, NaN and depth above the limit are
 * refused). */
#pragma once
#include "base/buf.h"
#include "base/cc.h"
#include "base/err.h"
#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>

struct json_t;

/* jansson exports functions json_true() and json_copy(): ours carry other names in the object file,
 * or the linker would give jansson ours. */
#define json_true json_truth
#define json_copy json_clone

#define JSON_DEPTH_MAX 32 /* of bodies from clients; Kubernetes objects are far below it too */

struct json_t *json_parse(struct slice text,
                          struct err *err) CHECK_RESULT; /* any top-level value */
struct json_t *json_parse_object(struct slice text, struct err *err) CHECK_RESULT;
void json_free(struct json_t *j); /* NULL accepted */
struct json_t *json_ref(struct json_t *j);

bool json_is_object(const struct json_t *j);
bool json_is_array(const struct json_t *j);
bool json_is_string(const struct json_t *j);
bool json_is_integer(const struct json_t *j);
bool json_is_number(const struct json_t *j);
bool json_is_bool(const struct json_t *j);
bool json_is_null(const struct json_t *j);

/* One member, NULL when absent (or `j` is no object). Key is exact: no dots. */
struct json_t *json_get(const struct json_t *j, const char *key);
/* A walk through objects: json_at(pod, "metadata", "name", NULL). */
struct json_t *json_at(const struct json_t *j, ...) __attribute__((sentinel));
const char *json_text(const struct json_t *j); /* NULL unless a string; terminated, no NUL inside */
size_t json_text_len(const struct json_t *j);
int64_t json_int(const struct json_t *j, int64_t otherwise);
double json_number(const struct json_t *j, double otherwise);
bool json_true(const struct json_t *j);
/* Text member or `otherwise`. */
const char *json_get_text(const struct json_t *j, const char *key, const char *otherwise);
size_t json_count(const struct json_t *j); /* of an array or object */
struct json_t *json_item(const struct json_t *j, size_t i);
/* Over an object's members: void *it = NULL; while ((it = json_next(o, it, &key, &value))) … */
void *json_next(const struct json_t *object, void *it, const char **key, struct json_t **value);

struct json_t *json_new_object(void);
struct json_t *json_new_array(void);
struct json_t *json_new_text(const char *text);               /* NULL gives null */
struct json_t *json_new_text_n(const char *text, size_t len); /* must be UTF-8, else null */
struct json_t *json_new_int(int64_t v);
struct json_t *json_new_number(double v);
struct json_t *json_new_bool(bool v);
struct json_t *json_new_null(void);
struct json_t *json_copy(const struct json_t *j); /* deep */
/* jansson's json_pack() language: json_build("{s:s,s:i}", "kind", "Pod", "n", 1). */
struct json_t *json_build(const char *fmt, ...);
/* A key that is not UTF-8 is not set; a value of NULL is a broken invariant (json_new_null() is the
 * null). */
void json_set(struct json_t *object, const char *key, struct json_t *value);
void json_set_text(struct json_t *object, const char *key, const char *text);
void json_set_int(struct json_t *object, const char *key, int64_t v);
void json_set_bool(struct json_t *object, const char *key, bool v);
void json_remove(struct json_t *object, const char *key);
void json_add(struct json_t *array, struct json_t *value);
/* RFC 7396 merge patch, in place. */
void json_merge_patch(struct json_t *target, const struct json_t *patch);

void json_print(const struct json_t *j, struct buf *out);        /* compact */
void json_print_sorted(const struct json_t *j, struct buf *out); /* canonical: for fingerprints */
/* Appends `text` as a JSON string with its quotes; what is not UTF-8 becomes U+FFFD. */
void json_print_string(struct buf *out, struct slice text);
