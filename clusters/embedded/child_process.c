#include "clusters/embedded/child_process.h"
#include "base/buf.h"
#include "base/mem.h"
#include "clusters/embedded/names.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define OUTPUT_MAX ((size_t)64 * 1024)
#define ENV_MAX    16

struct child_process {
    uv_process_t process;
    uv_pipe_t input, output;
    uv_timer_t deadline;
    uv_write_t write;
    char *input_bytes;
    struct buf collected;
    char chunk[4096];
    int open_handles; /* of the four above; the object goes with the last */
    bool exited, collecting, output_ended;
    struct child_process_result result;
    child_process_done_f *done;
    void *user;
};

static void on_closed(uv_handle_t *h)
{
    struct child_process *c = h->data;

    if (--c->open_handles > 0)
        return;
    c->result.output = buf_slice(&c->collected);
    if (c->done)
        c->done(&c->result, c->user);
    buf_fini(&c->collected);
    free(c->input_bytes);
    free(c);
}

static void close_handle(uv_handle_t *h)
{
    if (!uv_is_closing(h))
        uv_close(h, on_closed);
}

/* It is over when the process has been waited for and its output has ended. */
static void maybe_over(struct child_process *c)
{
    if (!c->exited || (c->collecting && !c->output_ended))
        return;
    close_handle((uv_handle_t *)&c->process);
    close_handle((uv_handle_t *)&c->input);
    close_handle((uv_handle_t *)&c->output);
    close_handle((uv_handle_t *)&c->deadline);
}

static void on_exit_status(uv_process_t *p, int64_t status, int signal)
{
    struct child_process *c = container_of(p, struct child_process, process);

    c->exited = true;
    c->result.exit_status = signal ? -1 : (int)status;
    c->result.signal = signal;
    maybe_over(c);
}

static void on_chunk_wanted(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    struct child_process *c = h->data;

    (void)suggested;
    *out = uv_buf_init(c->chunk, sizeof c->chunk);
}

static void on_output(uv_stream_t *s, ssize_t n, const uv_buf_t *piece)
{
    struct child_process *c = s->data;

    if (n > 0 && !c->collected.overflowed) {
        buf_add(&c->collected, piece->base, (size_t)n); /* what is beyond the limit is dropped */
        return;
    }
    if (n < 0) {
        c->output_ended = true;
        uv_read_stop(s);
        maybe_over(c);
    }
}

static void on_written(uv_write_t *w, int status)
{
    struct child_process *c = container_of(w, struct child_process, write);

    (void)status; /* a command that does not read its input tells so by its exit status */
    close_handle((uv_handle_t *)&c->input);
}

static void on_deadline(uv_timer_t *t)
{
    struct child_process *c = t->data;

    c->result.timed_out = true;
    if (!c->exited)
        uv_process_kill(&c->process, SIGKILL);
    /* Somebody it started may hold the pipe open for ever. */
    c->output_ended = true;
    maybe_over(c);
}

static void fill_options(uv_process_options_t *o, uv_stdio_container_t stdio[3],
                         struct child_process *c, const struct child_process_spec *spec,
                         int output_fd)
{
    *o = (uv_process_options_t){.file = spec->argv[0],
                                .args = (char **)(uintptr_t)spec->argv,
                                .exit_cb = on_exit_status,
                                .stdio = stdio,
                                .stdio_count = 3};
    stdio[0] = (uv_stdio_container_t){.flags = UV_IGNORE};
    if (spec->input.len > 0) {
        stdio[0].flags = UV_CREATE_PIPE | UV_READABLE_PIPE;
        stdio[0].data.stream = (uv_stream_t *)&c->input;
    }
    stdio[1].flags = stdio[2].flags = UV_INHERIT_FD;
    stdio[1].data.fd = stdio[2].data.fd = output_fd;
}

static struct child_process *new_child(uv_loop_t *uv, const struct child_process_spec *spec,
                                       child_process_done_f *done, void *user)
{
    struct child_process *c = mem_alloc(sizeof *c);

    uv_pipe_init(uv, &c->input, 0);
    uv_pipe_init(uv, &c->output, 0);
    uv_timer_init(uv, &c->deadline);
    c->process.data = c->input.data = c->output.data = c->deadline.data = c;
    c->open_handles = 4;
    buf_init(&c->collected, OUTPUT_MAX);
    c->input_bytes = mem_text_n(spec->input.at ? spec->input.at : "", spec->input.len);
    c->collecting = spec->output_fd < 0;
    c->done = done;
    c->user = user;
    return c;
}

static int spawn_into(uv_loop_t *uv, struct child_process *c, const struct child_process_spec *spec,
                      int output_fd)
{
    uv_process_options_t options;
    uv_stdio_container_t stdio[3];
    char path[4096];
    char *env[ENV_MAX + 2] = {path};
    const char *own_path = getenv("PATH");

    snprintf(path, sizeof path, "PATH=%s", own_path ? own_path : "/usr/sbin:/usr/bin:/sbin:/bin");
    for (size_t i = 0; spec->extra_env && spec->extra_env[i] && i < ENV_MAX; i++)
        env[i + 1] = (char *)(uintptr_t)spec->extra_env[i];
    fill_options(&options, stdio, c, spec, output_fd);
    options.env = env;
    return uv_spawn(uv, &c->process, &options);
}

/* libuv gives every stream a pipe of its own; output and errors are wanted in one, in their order.
 */
static int spawn(uv_loop_t *uv, struct child_process *c, const struct child_process_spec *spec)
{
    int ends[2], rc = 0;

    if (!c->collecting)
        return spawn_into(uv, c, spec, spec->output_fd);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    rc = spawn_into(uv, c, spec, ends[1]);
    close(ends[1]);
    if (rc == 0)
        rc = uv_pipe_open(&c->output, ends[0]);
    if (rc < 0)
        close(ends[0]);
    return rc;
}

int child_process_run(struct loop *l, const struct child_process_spec *spec,
                      child_process_done_f *done, void *user, struct err *err)
{
    uv_loop_t *uv = loop_uv(l);
    struct child_process *c = new_child(uv, spec, done, user);
    int rc = spawn(uv, c, spec);

    if (rc < 0) {
        c->done = NULL;
        c->exited = c->output_ended = true;
        maybe_over(c);
        return err_set(err, ERR_SYSTEM, "%s: %s", spec->argv[0], uv_strerror(rc));
    }
    if (spec->input.len > 0) {
        uv_buf_t bytes = uv_buf_init(c->input_bytes, (unsigned)spec->input.len);

        if (uv_write(&c->write, (uv_stream_t *)&c->input, &bytes, 1, on_written) < 0)
            close_handle((uv_handle_t *)&c->input);
    }
    if (c->collecting && uv_read_start((uv_stream_t *)&c->output, on_chunk_wanted, on_output) < 0)
        c->output_ended = true;
    if (spec->timeout_ms > 0)
        uv_timer_start(&c->deadline, on_deadline, (uint64_t)spec->timeout_ms, 0);
    return 0;
}

void child_process_explain(const struct child_process_result *r, char *out, size_t size)
{
    size_t len = r->output.len, skip = len > 240 ? len - 240 : 0;

    while (len > skip && (r->output.at[len - 1] == '\n' || r->output.at[len - 1] == ' '))
        len--;
    if (r->timed_out)
        snprintf(out, size, "did not end in time");
    else if (r->signal)
        snprintf(out, size, "ended by signal %d", r->signal);
    else
        snprintf(out, size, "exit status %d: %.*s", r->exit_status, (int)(len - skip),
                 len > skip ? r->output.at + skip : "");
    names_make_printable(out);
}
