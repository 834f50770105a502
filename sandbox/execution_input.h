/* execution_input.h - the standard input of a run: what waits until the program reads it.
 *
 * A file is read piece by piece, as the program takes it. Ownership: takes the descriptors. Loop:
 * on the loop. */
#pragma once
#include "base/err.h"
#include "base/loop.h"
#include "base/slice.h"

struct execution_input;

/* `open`: more may come by execution_input_feed(); else it ends behind `first`. */
struct execution_input *execution_input_new(struct loop *l, int fd, struct slice first,
                                            bool open) CHECK_RESULT;
/* Ends with the file. */
struct execution_input *execution_input_from_file(struct loop *l, int fd, int file) CHECK_RESULT;
void execution_input_free(struct execution_input **in); /* NULL accepted; closes */
/* `in` may be NULL: closed. ERR_STDIN_CLOSED, ERR_BUSY (the program does not read). */
int execution_input_feed(struct execution_input *in, struct slice bytes, bool eof,
                         struct err *err) CHECK_RESULT;
