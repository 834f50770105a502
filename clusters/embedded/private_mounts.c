#include "clusters/embedded/private_mounts.h"
#include <errno.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statfs.h>

#define UNIFIED "/sys/fs/cgroup/unified"

/* crun before 1.9 refuses the hybrid layout. Without the cgroup2 mount the version 1 hierarchies
 * are all it sees; an empty tmpfs takes its place, because crun also writes to the path of the
 * unified hierarchy, which would else end as plain files in the machine's own /sys/fs/cgroup. */
static int hide_unified(struct err *err)
{
    struct statfs fs;

    if (statfs(UNIFIED, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
        return 0;
    if (umount2(UNIFIED, MNT_DETACH) < 0)
        return err_set_errno(err, ERR_SYSTEM, errno, "umount %s", UNIFIED);
    if (mount("none", UNIFIED, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=1m") < 0)
        return err_set_errno(err, ERR_SYSTEM, errno, "mount tmpfs on %s", UNIFIED);
    return 0;
}

int private_mounts_enter(struct err *err)
{
    if (unshare(CLONE_NEWNS) < 0)
        return err_set_errno(err, ERR_SYSTEM, errno, "a private mount namespace (root is needed)");
    /* Slave: what the machine unmounts goes here too, so that the node never keeps its mounts busy.
     */
    if (mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return err_set_errno(err, ERR_SYSTEM, errno, "mount --make-rslave /");
    return hide_unified(err);
}
