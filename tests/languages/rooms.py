"""An agent in an environment's own root file system, within its own limits of memory and processes."""
import os
import subprocess
import sys
from pathlib import Path

import yaml

TREE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests/agent"))

from box import Box  # noqa: E402

ENVIRONMENTS = yaml.safe_load((TREE / "sandbox/images/environments.yaml").read_text())["environments"]
GROUP = Path("/sys/fs/cgroup")
MIB = 1024 * 1024


def mib(quantity):
    assert quantity.endswith("Mi"), quantity
    return int(quantity[:-2])


def make_group(name, environment):
    """A cgroup with the pod's limits; None where the machine has none of version 1 or 2 that we can use."""
    resources = environment["resources"]
    bytes_max = (mib(resources["memory"]) + mib(resources["disk"])) * MIB
    if (GROUP / "cgroup.controllers").exists():
        return None if not enabled() else write(GROUP / name, {"memory.max": bytes_max, "memory.swap.max": 0, "pids.max": environment["pids"]})
    made = write(GROUP / "memory" / name, {"memory.limit_in_bytes": bytes_max})
    write(GROUP / "pids" / name, {"pids.max": environment["pids"]})
    return made


def enabled():
    return {"memory", "pids"} <= set((GROUP / "cgroup.subtree_control").read_text().split())


def write(folder, values):
    folder.mkdir()
    for name, value in values.items():
        if (folder / name).exists():
            (folder / name).write_text(str(value))
    return folder


class Room:
    """`with Room("native") as box`"""

    def __init__(self, environment):
        self.environment = environment
        done = subprocess.run([TREE / "sandbox/images/build", environment], stdout=subprocess.PIPE, text=True, check=True)
        self.rootfs = done.stdout.strip()
        self.name = f"spillway-languages-{os.getpid()}-{environment}"

    def __enter__(self):
        os.environ["SPILLWAY_AGENT_ROOTFS"] = self.rootfs
        self.group = make_group(self.name, ENVIRONMENTS[self.environment])
        try:
            self.box = Box(warm=False, cgroup=str(self.group) if self.group else None)
        finally:
            del os.environ["SPILLWAY_AGENT_ROOTFS"]
        return self.box

    def __exit__(self, *_):
        self.box.close()
        for folder in (GROUP / self.name, GROUP / "memory" / self.name, GROUP / "pids" / self.name):
            if folder.exists():
                folder.rmdir()
