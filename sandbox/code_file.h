/* code_file.h - the code of an execution as a file in a folder of its own below /tmp, with a name
 * nobody can guess. Removed at the execution's end; what user code puts beside it is its own and
 * stays. */
#pragma once
#include "base/err.h"
#include "base/slice.h"

struct code_file {
    char *dir;
    char *path;
    char *output; /* where a compiler would put its program */
    char *event;  /* NULL: not written */
    char *input;
};

/* ERR_WORKSPACE_FULL when there is no room. */
int code_file_write(struct code_file *f, const char *name, struct slice code,
                    struct err *err) CHECK_RESULT;
/* What belongs to the run besides; the path comes to be in f->event or f->input. */
int code_file_write_event(struct code_file *f, struct slice json, struct err *err) CHECK_RESULT;
int code_file_write_input(struct code_file *f, struct slice bytes, struct err *err) CHECK_RESULT;
void code_file_remove(struct code_file *f); /* empty accepted */
