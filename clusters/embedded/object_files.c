#include "clusters/embedded/object_files.h"
#include "base/json.h"
#include "base/mem.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_all(int fd, const char *at, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, at, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

int object_files_put_bytes(const char *path, const void *bytes, unsigned long len, int mode,
                           struct err *err)
{
    char temporary[PATH_MAX];
    int fd = -1, rc = 0;

    if ((size_t)snprintf(temporary, sizeof temporary, "%s.tmp", path) >= sizeof temporary)
        return err_set(err, ERR_SYSTEM, "%s: path too long", path);
    fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return err_set_errno(err, ERR_SYSTEM, errno, "%s", temporary);
    rc = write_all(fd, bytes, len);
    if (close(fd) < 0 && rc == 0)
        rc = -errno;
    if (rc == 0 && rename(temporary, path) < 0)
        rc = -errno;
    if (rc < 0) {
        unlink(temporary);
        return err_set_errno(err, ERR_SYSTEM, -rc, "%s", path);
    }
    return 0;
}

char *object_files_get_text(const char *path, unsigned long max)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    char *text = NULL;
    size_t have = 0;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= 0 &&
        (unsigned long)st.st_size <= max) {
        text = mem_alloc((size_t)st.st_size + 1);
        while (have < (size_t)st.st_size) {
            ssize_t n = read(fd, text + have, (size_t)st.st_size - have);

            if (n <= 0)
                break;
            have += (size_t)n;
        }
    }
    close(fd);
    return text;
}

int object_files_write(const char *dir, const char *kind, const char *name,
                       const struct json_t *object, struct err *err)
{
    char path[PATH_MAX];
    struct buf text;
    int rc = 0;

    snprintf(path, sizeof path, "%s/%s/%s.json", dir, kind, name);
    buf_init(&text, OBJECT_FILE_MAX);
    json_print(object, &text);
    rc = text.overflowed ? err_set(err, ERR_STORE, "%s: the object is too large", name)
                         : object_files_put_bytes(path, text.data, text.len, 0600, err);
    buf_fini(&text);
    return rc;
}

void object_files_remove(const char *dir, const char *kind, const char *name)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s/%s.json", dir, kind, name);
    unlink(path);
}

static bool read_one(const char *path, object_files_f *fn, void *user)
{
    char *text = object_files_get_text(path, OBJECT_FILE_MAX);
    struct json_t *object = text ? json_parse_object(slice_of(text), NULL) : NULL;
    bool good = object && fn(object, user);

    json_free(object);
    free(text);
    return good;
}

static int make_dir(const char *path, struct err *err)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set_errno(err, ERR_SYSTEM, errno, "%s", path);
    return 0;
}

int object_files_read(const char *dir, const char *kind, object_files_f *fn, void *user,
                      unsigned *bad, struct err *err)
{
    char path[PATH_MAX];
    DIR *d = NULL;

    if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, kind) >= sizeof path - NAME_MAX - 2)
        return err_set(err, ERR_SYSTEM, "%s: path too long", dir);
    if (make_dir(dir, err) < 0 || make_dir(path, err) < 0)
        return -(int)ERR_SYSTEM;
    d = opendir(path);
    if (!d)
        return err_set_errno(err, ERR_SYSTEM, errno, "%s", path);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char file[PATH_MAX + NAME_MAX + 2];

        if (e->d_name[0] == '.')
            continue;
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        if (!read_one(file, fn, user)) {
            (*bad)++;
            unlink(file);
        }
    }
    closedir(d);
    return 0;
}
