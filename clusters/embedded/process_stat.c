#include "clusters/embedded/process_stat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_FIELD 22 /* as the manual counts: the state is the third */

bool process_stat_read(pid_t pid, struct process_stat *out)
{
    char path[64], line[1000];
    const char *end = NULL;
    FILE *f = NULL;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    f = fopen(path, "re");
    if (f && fgets(line, sizeof line, f))
        end = strrchr(line, ')'); /* the name, in parentheses, may hold anything */
    if (f)
        fclose(f);
    if (!end || strlen(end) < 5)
        return false;
    *out = (struct process_stat){.state = end[2], .parent = (pid_t)strtol(end + 4, NULL, 10)};
    for (int field = 3; end && field < START_FIELD; field++)
        end = strchr(end + 2, ' ');
    out->start_ticks = end ? strtoll(end, NULL, 10) : 0;
    return true;
}
