/* run_extras.h - what a run is told beside its code: its event, and in a context its input, as
 * files that names in its environment say; the file that its standard input comes from. A client
 * cannot give names that begin with SPILLWAY_; runners take them out before the code sees them. */
#pragma once
#include "sandbox/code_file.h"
#include "sandbox/language.h"

struct workspace;

/* Writes the files and adds to r->env. ERR_INVALID_ARGUMENT, ERR_WORKSPACE_FULL. */
int run_extras_write(struct code_file *f, const struct language *language, struct exec_request *r,
                     struct err *err) CHECK_RESULT;
/* Opens r->stdin_file, if there is one: to r->stdin_fd. An interpreter that stays opens its input
 * itself, as what runs in it could; it is told the path below `folder`. Errors of workspace.h. */
int run_extras_open_input(const struct workspace *w, const char *folder, struct exec_request *r,
                          struct err *err) CHECK_RESULT;
/* The code's file, its name, the arguments: what an interpreter that stays is told; gives. */
struct text_list run_extras_args(const char *path, const char *filename,
                                 const struct text_list *args);
