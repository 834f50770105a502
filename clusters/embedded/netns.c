#include "clusters/embedded/netns.h"
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

static int raise_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int rc = fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;

    if (fd >= 0)
        close(fd);
    return rc;
}

/* Link-local addresses would be a second way to the node, beside the one that CNI gives. A kernel
 * without IPv6 has no such file. */
static void switch_off_ipv6(void)
{
    static const char *const files[] = {"/proc/sys/net/ipv6/conf/all/disable_ipv6",
                                        "/proc/sys/net/ipv6/conf/default/disable_ipv6"};

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        int fd = open(files[i], O_WRONLY | O_CLOEXEC);
        ssize_t n = fd >= 0 ? write(fd, "1", 1) : 0;

        (void)n;
        if (fd >= 0)
            close(fd);
    }
}

static int make_here(const char *path, struct err *err)
{
    int rc = 0;

    if (unshare(CLONE_NEWNET) < 0)
        return err_set_errno(err, ERR_SYSTEM, errno, "unshare a network namespace");
    rc = raise_loopback();
    if (rc < 0)
        return err_set_errno(err, ERR_SYSTEM, -rc, "loopback up");
    switch_off_ipv6();
    if (mount("/proc/thread-self/ns/net", path, NULL, MS_BIND, NULL) < 0)
        return err_set_errno(err, ERR_SYSTEM, errno, "bind %s", path);
    return 0;
}

int netns_make(const char *path, struct err *err)
{
    int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    int file = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
    int rc = home < 0 || file < 0 ? err_set_errno(err, ERR_SYSTEM, errno, "%s", path)
                                  : make_here(path, err);

    if (file >= 0)
        close(file);
    if (home >= 0) {
        INVARIANT(setns(home, CLONE_NEWNET) == 0); /* never run on in a pod's network */
        close(home);
    }
    if (rc < 0)
        netns_remove(path);
    return rc;
}

void netns_remove(const char *path)
{
    umount2(path, MNT_DETACH);
    unlink(path);
}
