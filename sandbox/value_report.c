#include "sandbox/value_report.h"
#include "base/json.h"
#include "sandbox/utf8.h"
#include <ctype.h>
#include <string.h>

/* Takes one record from the front; false when there is no whole one. */
static bool take(struct slice *in, char *kind, struct slice *bytes)
{
    size_t i = 1, len = 0;
    while (i < in->len && isdigit((unsigned char)in->at[i]) && len <= VALUE_REPORT_BYTES_MAX)
        len = len * 10 + (size_t)(in->at[i++] - '0');
    if (i < 2 || i >= in->len || in->at[i] != '\n' || len > in->len - i - 1)
        return false;
    *kind = in->at[0];
    *bytes = (struct slice){in->at + i + 1, len};
    in->at += i + 1 + len;
    in->len -= i + 1 + len;
    return true;
}

void value_report_parse(struct value_report *r, struct slice in)
{
    *r = (struct value_report){0};
    char kind;
    struct slice bytes;
    while (in.len > 0 && take(&in, &kind, &bytes)) {
        if (kind == 'R')
            r->value = bytes;
        else if (kind == 'C')
            r->cut = true;
        else if (kind == 'N')
            r->error_name = bytes;
        else if (kind == 'V')
            r->error_value = bytes;
        else if (kind == 'B')
            r->traceback = bytes;
    }
}

static struct json_t *clean_text(struct slice text)
{
    struct buf clean;
    buf_init(&clean, text.len * 3 + 1);
    utf8_clean(&clean, text);
    struct json_t *j = json_new_text_n(buf_text(&clean), clean.len);
    buf_fini(&clean);
    return j;
}

/* Counts as it will be printed; NULL when that is more than `left`. */
static struct json_t *display(struct slice bytes, size_t *left)
{
    const char *end = bytes.len > 0 ? memchr(bytes.at, '\n', bytes.len) : NULL;
    if (!end)
        return NULL;
    size_t mime = (size_t)(end - bytes.at);
    struct json_t *j = json_new_object();
    json_set(j, "mime", clean_text((struct slice){bytes.at, mime}));
    json_set(j, "data", clean_text((struct slice){end + 1, bytes.len - mime - 1}));
    struct buf printed;
    buf_init(&printed, *left);
    json_print(j, &printed);
    bool fits = !printed.overflowed;
    *left -= fits ? printed.len : 0;
    buf_fini(&printed);
    if (fits)
        return j;
    json_free(j);
    return NULL;
}

bool value_report_add_displays(struct slice in, struct json_t *array)
{
    size_t left = VALUE_REPORT_DISPLAYS_MAX;
    bool whole = true;
    char kind;
    struct slice bytes;
    while (in.len > 0 && take(&in, &kind, &bytes)) {
        struct json_t *j = kind == 'D' ? display(bytes, &left) : NULL;
        if (j)
            json_add(array, j);
        else if (kind == 'D' || kind == 'O')
            whole = false;
    }
    return whole;
}

struct json_t *value_report_text(struct slice text)
{
    if (!text.at)
        return json_new_null();
    if (text.len > VALUE_REPORT_TEXT_MAX)
        text.len = VALUE_REPORT_TEXT_MAX;
    return clean_text(text);
}
