#include "sandbox/code_file.h"
#include "base/mem.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUTPUT_FILES_MAX 1000

static int write_all(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.at, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        bytes.at += n;
        bytes.len -= (size_t)n;
    }
    return 0;
}

static int write_file(const char *path, struct slice code)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    int rc = write_all(fd, code);
    int sys = errno;
    close(fd);
    errno = sys;
    return rc;
}

static int cannot_write(int sys, struct err *err)
{
    enum err_code code_of = sys == ENOSPC || sys == EDQUOT ? ERR_WORKSPACE_FULL : ERR_SYSTEM;
    return err_set_errno(err, code_of, sys, "cannot write the code to /tmp");
}

int code_file_write(struct code_file *f, const char *name, struct slice code, struct err *err)
{
    *f = (struct code_file){.dir = mem_text("/tmp/.spillway-XXXXXX")};
    int rc = -1;
    if (mkdtemp(f->dir)) {
        f->path = mem_format("%s/%s", f->dir, name);
        f->output = mem_format("%s/program", f->dir);
        rc = write_file(f->path, code);
    }
    if (rc == 0)
        return 0;
    int sys = errno;
    rc = cannot_write(sys, err);
    code_file_remove(f);
    return rc;
}

/* A request's own file name cannot begin with '-'. */
static int write_beside(const struct code_file *f, const char *name, struct slice bytes,
                        char **out_path, struct err *err)
{
    *out_path = mem_format("%s/%s", f->dir, name);
    return write_file(*out_path, bytes) == 0 ? 0 : cannot_write(errno, err);
}

int code_file_write_event(struct code_file *f, struct slice json, struct err *err)
{
    return write_beside(f, "-event", json, &f->event, err);
}

int code_file_write_input(struct code_file *f, struct slice bytes, struct err *err)
{
    return write_beside(f, "-input", bytes, &f->input, err);
}

/* A compiler may have made a folder of files there. */
static void remove_output(const char *path)
{
    DIR *dir = unlink(path) < 0 && errno == EISDIR ? opendir(path) : NULL;
    if (!dir)
        return;
    int left = OUTPUT_FILES_MAX;
    for (struct dirent *at = readdir(dir); at && left > 0; at = readdir(dir), left--)
        unlinkat(dirfd(dir), at->d_name, 0);
    closedir(dir);
    rmdir(path);
}

void code_file_remove(struct code_file *f)
{
    if (f->path) {
        unlink(f->path);
        remove_output(f->output);
        if (f->event)
            unlink(f->event);
        if (f->input)
            unlink(f->input);
        rmdir(f->dir);
    }
    free(f->dir);
    free(f->path);
    free(f->output);
    free(f->event);
    free(f->input);
    *f = (struct code_file){0};
}
