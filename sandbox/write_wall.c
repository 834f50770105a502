#include "sandbox/write_wall.h"
#include "base/cc.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VERSION_WITH_REFER 2 /* before it, renames between directories cannot be allowed */
#define WRITING                                                                                    \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                               \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |   \
     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER)

/* What the strict profile mounts, and what is no storage: devices, and a process's own files. */
static const char *const PLACES[] = {"/workspace", "/tmp", "/home/sandbox", "/dev", "/proc"};

static bool root_is_read_only(void)
{
    struct statvfs root;

    return statvfs("/", &root) == 0 && (root.f_flag & ST_RDONLY);
}

static int allow(int rules, const char *place)
{
    struct landlock_path_beneath_attr beneath = {.allowed_access = WRITING};

    beneath.parent_fd = open(place, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (beneath.parent_fd < 0)
        return errno == ENOENT ? 0 : -1;
    long rc = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
    close(beneath.parent_fd);
    return (int)rc;
}

int write_wall_put_up(void)
{
    const struct landlock_ruleset_attr attr = {.handled_access_fs = WRITING};
    int rc = 0;

    if (root_is_read_only() || syscall(SYS_landlock_create_ruleset, NULL, (size_t)0,
                                       LANDLOCK_CREATE_RULESET_VERSION) < VERSION_WITH_REFER)
        return 0;
    int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
    if (rules < 0)
        return -1;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(PLACES); i++)
        rc = allow(rules, PLACES[i]);
    if (rc == 0)
        rc = (int)syscall(SYS_landlock_restrict_self, rules, 0);
    close(rules);
    return rc;
}
