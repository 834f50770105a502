/* compile_step.h - compiles the code, then becomes the program: what the agent's own file does when
 * it is started as `agent compile …` in place of the code.
 *
 * So a compiler runs inside the same walls as the code, below the same leader. What it says goes to
 * standard error. On descriptor 3, the one for values (value_report.h), it reports `S` when the
 * program is about to begin, or the error. Runs in a process of its own: nothing of the agent's
 * state. */
#pragma once
#include "base/slice.h"
#include "sandbox/exec_request.h"

/* The value pipe's first bytes when the program begins. */
#define COMPILE_STEP_BEGINS "S0\n"

/* The command of both; gives. */
struct compile_step {
    const char *agent;  /* its file */
    const char *folder; /* of the code: not named in what the compiler says */
    bool values;        /* the program reports values itself */
};
struct text_list compile_step_command(const struct compile_step *how,
                                      const struct text_list *compile, const struct text_list *run);
/* argv[1] is "compile"; ends with the program, or returns an exit status. */
int compile_step_main(int argc, char *const *argv);
