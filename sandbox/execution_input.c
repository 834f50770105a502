#include "sandbox/execution_input.h"
#include "base/buf.h"
#include "base/mem.h"
#include "sandbox/exec_request.h"
#include "sandbox/fd_watch.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE_BYTES   ((size_t)64 * 1024)
#define PIECES_A_TURN 16 /* so that one program that reads fast does not starve the requests */

struct execution_input {
    struct fd_watch *watch; /* NULL: closed */
    struct buf waiting;     /* not yet read by the program */
    bool open;              /* more may come */
    int file;               /* what it holds comes behind `waiting`; 0: none */
};

static void close_file(struct execution_input *in)
{
    if (in->file > 0)
        close(in->file);
    in->file = 0;
}

static void close_input(struct execution_input *in)
{
    in->open = false;
    close_file(in);
    buf_clear(&in->waiting);
    fd_watch_free(&in->watch);
}

/* False: nothing is left to write. */
static bool refill(struct execution_input *in)
{
    static char piece[PIECE_BYTES]; /* one loop, one thread: never in use twice */
    ssize_t n = 0;
    if (in->waiting.len > 0)
        return true;
    do
        n = in->file > 0 ? read(in->file, piece, sizeof(piece)) : 0;
    while (n < 0 && errno == EINTR);
    if (n > 0)
        buf_add(&in->waiting, piece, (size_t)n);
    else
        close_file(in);
    return n > 0;
}

static void write_waiting(void *user)
{
    struct execution_input *in = user;
    int pieces = 0;
    if (!in->watch)
        return;
    while (refill(in)) {
        if (pieces++ == PIECES_A_TURN) {
            fd_watch_for_write(in->watch);
            return;
        }
        ssize_t n = write(fd_watch_fd(in->watch), in->waiting.data, in->waiting.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            fd_watch_for_write(in->watch);
            return;
        }
        if (n < 0) {
            close_input(in); /* the program closed its end */
            return;
        }
        buf_consume(&in->waiting, (size_t)n);
    }
    if (in->open)
        fd_watch_stop(in->watch);
    else
        close_input(in);
}

struct execution_input *execution_input_new(struct loop *l, int fd, struct slice first, bool open)
{
    struct execution_input *in = mem_alloc(sizeof(*in));
    in->watch = fd_watch_new(l, fd, write_waiting, in);
    buf_init(&in->waiting, EXEC_REQUEST_STDIN_MAX);
    if (first.len > 0)
        buf_add(&in->waiting, first.at, first.len);
    in->open = open;
    write_waiting(in);
    return in;
}

struct execution_input *execution_input_from_file(struct loop *l, int fd, int file)
{
    struct execution_input *in = execution_input_new(l, fd, (struct slice){0}, true);
    in->file = file;
    in->open = false;
    write_waiting(in);
    return in;
}

void execution_input_free(struct execution_input **in)
{
    if (!*in)
        return;
    close_input(*in);
    buf_fini(&(*in)->waiting);
    free(*in);
    *in = NULL;
}

int execution_input_feed(struct execution_input *in, struct slice bytes, bool eof, struct err *err)
{
    if (!in || !in->open)
        return err_set(err, ERR_STDIN_CLOSED, "the standard input is closed");
    if (in->waiting.len + bytes.len > EXEC_REQUEST_STDIN_MAX)
        return err_set(err, ERR_BUSY, "the program has %zu bytes still to read, the limit is %zu",
                       in->waiting.len, EXEC_REQUEST_STDIN_MAX);
    if (bytes.len > 0)
        buf_add(&in->waiting, bytes.at, bytes.len);
    if (eof)
        in->open = false;
    write_waiting(in);
    return 0;
}
