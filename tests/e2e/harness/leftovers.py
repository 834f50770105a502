"""What a run leaves on the machine. Two views, because other runs may be up at the same time:
Footprint notes what belongs to one run while it is up, by process; Machine compares the whole machine before and after,
as far as names tell whose it is.

A number can be another thing's a moment later: a process is known by its pid and start, and a network namespace is kept by a
descriptor, so that the kernel gives its inode to no other run's while we compare."""
import os
import re
import subprocess

from . import containers, processes

OURS = re.compile(r"spillway")
RUN_ID = re.compile(r"spillway-[0-9a-f]{8}\b")  # what the launcher and the node call their things
SHARED = re.compile(r"/run/netns/|/cni/networks/")  # whose a thing is in there, its name does not tell


class Footprint:
    def __init__(self):
        self.processes = {}
        self.networks = {}  # inode -> (descriptor, one process that was in it)
        self.cgroups = set()
        self.own = {kind: processes.namespace("self", kind) for kind in ("net",)}

    def add_state(self, launcher, state):
        roots = [launcher]
        for site in state["sites"].values():
            for part in [site.get("nginx"), site.get("redis"), *site.get("gateways", []), *site.get("nodes", [])]:
                if part and part["pid"]:  # Redis may be left out
                    roots.append(part["pid"])
        for root in roots:
            for pid in [root] + processes.descendants(root):
                self.add_process(pid)

    def add_container(self, container):
        if container["pid"] > 0:
            self.add_process(container["pid"])
            for controller, path in containers.cgroup_paths(container["pid"]).items():
                if controller and path != "/":
                    self.cgroups.add(containers.cgroup_directory(container["pid"], controller))

    def add_process(self, pid):
        identity = processes.identity(pid)
        if identity is None:
            return
        self.processes[identity] = processes.describe(pid)
        self.add_network(pid)

    def add_network(self, pid):
        try:
            descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        inode = os.fstat(descriptor).st_ino
        if inode == self.own["net"] or inode in self.networks:
            os.close(descriptor)
        else:
            self.networks[inode] = (descriptor, processes.describe(pid))

    def left(self):
        found = [f"process {text}" for process, text in self.processes.items() if processes.alive(process)]
        named = {inode_of(path) for path in named_networks()}
        held = {processes.namespace(pid) for pid in processes.pids()}
        found += [f"network namespace of {text}" for inode, (_, text) in self.networks.items() if inode in named | held]
        found += [f"cgroup {path}" for path in sorted(self.cgroups) if os.path.isdir(path)]
        return found

    def close(self):
        for descriptor, _ in self.networks.values():
            os.close(descriptor)
        self.networks.clear()


def entries(folder):
    try:
        return os.listdir(folder)
    except FileNotFoundError:  # another run's, gone between two looks
        return []


def inode_of(path):
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:  # another run's, gone between two looks
        return None


def named_networks():
    folder = "/run/netns"
    return [os.path.join(folder, name) for name in entries(folder)]


def mounts():
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        return {line.split()[4] for line in file}


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout
    except FileNotFoundError:
        return ""


def run_files():
    """Entries of /run, two levels deep where the first has our name or is CNI's."""
    found = set()
    for name in os.listdir("/run"):
        path = os.path.join("/run", name)
        found.add(path)
        if os.path.isdir(path) and not os.path.islink(path) and (OURS.search(name) or name == "netns"):
            found.update(os.path.join(path, inner) for inner in entries(path))
    for folder in ("/var/lib/cni", "/var/lib/cni/networks"):
        found.update(os.path.join(folder, inner) for inner in entries(folder))
    return found


class Machine:
    def __init__(self):
        self.launchers = launchers()
        self.processes = {identity: processes.describe(identity[0])
                          for identity in map(processes.identity, processes.pids()) if identity}
        self.links = set(os.listdir("/sys/class/net"))
        self.mounts = mounts()
        self.cgroups = containers.all_cgroups()
        self.nft = output_of("nft", "list", "tables")
        self.files = run_files()

    def new_since(self, before, names):
        """What is there now, was not there before and is not another run's, as lines of text. `names`: what the things of
        this run are called. What has another run's name is that one's; where names do not tell, a thing counts unless another
        launcher was up at any of the three moments when we looked."""
        others = other_runs(names, before.launchers | self.launchers | launchers())

        def ours(text):
            if any(name in text for name in names):
                return True
            return not others and not RUN_ID.search(text) and bool(SHARED.search(text))

        found = [f"process {text}" for identity, text in self.processes.items()
                 if identity not in before.processes and any(name in text for name in names) and processes.alive(identity)]
        found += [f"link {name}" for name in sorted(self.links - before.links)]
        found += [f"mount {path}" for path in sorted(self.mounts - before.mounts) if ours(path)]
        found += [f"cgroup {path}" for path in sorted(self.cgroups - before.cgroups) if ours(path)]
        found += [f"file {path}" for path in sorted(self.files - before.files) if ours(path)]
        if self.nft != before.nft:
            found.append(f"nft tables: {self.nft!r}, were {before.nft!r}")
        for name in names:
            if os.path.isdir(name):
                found += [f"file {os.path.join(name, inner)}" for inner in sorted(os.listdir(name))]
        return found


def launchers():
    """Those that are up: (pid, start) and what they are told."""
    found = set()
    for pid in processes.pids():
        if b"tools/launcher" in processes.read(pid, "cmdline"):
            found.add((processes.identity(pid), processes.read(pid, "environ")))
    return found


def other_runs(names, seen):
    """Of the launchers that were seen, those that are not ours."""
    return [identity for identity, environment in seen if not any(os.fsencode(name) in environment for name in names)]
