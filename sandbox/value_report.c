#include "sandbox/value_report.h"
#include "base/json.h"
#include "sandbox/utf8.h"
#include <ctype.h>

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

struct json_t *value_report_text(struct slice text)
{
    if (!text.at)
        return json_new_null();
    if (text.len > VALUE_REPORT_TEXT_MAX)
        text.len = VALUE_REPORT_TEXT_MAX;
    struct buf clean;
    buf_init(&clean, VALUE_REPORT_TEXT_MAX * 3 + 1);
    utf8_clean(&clean, text);
    struct json_t *j = json_new_text_n(buf_text(&clean), clean.len);
    buf_fini(&clean);
    return j;
}
