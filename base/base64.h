/* base64.h - RFC 4648 §4, both ways. Pure. */
#pragma once
#include "base/buf.h"
#include "base/slice.h"

void base64_print(struct buf *out, struct slice bytes);

/* What may stand in a text beside its digits and its padding. */
enum base64_form {
    BASE64_STRICT, /* nothing */
    BASE64_FOLDED  /* white space, and the padding may be missing: as YAML folds it */
};
/* `out` takes 3 bytes for 4 characters, rounded up. False: it is none. */
bool base64_decode(struct slice text, enum base64_form form, void *out, size_t *len);
