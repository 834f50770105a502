#include "gateway/small_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int read_all(int fd, const char *path, struct buf *out, struct err *err)
{
    char piece[4096];
    ssize_t got;
    while ((got = read(fd, piece, sizeof(piece))) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set_errno(err, ERR_CONFIG, errno, "%s", path);
        if (!buf_add(out, piece, (size_t)got))
            return err_set(err, ERR_CONFIG, "%s: larger than %zu bytes", path, out->max);
    }
    return 0;
}

int small_file_read(const char *path, struct buf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, ERR_CONFIG, errno, "%s", path);
    int rc = read_all(fd, path, out, err);
    close(fd);
    return rc;
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && (*s.at == ' ' || *s.at == '\t')) {
        s.at++;
        s.len--;
    }
    while (s.len > 0 && strchr(" \t\r", s.at[s.len - 1]))
        s.len--;
    return s;
}

bool small_file_line(struct slice *rest, struct slice *line, int *number)
{
    while (rest->len > 0) {
        const char *end = memchr(rest->at, '\n', rest->len);
        size_t len = end ? (size_t)(end - rest->at) : rest->len;
        *line = trim((struct slice){rest->at, len});
        size_t used = end ? len + 1 : len;
        rest->at += used;
        rest->len -= used;
        ++*number;
        if (line->len > 0 && line->at[0] != '#')
            return true;
    }
    return false;
}
