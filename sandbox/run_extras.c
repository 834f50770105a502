#include "sandbox/run_extras.h"
#include "base/mem.h"
#include "sandbox/workspace.h"
#include <stdlib.h>

static void add_env(struct text_list *env, const char *name, const char *value)
{
    env->items = mem_resize(env->items, (env->count + 2) * sizeof(*env->items));
    env->items[env->count++] = mem_format("%s=%s", name, value);
    env->items[env->count] = NULL;
}

int run_extras_write(struct code_file *f, const struct language *language, struct exec_request *r,
                     struct err *err)
{
    int rc = 0;
    if (r->event && !language->value)
        return err_set(err, ERR_INVALID_ARGUMENT, "event: %s has no handlers", language->name);
    if (r->event)
        rc = code_file_write_event(f, (struct slice){r->event, r->event_len}, err);
    if (rc == 0 && r->event)
        add_env(&r->env, "SPILLWAY_EVENT", f->event);
    if (rc == 0 && r->context[0] && r->stdin_len > 0)
        rc = code_file_write_input(f, (struct slice){r->stdin_data, r->stdin_len}, err);
    if (rc == 0 && f->input)
        add_env(&r->env, "SPILLWAY_STDIN", f->input);
    return rc;
}

int run_extras_open_input(const struct workspace *w, const char *folder, struct exec_request *r,
                          struct err *err)
{
    struct stat st;
    if (!r->stdin_file)
        return 0;
    int fd = workspace_open_file(w, r->stdin_file, &st, err);
    if (fd < 0)
        return err_wrap(err, "stdin_file");
    r->stdin_fd = fd;
    if (r->context[0]) {
        char *path = mem_format("%s/%s", folder, r->stdin_file);
        add_env(&r->env, "SPILLWAY_STDIN", path);
        free(path);
    }
    return 0;
}

struct text_list run_extras_args(const char *path, const char *filename,
                                 const struct text_list *args)
{
    struct text_list out = {mem_array(args->count + 3, sizeof(*out.items)), 0};
    out.items[out.count++] = mem_text(path);
    out.items[out.count++] = mem_text(filename);
    for (size_t i = 0; i < args->count; i++)
        out.items[out.count++] = mem_text(args->items[i]);
    return out;
}
