#include "sim_parse.h"

#include "base/json.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define REMEMBERED 32

static struct {
    char *text;
    size_t len;
    struct json_t *object;
} seen[REMEMBERED];
static size_t next;

struct json_t *__real_json_parse_object(struct slice text, struct err *err);
struct json_t *__wrap_json_parse_object(struct slice text, struct err *err);

static void forget(size_t i)
{
    free(seen[i].text);
    json_free(seen[i].object);
    seen[i].text = NULL;
    seen[i].object = NULL;
}

static void remember(struct slice text, struct json_t *object)
{
    forget(next);
    seen[next].text = mem_text_n(text.at, text.len);
    seen[next].len = text.len;
    seen[next].object = json_ref(object);
    next = (next + 1) % REMEMBERED;
}

static struct json_t *recall(struct slice text)
{
    for (size_t i = 0; i < REMEMBERED; i++) {
        if (seen[i].text && seen[i].len == text.len && memcmp(seen[i].text, text.at, text.len) == 0)
            return json_ref(seen[i].object);
    }
    return NULL;
}

struct json_t *__wrap_json_parse_object(struct slice text, struct err *err)
{
    bool event = slice_starts_with(text, "{\"type\":\"");
    bool capacity = slice_starts_with(text, "{\"site\":\"");
    struct json_t *j = event || capacity ? recall(text) : NULL;
    if (j)
        return j;
    j = __real_json_parse_object(text, err);
    if (j && (event || capacity))
        remember(text, j);
    return j;
}

void sim_parse_forget(void)
{
    for (size_t i = 0; i < REMEMBERED; i++)
        forget(i);
}
