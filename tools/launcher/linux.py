"""The system calls that Python 3.11's library does not have."""
import ctypes
import os

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
MNT_DETACH = 2

libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def unshare(flags):
    check(libc.unshare(flags), "unshare")


def setns(descriptor, kind):
    check(libc.setns(descriptor, kind), "setns")


def set_parent_death_signal(signum):
    check(libc.prctl(PR_SET_PDEATHSIG, signum, 0, 0, 0), "prctl")


def become_subreaper():
    check(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def unmount(path):
    check(libc.umount2(os.fsencode(path), MNT_DETACH), f"umount {path}")
