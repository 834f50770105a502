/* sim_main.c - runs histories: one, or a range of seeds. Ends with 1 at the first that breaks a
 * property. tests/sim/run calls it. */
#include "base/log.h"
#include "base/mem.h"
#include "sim_history.h"
#include "sim_property.h"
#include "sim_site.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void on_abort(int signum)
{
    (void)signum;
    char line[120];
    int len = snprintf(line, sizeof(line),
                       "seed %" PRIu64 ": invariant: the program aborted (see above)\n",
                       sim_history_seed);
    if (write(STDOUT_FILENO, line, (size_t)len) < 0)
        _exit(2);
    _exit(1);
}

int main(int argc, char **argv)
{
    uint64_t first = 1, count = 1;
    const char *folder = NULL;
    bool trace = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--trace") == 0)
            trace = true;
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            first = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc)
            count = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--folder") == 0 && i + 1 < argc)
            folder = argv[++i];
    }
    if (!folder) {
        fprintf(stderr, "usage: sim --folder DIR [--seed N] [--seeds COUNT] [--trace]\n");
        return 2;
    }
    signal(SIGABRT, on_abort);
    signal(SIGSEGV, on_abort);
    log_set_level(trace ? LOG_DEBUG : LOG_ERROR);
    sim_world_trace(trace);
    setvbuf(stdout, NULL, _IOLBF, 0);
    sim_site_write_files(folder);
    for (uint64_t seed = first; seed < first + count; seed++)
        sim_history_run(seed, folder);
    printf("%" PRIu64 " histories\n", count);
    return 0;
}
