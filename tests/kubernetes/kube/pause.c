/* pause.c - holds a pod's namespaces: sleeps, reaps, and ends when it is asked to. */
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>

int main(void)
{
    sigset_t set;
    int signum;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (;;) {
        sigwait(&set, &signum);
        if (signum != SIGCHLD)
            return 0;
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
    }
}
