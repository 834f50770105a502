#include "clusters/embedded/pod_files.h"
#include "base/json.h"
#include "base/mem.h"
#include "clusters/embedded/container_check.h"
#include "clusters/embedded/object_files.h"
#include "clusters/embedded/oci_spec.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_dir(const char *path, mode_t mode, struct err *err)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set_errno(err, ERR_SYSTEM, errno, "%s", path);
    if (chmod(path, mode) < 0) /* whatever the umask says */
        return err_set_errno(err, ERR_SYSTEM, errno, "%s", path);
    return 0;
}

static int mount_tmpfs(const char *path, int64_t bytes, unsigned mode, int64_t inodes,
                       struct err *err)
{
    char options[120];
    int len = snprintf(options, sizeof options, "mode=%o", mode);

    if (bytes > 0)
        len +=
            snprintf(options + len, sizeof options - (size_t)len, ",size=%lld", (long long)bytes);
    if (inodes > 0)
        snprintf(options + len, sizeof options - (size_t)len, ",nr_inodes=%lld", (long long)inodes);
    if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
        return err_set_errno(err, ERR_SYSTEM, errno, "tmpfs on %s", path);
    return 0;
}

/* fsGroup: the volume belongs to the group, and what is made in it too. */
static int give_to_group(const char *path, const struct json_t *pod, mode_t mode, struct err *err)
{
    const struct json_t *group = json_at(pod, "spec", "securityContext", "fsGroup", NULL);

    if (!group)
        return 0;
    if (chown(path, (uid_t)-1, (gid_t)json_int(group, 0)) < 0 || chmod(path, mode | S_ISGID) < 0)
        return err_set_errno(err, ERR_SYSTEM, errno, "fsGroup on %s", path);
    return 0;
}

static int make_volume(const char *path, const struct json_t *pod, const struct json_t *volume,
                       struct err *err)
{
    const struct json_t *empty = json_get(volume, "emptyDir");
    int64_t bytes = 0;
    int rc = make_dir(path, 0777, err);

    if (rc == 0 && strcmp(json_get_text(empty, "medium", ""), "Memory") == 0) {
        if (!container_check_quantity(json_get(empty, "sizeLimit"), false, &bytes))
            bytes = 0; /* none given: the kernel's default, half of the machine, bounded by the
                          containers' memory limit */
        rc = mount_tmpfs(path, bytes, 0777, bytes / 4096 + 1024, err);
    }
    return rc < 0 ? rc : give_to_group(path, pod, 0777, err);
}

static int make_volumes(const char *dir, const struct json_t *pod, struct err *err)
{
    const struct json_t *volumes = json_at(pod, "spec", "volumes", NULL);
    int rc = 0;

    for (size_t i = 0; i < json_count(volumes) && rc == 0; i++) {
        char path[PATH_MAX];

        snprintf(path, sizeof path, "%s/volumes/%s", dir,
                 json_get_text(json_item(volumes, i), "name", ""));
        rc = make_volume(path, pod, json_item(volumes, i), err);
    }
    return rc;
}

static int write_file(const char *dir, const char *name, const char *text, struct err *err)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/files/%s", dir, name);
    return object_files_put_bytes(path, text, strlen(text), 0644, err);
}

int pod_files_write_hosts(const char *dir, const char *hostname, const char *ip, struct err *err)
{
    char text[300];

    snprintf(text, sizeof text, "127.0.0.1\tlocalhost\n%s\t%s\n", ip, hostname);
    return write_file(dir, "hosts", text, err);
}

static int make_dirs(const char *dir, struct err *err)
{
    static const char *const names[] = {"", "/volumes", "/files", "/log", "/bundle"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[PATH_MAX];

        if ((size_t)snprintf(path, sizeof path, "%s%s", dir, names[i]) >= sizeof path)
            return err_set(err, ERR_SYSTEM, "%s: path too long", dir);
        if (make_dir(path, 0711, err) < 0)
            return -(int)ERR_SYSTEM;
    }
    return 0;
}

int pod_files_prepare(const char *dir, const struct json_t *pod, int64_t log_bytes, struct err *err)
{
    char log[PATH_MAX], hostname[65];
    int rc = make_dirs(dir, err);

    if (rc < 0)
        return rc;
    snprintf(log, sizeof log, "%s/log", dir);
    oci_spec_hostname(pod, hostname);
    strcat(hostname, "\n");
    /* A tmpfs is the one simple way to bound what a program prints, whether or not the node runs.
     */
    rc = mount_tmpfs(log, log_bytes, 0700, 64, err);
    if (rc == 0)
        rc = make_volumes(dir, pod, err);
    if (rc == 0)
        rc = write_file(dir, "hostname", hostname, err);
    if (rc == 0)
        rc = write_file(dir, "resolv.conf", "# this pod has no name service\n", err);
    return rc;
}

int pod_files_open_log(const char *dir, const char *container)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/log/%s", dir, container);
    return open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* Removes what is below an open directory, without following links and without leaving the file
 * system. */
static bool clear_directory(int fd, dev_t device)
{
    DIR *d = fdopendir(fd);
    bool good = d != NULL;

    if (!d)
        close(fd);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct stat st;
        int child = -1;

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (unlinkat(fd, e->d_name, 0) == 0)
            continue;
        child = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (child < 0 || fstat(child, &st) < 0 || st.st_dev != device) {
            if (child >= 0)
                close(child);
            good = false;
            continue;
        }
        good = clear_directory(child, device) && good;
        good = unlinkat(fd, e->d_name, AT_REMOVEDIR) == 0 && good;
    }
    if (d)
        closedir(d);
    return good;
}

static void unmount_children(const char *dir, const char *sub)
{
    char path[PATH_MAX];
    DIR *d = NULL;

    snprintf(path, sizeof path, "%s/%s", dir, sub);
    d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        char mounted[PATH_MAX + NAME_MAX + 2];

        if (e->d_name[0] == '.')
            continue;
        snprintf(mounted, sizeof mounted, "%s/%s", path, e->d_name);
        umount2(mounted, MNT_DETACH | UMOUNT_NOFOLLOW);
    }
    if (d)
        closedir(d);
}

bool pod_files_remove(const char *dir)
{
    char path[PATH_MAX];
    struct stat st;
    int fd = -1;

    unmount_children(dir, "volumes");
    snprintf(path, sizeof path, "%s/log", dir);
    umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
    snprintf(path, sizeof path, "%s/netns", dir);
    umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT;
    if (fstat(fd, &st) < 0) {
        close(fd);
        return false;
    }
    return clear_directory(fd, st.st_dev) && rmdir(dir) == 0;
}
