#include "sandbox/compile_step.h"
#include "base/buf.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define VALUES      3
#define SAID_MAX    ((size_t)64 * 1024) /* of what the compiler says */
#define CANNOT_EXEC 127

enum { ARG_MODE = 2, ARG_FOLDER, ARG_COUNT, ARG_COMMANDS };

struct text_list compile_step_command(const struct compile_step *how,
                                      const struct text_list *compile, const struct text_list *run)
{
    struct text_list c = {
        mem_array(compile->count + run->count + ARG_COMMANDS + 1, sizeof(*c.items)), 0};
    c.items[c.count++] = mem_text(how->agent);
    c.items[c.count++] = mem_text("compile");
    c.items[c.count++] = mem_text(how->values ? "values" : "plain");
    c.items[c.count++] = mem_text(how->folder);
    c.items[c.count++] = mem_format("%zu", compile->count);
    for (size_t i = 0; i < compile->count; i++)
        c.items[c.count++] = mem_text(compile->items[i]);
    for (size_t i = 0; i < run->count; i++)
        c.items[c.count++] = mem_text(run->items[i]);
    return c;
}

static void write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        bytes += n;
        len -= (size_t)n;
    }
}

static void report(char kind, struct slice text)
{
    char head[32];
    int n = snprintf(head, sizeof(head), "%c%zu\n", kind, text.len);
    write_all(VALUES, head, (size_t)n);
    write_all(VALUES, text.at, text.len);
}

static int fail(int status, const char *what)
{
    report('N', slice_of("CompileError"));
    report('V', slice_of(what));
    return status;
}

/* No program's input, and nothing but its words comes out. */
static void NORETURN become_compiler(char *const *argv, const int said[2])
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(null, STDIN_FILENO);
    dup2(said[1], STDOUT_FILENO);
    dup2(said[1], STDERR_FILENO);
    close(VALUES);
    execv(argv[0], argv);
    _exit(CANNOT_EXEC);
}

static void listen_to(int fd, struct buf *kept)
{
    char bytes[4096];
    ssize_t n;
    while ((n = read(fd, bytes, sizeof(bytes))) > 0 || (n < 0 && errno == EINTR)) {
        size_t room = SAID_MAX - kept->len;
        if (n > 0)
            buf_add(kept, bytes, (size_t)n < room ? (size_t)n : room);
    }
}

/* The code's folder has a name that nobody knows. */
static void drop_folder(struct buf *said, const char *folder)
{
    size_t len = strlen(folder), to = 0;
    for (size_t from = 0; from < said->len;) {
        if (len > 0 && said->len - from >= len && memcmp(said->data + from, folder, len) == 0)
            from += len;
        else
            said->data[to++] = said->data[from++];
    }
    said->len = to;
}

/* What wait() says of the compiler; -1: it could not be started. */
static int compile(char *const *argv, struct buf *kept)
{
    int said[2], status;
    if (pipe2(said, O_CLOEXEC) < 0)
        return -1;
    pid_t pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0)
        become_compiler(argv, said);
    close(said[1]);
    listen_to(said[0], kept);
    close(said[0]);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return status;
}

static int not_compiled(int status, struct buf *said)
{
    if (status < 0)
        return fail(1, "the compiler could not be started: no process to be had");
    if (WIFSIGNALED(status)) {
        char text[80];
        snprintf(text, sizeof(text), "the compiler was killed by SIG%s",
                 sigabbrev_np(WTERMSIG(status)));
        fail(1, text);
        raise(WTERMSIG(status)); /* so that the memory killer's work is seen as such */
        return 1;
    }
    while (said->len > 0 && said->data[said->len - 1] == '\n')
        said->len--;
    return fail(WEXITSTATUS(status),
                said->len > 0 ? buf_text(said) : "the compiler failed without a word");
}

int compile_step_main(int argc, char *const *argv)
{
    size_t count = argc > ARG_COMMANDS ? strtoul(argv[ARG_COUNT], NULL, 10) : 0;
    if (count == 0 || count >= (size_t)argc - ARG_COMMANDS)
        return CANNOT_EXEC;
    char **compiler = mem_array(count + 1, sizeof(*compiler));
    memcpy(compiler, argv + ARG_COMMANDS, count * sizeof(*compiler));
    char *const *program = argv + ARG_COMMANDS + count;
    struct buf said;
    buf_init(&said, SAID_MAX + 1);
    int status = compile(compiler, &said);
    drop_folder(&said, argv[ARG_FOLDER]);
    if (said.len > 0)
        write_all(STDERR_FILENO, said.data, said.len);
    if (status != 0)
        return not_compiled(status, &said);
    write_all(VALUES, COMPILE_STEP_BEGINS, strlen(COMPILE_STEP_BEGINS));
    if (strcmp(argv[ARG_MODE], "plain") == 0)
        close(VALUES);
    execv(program[0], program);
    fprintf(stderr, "%s: %s\n", program[0], strerror(errno));
    return CANNOT_EXEC;
}
