#include "http/media_type.h"

#include "http/multipart_head.h"

static const char *const CHARSETS[] = {"utf-8", "utf8", "us-ascii", "ascii"};

static bool is_known(struct slice charset)
{
    for (size_t i = 0; i < sizeof(CHARSETS) / sizeof(*CHARSETS); i++) {
        if (slice_eq_nocase(charset, CHARSETS[i]))
            return true;
    }
    return false;
}

int media_type_read(struct slice content_type, struct slice *type, struct err *err)
{
    struct multipart_value v;
    multipart_value_begin(&v, content_type);
    *type = v.value;
    /* What is no parameter says nothing ("application/json; utf-8" is common). */
    while (multipart_value_next(&v) > 0) {
        if (slice_eq_nocase(v.name, "charset") && !is_known(v.value))
            return err_set(err, ERR_UNSUPPORTED_MEDIA_TYPE, "texts come as UTF-8, not as %.*s",
                           SLICE_ARG(v.value));
    }
    return 0;
}
