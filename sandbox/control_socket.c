#include "sandbox/control_socket.h"
#include "base/cc.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_FREE 16

static bool open_pair(int type, int *ours, int *theirs)
{
    int fds[2];
    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) < 0)
        return false;
    int up = fcntl(fds[1], F_DUPFD_CLOEXEC, FIRST_FREE);
    close(fds[1]);
    if (up < 0 || fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0) {
        close(fds[0]);
        if (up >= 0)
            close(up);
        return false;
    }
    *ours = fds[0];
    *theirs = up;
    return true;
}

bool control_socket_pair(int *ours, int *theirs)
{
    return open_pair(SOCK_SEQPACKET, ours, theirs);
}

bool control_socket_stream(int *ours, int *theirs)
{
    return open_pair(SOCK_STREAM, ours, theirs);
}

static void add_descriptors(struct msghdr *m, const int *fds, size_t fd_count)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    size_t n = 0;
    for (size_t i = 0; i < fd_count && i < CONTROL_SOCKET_FDS_MAX; i++)
        if (fds[i] >= 0)
            memcpy(CMSG_DATA(c) + n++ * sizeof(int), &fds[i], sizeof(int));
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(n * sizeof(int));
    m->msg_controllen = CMSG_SPACE(n * sizeof(int));
}

bool control_socket_send(int fd, struct slice bytes, const int *fds, size_t fd_count)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(CONTROL_SOCKET_FDS_MAX * sizeof(int))];
    } control = {0};
    struct iovec part = {(void *)(uintptr_t)bytes.at, bytes.len};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd_count > 0) {
        m.msg_control = control.room;
        m.msg_controllen = sizeof(control.room);
        add_descriptors(&m, fds, fd_count);
    }
    ssize_t n;
    do
        n = sendmsg(fd, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)bytes.len;
}
