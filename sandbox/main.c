/* main.c - spillway-agent: process 1 of a sandbox pod. */
#include "base/log.h"
#include "http/http_server.h"
#include "sandbox/agent_api.h"
#include "sandbox/compile_step.h"
#include "sandbox/own_kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Gateways need a handful; user code can connect too, and shall not use up our descriptors. */
#define CONNECTIONS_MAX 400

/* A TERM counts when it comes from outside the PID namespace, where the sender has no number here;
 * user code, which has the same uid, could send one too. Exiting is all there is to do: the kernel
 * takes everything else down with process 1. */
static void on_term(int signum, siginfo_t *info, void *context)
{
    (void)signum;
    (void)context;
    bool sent_by_process = info->si_code <= 0;
    if (getpid() != 1 || (sent_by_process && info->si_pid == 0))
        _exit(0);
}

static void set_signals(void)
{
    struct sigaction term = {.sa_sigaction = on_term, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGTERM, &term, NULL);
    sigaction(SIGINT, &term, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGHUP, &ignore, NULL);
}

/* 0, 1 and 2 must be something before any other descriptor is opened; 0 must not be what we were
 * started with. */
static void set_descriptors(void)
{
    int fd = open("/dev/null", O_RDWR);
    if (fd < 0)
        return;
    dup2(fd, STDIN_FILENO);
    for (int i = STDOUT_FILENO; i <= STDERR_FILENO; i++)
        if (fcntl(i, F_GETFD) < 0 && errno == EBADF)
            dup2(fd, i);
    if (fd > STDERR_FILENO)
        close(fd);
}

static const char *data_folder(char *out, size_t size)
{
    const char *given = getenv("SPILLWAY_AGENT_DATA");
    if (given)
        return given;
    ssize_t n = readlink("/proc/self/exe", out, size - 1);
    out[n > 0 ? n : 0] = '\0';
    return dirname(out);
}

static void quit(struct agent *a)
{
    loop_stop(a->loop);
}

static void on_child(void *user)
{
    agent_reap(user);
}

static void NORETURN die(const struct err *err)
{
    LOG(LOG_ERROR, "cannot_start", KV("why", (const char *)err->msg));
    exit(1);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "compile") == 0)
        return compile_step_main(argc, argv);
    static struct agent agent;
    char path[PATH_MAX];
    struct err err = {0};
    log_set_program("spillway-agent");
    set_descriptors();
    set_signals();
    /* Behind this nobody with our uid reads our memory, environment or descriptors. */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    struct loop *loop = loop_new();
    if (agent_init(&agent, loop, data_folder(path, sizeof(path)), &err) < 0)
        die(&err);
    own_kernel_limit_processes(agent.limits.pids);
    agent.quit = quit;
    loop_on_signal(loop, SIGCHLD, on_child, &agent);
    struct http_server_conf conf = HTTP_SERVER_CONF_DEFAULT;
    conf.server_name = "spillway-agent";
    conf.connections_max = CONNECTIONS_MAX;
    if (conf.body_ms < agent.limits.setup_ms)
        conf.body_ms = agent.limits.setup_ms; /* a package, from an index that is slow */
    conf.body_rate = agent.limits.body_rate;
    struct http_server *server = http_server_new(loop, &conf, agent_api_serve, &agent);
    const char *listen = getenv("SPILLWAY_AGENT_LISTEN");
    if (http_server_listen(server, listen ? listen : "0.0.0.0:8700", &err) < 0)
        die(&err);
    agent_listening(&agent);
    LOG(LOG_INFO, "listening", KV("session", (const char *)agent.session_id));
    loop_run(loop);
    return 0;
}
