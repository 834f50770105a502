"""Containers and cgroups from the host's side: crun's own list, /proc and the cgroup files."""
import json
import os
import subprocess

from . import processes

CGROUPS = "/sys/fs/cgroup"


def crun_roots(directory, depth=6):
    """Directories below `directory` that crun uses as its --root: they hold ID/status with a pid."""
    found = set()
    base = directory.rstrip("/").count("/")
    for path, folders, files in os.walk(directory):
        if "status" in files and looks_like_state(os.path.join(path, "status")):
            found.add(os.path.dirname(path))
            folders[:] = []
        if path.count("/") - base >= depth or os.path.basename(path) in ("rootfs", "usr", "proc", "sys"):
            folders[:] = []
    return sorted(found)


def looks_like_state(path):
    try:
        with open(path, encoding="utf-8") as file:
            state = json.load(file)
        return "pid" in state and "bundle" in state
    except (OSError, ValueError):
        return False


def crun_list(root):
    """What `crun list` says: [{id, pid, status, …}]."""
    done = subprocess.run(["crun", "--root", root, "list", "-f", "json"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout or "null") or []


def of_session(directory, session):
    """The running container of a session as crun lists it, or None while there is none."""
    for root in crun_roots(directory):
        for container in crun_list(root):
            if container["id"] == session and container["status"] == "running" and container["pid"] > 0:
                return container
    return None


def cgroup_paths(pid):
    """controller -> directory, for every hierarchy; "" is the unified one."""
    paths = {}
    for line in processes.read(pid, "cgroup").decode().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            paths[controller.removeprefix("name=")] = path
    return paths


def cgroup_directory(pid, controller):
    """The directory that limits `controller` for this process, in either version of cgroups."""
    paths = cgroup_paths(pid)
    if controller in paths:
        for folder in (controller, "cpu,cpuacct" if controller in ("cpu", "cpuacct") else controller):
            directory = f"{CGROUPS}/{folder}{paths[controller]}"
            if os.path.isdir(directory):
                return directory
    unified = CGROUPS if os.path.exists(f"{CGROUPS}/cgroup.controllers") else f"{CGROUPS}/unified"
    return unified + paths[""]


def cgroup_value(pid, controller, *names):
    """The first of these files that exists (the names differ between versions 1 and 2)."""
    directory = cgroup_directory(pid, controller)
    for name in names:
        try:
            with open(os.path.join(directory, name), encoding="ascii") as file:
                return file.read().strip()
        except FileNotFoundError:
            continue
    raise AssertionError(f"none of {names} in {directory}: {sorted(os.listdir(directory))}")


def process_of(uid):
    """A process in the cgroup of the pod with that UID, whichever runtime runs it."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cgroup", encoding="ascii") as file:
                if any(line.rstrip().endswith("/" + uid) for line in file):
                    return int(name)
        except OSError:
            continue
    raise AssertionError(f"no process is in a cgroup of {uid}")


def all_cgroups():
    """Every cgroup directory of every hierarchy."""
    return {path for path, _, _ in os.walk(CGROUPS)}
