/* language.h - the languages of this environment, from languages.yaml: data, not code.
 *
 *   languages:
 *     python:
 *       filename: main.py                 name of the code's file where the request gives none
 *       aliases: [py]
 *       value: true                       reports the last expression's value and the error on
 * descriptor 3 run: [/usr/bin/python3, "{runtimes}/python_runner.py", "{file_path}", "{filename}"]
 *
 *       warm: fork                        or once: how an interpreter is kept ready (warm.h)
 *       context: [/usr/bin/python3, …]    an interpreter that stays (context.h)
 *       interrupts: true                  it ends a program at SIGINT, and stays
 *
 *       compile: [/usr/bin/gcc, -o, "{output_path}", "{file_path}"]   before run, which may then
 * begin with {output_path} (compile_step.h) compile_timeout_seconds: 20       the default needs:
 * [/usr/share/…]             without these files it is not there
 *
 * Placeholders: {file_path} {filename} {stem} (filename without its ending) {output_path}
 * {runtimes}. Arguments of the request follow the command. A language whose program is not in the
 * image is not there. */
#pragma once
#include "base/err.h"
#include "sandbox/exec_request.h"

enum language_warm { LANGUAGE_WARM_NO, LANGUAGE_WARM_FORK, LANGUAGE_WARM_ONCE };

struct language {
    char *name;
    char *filename;
    bool value;
    enum language_warm warm;
    bool interrupts;          /* a program in a context obeys SIGINT */
    struct text_list context; /* command of an interpreter that stays; none: count 0 */
    struct text_list aliases;
    struct text_list run;
    struct text_list compile; /* count 0: none */
    int64_t compile_ms;
    struct text_list needs;
};

struct languages {
    struct language *items;
    size_t count;
};

/* What the placeholders stand for; "" removes nothing: a command that uses one must get it. */
struct language_places {
    const char *file_path, *filename, *output_path, *runtimes;
};

int languages_read(struct languages *l, const char *path, struct err *err) CHECK_RESULT;
int languages_parse(struct languages *l, const struct json_t *table, struct err *err) CHECK_RESULT;
void languages_fini(struct languages *l);
/* By name or alias; NULL when unknown. */
const struct language *languages_find(const struct languages *l, struct slice name);
/* "python, nodejs": for messages; those whose program is there. */
void languages_list_installed(const struct languages *l, char *out, size_t size);
/* It is compiled, or reports values: descriptor 3 is a pipe. */
bool language_reports(const struct language *l);
bool language_installed(const struct language *l);
/* Which text of the command is the code's file; false when none is. */
bool language_file_at(const struct language *l, size_t *out);
struct text_list language_context_command(const struct language *l,
                                          const struct language_places *places);
/* The command with its placeholders filled in, and the arguments; of a compiled one, that of both
 * steps. Gives. */
struct text_list language_command(const struct language *l, const struct language_places *places,
                                  const struct text_list *args);
