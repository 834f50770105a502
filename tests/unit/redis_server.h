/* redis_server.h - a private Redis for a test: on a unix socket in a folder of its own, ended by
 * its process id. */
#pragma once
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct redis_server {
    char folder[64];
    char path[96];
    char url[128];
    pid_t pid; /* 0: does not run */
};

static inline void redis_server_pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static inline bool redis_server_answers(const struct redis_server *s)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(to.sun_path, sizeof(to.sun_path), "%s", s->path);
    bool yes = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;
    close(fd);
    return yes;
}

/* False: no redis-server on this machine, or it does not come up. */
static inline bool redis_server_start(struct redis_server *s)
{
    s->pid = fork();
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!freopen("/dev/null", "w", stdout))
            _exit(126);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", s->path, "--save", "",
               "--appendonly", "no", "--dir", s->folder, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; s->pid > 0 && i < 500; i++) {
        if (redis_server_answers(s))
            return true;
        if (waitpid(s->pid, NULL, WNOHANG) == s->pid)
            break;
        redis_server_pause_ms(10);
    }
    s->pid = 0;
    return false;
}

static inline bool redis_server_new(struct redis_server *s)
{
    snprintf(s->folder, sizeof(s->folder), "/tmp/spillway-redis-XXXXXX");
    if (!mkdtemp(s->folder))
        return false;
    snprintf(s->path, sizeof(s->path), "%s/s", s->folder);
    snprintf(s->url, sizeof(s->url), "unix://%s", s->path);
    return redis_server_start(s);
}

static inline void redis_server_signal(const struct redis_server *s, int signum)
{
    kill(s->pid, signum);
    if (signum == SIGSTOP) /* it takes effect when it may: on a busy machine not at once */
        waitpid(s->pid, NULL, WUNTRACED);
}

static inline void redis_server_kill(struct redis_server *s)
{
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
    }
    s->pid = 0;
    unlink(s->path);
}

static inline void redis_server_free(struct redis_server *s)
{
    redis_server_kill(s);
    rmdir(s->folder);
}
