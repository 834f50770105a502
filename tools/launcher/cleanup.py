"""What a run leaves on the machine: to find it, and to remove it.

Everything of a run is found without its help, so that this works after any kind of death: processes work below its
directory (or sit in its cgroups), cgroups and mounts carry its name, network namespaces end with their processes.
"""
import os
import signal
import time
from pathlib import Path

import rundir
from linux import unmount
from output import complain, say

CGROUPS = Path("/sys/fs/cgroup")
PATIENCE = 10.0


def processes_below(directory):
    """Processes that work below the directory. One with a terminal is somebody looking around there."""
    prefix = str(directory)
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            where = os.readlink(f"/proc/{entry}/cwd").removesuffix(" (deleted)")
            terminal = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[4]
        except OSError:
            continue
        if terminal == "0" and (where == prefix or where.startswith(prefix + "/")):
            found.append(int(entry))
    return found


def cgroup_directories(name):
    """The run's own top directory in every hierarchy that has one."""
    roots = [CGROUPS] + [path for path in CGROUPS.iterdir() if path.is_dir() and not path.is_symlink()] if CGROUPS.is_dir() else []
    return [root / name.lstrip("/") for root in roots if (root / name.lstrip("/")).is_dir()]


def below(directory):
    """The directory's whole tree, children first."""
    return [Path(path) for path, _, _ in os.walk(directory, topdown=False)]


def processes_in_cgroups(name):
    found = set()
    for top in cgroup_directories(name):
        for directory in below(top):
            try:
                found.update(int(pid) for pid in (directory / "cgroup.procs").read_text().split())
            except OSError:
                continue
    return sorted(found - {0, os.getpid()})


def mounts_below(directory):
    prefix = str(directory) + "/"
    with open("/proc/self/mountinfo") as table:
        points = [line.split()[4].encode().decode("unicode_escape") for line in table]
    return [point for point in points if point.startswith(prefix)]


def remove_parents(run):
    """The run's own cgroups: their owners removed what is below them."""
    for top in cgroup_directories(run.cgroup):
        try:
            top.rmdir()
        except OSError:  # not empty: one of the leftovers
            continue


def leftovers(run):
    """What is still there of a run whose parts have all been asked to end."""
    found = [f"process {pid} {command_of(pid)}" for pid in set(processes_below(run.path)) | set(processes_in_cgroups(run.cgroup))]
    found += [f"cgroup {path}" for path in cgroup_directories(run.cgroup)]
    found += [f"mount {point}" for point in mounts_below(run.path)]
    return found


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()[:100]
    except OSError:
        return ""


def kill_all(run):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        thaw(run)
        living = set(processes_below(run.path)) | set(processes_in_cgroups(run.cgroup))
        if not living:
            return
        for pid in living:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.05)
    complain(f"could not end the processes {sorted(living)} of {run.path}")


def thaw(run):
    """A frozen process does not even die."""
    for top in cgroup_directories(run.cgroup):
        for directory in below(top):
            for name, value in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
                try:
                    with open(directory / name, "r+") as file:
                        file.write(value)
                except OSError:  # not in this hierarchy
                    continue


def remove_cgroups(run):
    end = time.monotonic() + PATIENCE
    for top in cgroup_directories(run.cgroup):
        while top.exists():
            for directory in below(top):
                try:
                    directory.rmdir()
                except OSError:  # the last process is on its way out
                    continue
            if top.exists():
                if time.monotonic() > end:
                    complain(f"could not remove the cgroup {top}")
                    break
                time.sleep(0.02)


def remove_mounts(run):
    for point in reversed(mounts_below(run.path)):
        try:
            unmount(point)
        except OSError as error:
            complain(str(error))


def clean(run):
    """By force. The run's lock is ours."""
    kill_all(run)
    remove_cgroups(run)
    remove_mounts(run)


def clean_dead_runs():
    """Removes what runs left that were killed. Call with the registry locked; what is alive is not touched."""
    for path in rundir.registered():
        run = rundir.RunDirectory.open(path)
        if run is None or not run.take_lock():
            continue
        say(f"cleaning up after the run in {run.path}, which was killed")
        clean(run)
        run.remove()
    for entry in rundir.dangling():
        entry.unlink(missing_ok=True)
