/* run_extras.h - what a run is told beside its code: its event, and in a context its input, as
 * files that names in its environment say. A client cannot give names that begin with SPILLWAY_;
 * runners take them out before the code sees them. */
#pragma once
#include "sandbox/code_file.h"
#include "sandbox/language.h"

/* Writes the files and adds to r->env. ERR_INVALID_ARGUMENT, ERR_WORKSPACE_FULL. */
int run_extras_write(struct code_file *f, const struct language *language, struct exec_request *r,
                     struct err *err) CHECK_RESULT;
/* The code's file, its name, the arguments: what an interpreter that stays is told; gives. */
struct text_list run_extras_args(const char *path, const char *filename,
                                 const struct text_list *args);
