"""What a run leaves on the machine. Two views, because other runs may be up at the same time:
Footprint notes what belongs to one run while it is up, by process; Machine compares the whole machine before and after,
as far as names tell whose it is."""
import os
import re
import subprocess

from . import containers, processes

OURS = re.compile(r"spillway", re.I)


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
            for controller in containers.cgroup_paths(container["pid"]):
                directory = containers.cgroup_directory(container["pid"], controller) if controller else None
                if directory and container["id"] in directory:
                    self.cgroups.add(directory)

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

    def new_since(self, before, state_dir):
        """What is there now, was not there before and cannot be another run's, as lines of text."""
        others = other_runs(state_dir)

        def ours(text):
            return state_dir in text or (bool(OURS.search(text)) and not any(other in text for other in others))

        found = [f"process {text}" for identity, text in self.processes.items()
                 if identity not in before.processes and state_dir in text and processes.alive(identity)]
        found += [f"link {name}" for name in sorted(self.links - before.links)]
        found += [f"mount {path}" for path in sorted(self.mounts - before.mounts) if ours(path)]
        if not others:  # the names of cgroups and tables do not tell whose they are while another run is up
            found += [f"cgroup {path}" for path in sorted(self.cgroups - before.cgroups) if OURS.search(path)]
            if self.nft != before.nft:
                found.append(f"nft tables: {self.nft!r}, were {before.nft!r}")
            found += [f"file {path}" for path in sorted(self.files - before.files)
                      if (OURS.search(path) or "netns" in path or "cni" in path)
                      and path != state_dir]
        if os.path.isdir(state_dir):
            found += [f"file {os.path.join(state_dir, name)}" for name in sorted(os.listdir(state_dir))]
        return found


def other_runs(state_dir):
    """State directories of other runs that are up, from the environment of their processes."""
    found = set()
    for pid in processes.pids():
        for item in processes.read(pid, "environ").split(b"\0"):
            if item.startswith(b"SPILLWAY_STATE_DIR="):
                found.add(os.fsdecode(item.split(b"=", 1)[1]))
    return {path for path in found if path and path != state_dir}
