#include "sandbox/own_kernel.h"
#include "base/log.h"
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>

bool own_kernel_is_there(void)
{
    struct utsname kernel;
    return uname(&kernel) == 0 &&
           (strstr(kernel.release, "gvisor") != NULL || strstr(kernel.version, "gvisor") != NULL);
}

void own_kernel_limit_processes(int64_t pids)
{
    const struct rlimit limit = {(rlim_t)pids, (rlim_t)pids};
    if (own_kernel_is_there() && setrlimit(RLIMIT_NPROC, &limit) < 0)
        LOG(LOG_WARN, "processes_not_limited", KV("why", strerrordesc_np(errno)));
}
