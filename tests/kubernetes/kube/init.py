#!/usr/bin/python3
"""Process 1 of a cluster's own pid, mount, net, uts and ipc namespaces; started by kube.cluster, never by hand.

Makes the namespaces into a machine of its own, then starts, signals and reaps the cluster's parts as it is told to on a unix
socket: one JSON object a line, {"do":"start","name","argv","log","env"}, {"do":"signal","name","signal"}, {"do":"status"}; the
answer is one line. It outlives `cluster up`, and its end is the end of everything.

    init.py DIRECTORY CGROUP NODE-NAME NODE-ADDRESS [LIFELINE]

LIFELINE: a descriptor that ends with whoever the cluster is for; it goes then, too.
"""
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kube import cgroups  # noqa: E402

# What the kubelet sets for the whole machine. A cluster gets files of its own in their place: the host keeps its values.
SYSCTLS = ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys",
           "kernel/keys/root_maxbytes")
# Folders that every kubelet, containerd and runc of a machine would share.
FIXED = {"kubelet": "/var/lib/kubelet", "cni": "/var/lib/cni", "pod-logs": "/var/log/pods", "container-logs": "/var/log/containers"}


def run(*command):
    subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL)


def mount(*arguments):
    run("mount", *arguments)


def own_sys(directory):
    """A sysfs of our network namespace, with the cgroup mounts of the old one. While all is private: later the helper's
    umount would take the copy away as well."""
    helper = directory / "sys"
    helper.mkdir()
    mount("--rbind", "/sys/fs/cgroup", helper)
    mount("-t", "sysfs", "sysfs", "/sys")
    mount("--rbind", helper, "/sys/fs/cgroup")
    run("umount", "-l", helper)


def own_folders(directory):
    """Nothing is made on the host: /var/lib, /var/log and /run are empty here, and the fixed places lie in our directory."""
    for path in ("/var/lib", "/var/log", "/run"):
        mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", path)
    for name, path in FIXED.items():
        (directory / name).mkdir()
        Path(path).mkdir(parents=True)
        mount("--bind", directory / name, path)
    (directory / "etcd").mkdir(mode=0o700)
    mount("-t", "tmpfs", "-o", "mode=700,size=1g", "tmpfs", directory / "etcd")  # no fsync on a disk


def own_sysctls(directory):
    for name in SYSCTLS:
        value = Path("/proc/sys", name)
        if not value.exists():
            continue
        copy = directory / "sysctl" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(value.read_text())
        mount("--bind", copy, value)


def own_network(node, address):
    run("hostname", node)
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "node0", "type", "veth", "peer", "name", "node0-peer")  # only something to hold the address
    run("ip", "address", "add", f"{address}/32", "dev", "node0")
    run("ip", "link", "set", "node0", "up")
    run("ip", "link", "set", "node0-peer", "up")
    run("ip", "route", "add", "default", "dev", "node0")  # leads nowhere, but parts look for one
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


class Parts:
    def __init__(self):
        self.running = {}  # name: pid
        self.ended = {}    # name: wait status

    def start(self, request):
        name = request["name"]
        if name in self.running:
            return {"error": f"{name} runs already"}
        with open(request["log"], "ab") as log:
            process = subprocess.Popen(request["argv"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                       env=dict(os.environ, **request.get("env", {})), cwd="/")
        process.returncode = 0  # reaped here, not by subprocess
        self.running[name] = process.pid
        self.ended.pop(name, None)
        return {"pid": process.pid}

    def signal(self, request):
        pid = self.running.get(request["name"])
        if pid is None:
            return {"error": f"{request['name']} does not run"}
        os.kill(pid, request["signal"])
        return {"pid": pid}

    def status(self, request):
        return {"running": self.running, "ended": self.ended}

    def answer(self, request):
        verbs = {"start": self.start, "signal": self.signal, "status": self.status}
        try:
            return verbs[request["do"]](request)
        except (OSError, KeyError) as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for name, own in list(self.running.items()):
                if own == pid:
                    del self.running[name]
                    self.ended[name] = status


def serve(listener, lifeline):
    parts = Parts()
    wake, waker = socket.socketpair()
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    selector = selectors.DefaultSelector()
    selector.register(wake, selectors.EVENT_READ)
    selector.register(listener, selectors.EVENT_READ)
    if lifeline is not None:
        selector.register(lifeline, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj == lifeline:
                return
            if key.fileobj is wake:
                wake.recv(512)
                parts.reap()
                continue
            channel, _ = listener.accept()
            with channel:
                channel.settimeout(5)
                try:
                    line = channel.makefile().readline()
                    channel.sendall((json.dumps(parts.answer(json.loads(line))) + "\n").encode())
                except (OSError, ValueError):
                    pass


def main(directory, cgroup, node, address, lifeline=None):
    directory = Path(directory)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())  # who started us may wait for signals rather than take them
    # Who started us writes down who we are; if that one was killed before, nobody would ever find us again.
    end = time.monotonic() + 10
    while not (directory / "init.json").exists():
        if time.monotonic() > end:
            return 1
        time.sleep(0.01)
    cgroups.enter(f"{cgroup}/system")
    os.chdir("/")
    own_sys(directory)
    own_folders(directory)
    own_sysctls(directory)
    mount("--make-rshared", "/")  # a group of our own, so that volumes that the kubelet mounts reach the containers
    own_network(node, address)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(directory / "init.sock"))
        listener.listen(16)
        serve(listener, None if lifeline is None else int(lifeline))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
