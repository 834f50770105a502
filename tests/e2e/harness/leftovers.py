"""What a run leaves on the machine. Two views, because other runs may be up at the same time:
Footprint notes what belongs to one run while it is up, by process; Machine compares the whole machine before and after,
as far as names tell whose it is."""
import os
import re
import subprocess

from . import containers, processes

OURS = re.compile(r"spillway")
RUN = re.compile(r"spillway-[0-9a-f]{8}\b|/run/netns/|/cni/networks/")  # what the launcher and the node call their things


class Footprint:
    def __init__(self):
        self.processes = {}
        self.networks = {}
        self.cgroups = set()
        self.own = {kind: processes.namespace("self", kind) for kind in ("net",)}

    def add_state(self, launcher, state):
        roots = [launcher]
        for site in state["sites"].values():
            for part in [site.get("nginx"), site.get("redis"), *site.get("gateways", []), *site.get("nodes", [])]:
                if part:
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
        network = processes.namespace(pid)
        if network and network != self.own["net"]:
            self.networks[network] = processes.describe(pid)

    def left(self):
        found = [f"process {text}" for process, text in self.processes.items() if processes.alive(process)]
        named = {os.stat(path).st_ino for path in named_networks()}
        held = {processes.namespace(pid) for pid in processes.pids()}
        found += [f"network namespace of {text}" for inode, text in self.networks.items() if inode in named | held]
        found += [f"cgroup {path}" for path in sorted(self.cgroups) if os.path.isdir(path)]
        return found


def named_networks():
    folder = "/run/netns"
    return [os.path.join(folder, name) for name in os.listdir(folder)] if os.path.isdir(folder) else []


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
            found.update(os.path.join(path, inner) for inner in os.listdir(path))
    for folder in ("/var/lib/cni", "/var/lib/cni/networks"):
        if os.path.isdir(folder):
            found.update(os.path.join(folder, inner) for inner in os.listdir(folder))
    return found


class Machine:
    def __init__(self):
        self.processes = {identity: processes.describe(identity[0])
                          for identity in map(processes.identity, processes.pids()) if identity}
        self.links = set(os.listdir("/sys/class/net"))
        self.mounts = mounts()
        self.cgroups = containers.all_cgroups()
        self.nft = output_of("nft", "list", "tables")
        self.files = run_files()

    def new_since(self, before, names):
        """What is there now, was not there before and is not another run's, as lines of text. `names`: what the things of
        this run are called; everything else that has our name counts too, unless another run is up that it may belong to."""
        others = other_runs(names)

        def ours(text):
            if any(name in text for name in names):
                return True
            return not others and bool(RUN.search(text))

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


def other_runs(names):
    """Launchers that are up and are not ours."""
    found = []
    for pid in processes.pids():
        line = processes.read(pid, "cmdline")
        if b"tools/launcher" in line and not any(os.fsencode(name) in processes.read(pid, "environ") for name in names):
            found.append(processes.describe(pid))
    return found
