#include "clusters/memory_file.h"
#include "base/mem.h"
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static bool write_all(int fd, const unsigned char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

int memory_file_make(const char *what, const void *bytes, size_t len, int *fd, char **path,
                     struct err *err)
{
    *fd = memfd_create("spillway", MFD_CLOEXEC);
    if (*fd < 0 || !write_all(*fd, bytes, len))
        return err_set_errno(err, ERR_SYSTEM, errno, "\"%s\": memory file", what);
    *path = mem_format("/proc/self/fd/%d", *fd);
    return 0;
}
