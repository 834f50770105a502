"""A folder of the same name in every cgroup hierarchy (v1, and the unified one of the hybrid layout)."""
import os
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


def hierarchies():
    if (ROOT / "cgroup.procs").exists():
        raise RuntimeError("this machine has cgroup v2 alone: the harness is written for v1 and the hybrid layout")
    return [path for path in sorted(ROOT.iterdir()) if not path.is_symlink() and (path / "cgroup.procs").exists()]


def create(name, *children):
    for hierarchy in hierarchies():
        for folder in ("", *children):
            path = hierarchy / name / folder
            path.mkdir(exist_ok=True)
            if (path / "cpuset.cpus").exists():  # empty in a new folder, and then nothing may run there
                for setting in ("cpuset.cpus", "cpuset.mems"):
                    (path / setting).write_text((path.parent / setting).read_text())


def enter(name):
    """The calling process and all that it will start."""
    for hierarchy in hierarchies():
        (hierarchy / name / "cgroup.procs").write_text(str(os.getpid()))


def folders(name):
    return [hierarchy / name for hierarchy in hierarchies() if (hierarchy / name).is_dir()]


def remove(name, seconds=20):
    """Deepest first, while the kernel still ends what ran there. What is left after that time is returned."""
    end = time.monotonic() + seconds
    while True:
        for top in folders(name):
            for path, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(path)
                except OSError:
                    pass
        left = folders(name)
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.05)
