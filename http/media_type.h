/* media_type.h - what a body is, as its Content-Type says. Pure. */
#pragma once
#include "base/err.h"
#include "base/slice.h"

/* *type: the name alone ("text/plain"; empty where there is no field), which lives as long as the
 * field. ERR_UNSUPPORTED_MEDIA_TYPE: its charset is another one than UTF-8 (or ASCII, which is a
 * part of it): every text is read as that, and would be taken for what it is not. */
int media_type_read(struct slice content_type, struct slice *type, struct err *err) CHECK_RESULT;
