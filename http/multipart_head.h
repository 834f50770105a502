/* multipart_head.h - the fields above a part's bytes, and values with parameters as they stand in
 * them. Pure. */
#pragma once
#include "base/cc.h"
#include "base/err.h"
#include "base/slice.h"
#include <stdbool.h>

#define MULTIPART_NAME_MAX ((size_t)1024)

struct multipart_head {
    char name[64]; /* of the form's field */
    char file_name[MULTIPART_NAME_MAX + 1];
    bool has_file_name;
};

/* `fields` ends with an empty line. ERR_BAD_REQUEST: no form-data, a line that is no field, a name
 * that is too long or has a NUL, a transfer encoding that would have to be undone. */
int multipart_head_parse(struct multipart_head *h, struct slice fields,
                         struct err *err) CHECK_RESULT;

/* "value; name=token; name=\"quoted\"". */
struct multipart_value {
    struct slice value; /* of the parameter; after begin: what stands before the first ';' */
    struct slice name;
    bool quoted; /* `value` lies between quotes, with its backslashes */
    struct slice rest;
};

void multipart_value_begin(struct multipart_value *v, struct slice text);
/* 1: the next parameter; 0: there is none; -1: malformed. */
int multipart_value_next(struct multipart_value *v);
