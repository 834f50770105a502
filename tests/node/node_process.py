"""A real spillway-node in a network namespace of its own, spoken to over a unix socket with the standard library."""
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SPILLWAY_BUILD", TREE / "build/release"))
PROGRAM = BUILD / "bin/spillway-node"
TOOLS = ["sh", "cat", "sleep", "ls", "id", "dd", "hostname", "mkdir", "true"]


def make_root(path):
    """A root file system of a few of the machine's own programs and the libraries they need."""
    for folder in ("bin", "etc", "proc", "sys", "dev", "tmp", "workspace", "spillway", "data", "home/sandbox"):
        (path / folder).mkdir(parents=True, exist_ok=True)
    for name in ("hosts", "hostname", "resolv.conf"):
        (path / "etc" / name).touch()
    for tool in TOOLS:
        program = shutil.which(tool)
        shutil.copy(program, path / "bin" / tool)
        needed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        for word in needed.split():
            if word.startswith("/"):
                (path / word.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(word, path / word.lstrip("/"))


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("node", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.raw = response.read()
        self.json = json.loads(self.raw) if (response.getheader("Content-Type") or "").startswith("application/json") else None


class Node:
    """One data directory; the program may be started, killed and started again on it."""

    def __init__(self, root, port=None, **settings):
        """port: the API also listens on 127.0.0.1 of its network namespace, for clients that know no unix sockets."""
        self.id = uuid.uuid4().hex[:8]
        self.netns = f"spillway-test-{self.id}"
        self.cgroup = f"/spillway-test-{self.id}"
        self.dir = Path(tempfile.mkdtemp(prefix="spillway-node-test-"))
        self.dir.chmod(0o755)
        self.socket = str(self.dir / "api.sock")
        agent = self.dir / "agent"
        agent.mkdir()
        (agent / "agent").write_text("#!/bin/sh\ntrap 'exit 0' TERM\necho agent is up\nwhile :; do sleep 0.1; done\n")
        (agent / "agent").chmod(0o755)
        self.settings = {"listen": [f"unix:{self.socket}", *([f"127.0.0.1:{port}"] if port else [])], "data_dir": str(self.dir / "data"), "cgroup_root": self.cgroup,
                         "images": {"box": str(root)}, "agent": {"image": "spillway/agent", "dir": str(agent)},
                         "capacity": {"cpu": "64", "memory": "64Gi", "pods": 64}, "log_level": "debug", **settings}
        (self.dir / "node.json").write_text(json.dumps(self.settings))
        subprocess.run(["ip", "netns", "add", self.netns], check=True)
        subprocess.run(["ip", "-n", self.netns, "link", "set", "lo", "up"], check=True)
        self.process = None
        self.start()

    def start(self):
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        log = open(self.dir / "node.log", "ab")
        self.process = subprocess.Popen(["nsenter", f"--net=/run/netns/{self.netns}", PROGRAM, "--config", self.dir / "node.json"],
                                        stdout=log, stderr=log)
        log.close()
        self.wait(lambda: self.process.poll() is not None or self.answers(), 20, "the node does not come up")
        assert self.process.poll() is None, self.log()

    def answers(self):
        try:
            return self.call("GET", "/readyz").status == 200
        except OSError:
            return False

    def log(self):
        return (self.dir / "node.log").read_text()

    def kill(self):
        """As a crash does. nsenter has become the node itself."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def destroy(self):
        if self.process.poll() is None:
            for pod in self.pods():
                self.delete(pod["metadata"]["name"], pod["metadata"]["namespace"], gracePeriodSeconds=0)
            self.wait(lambda: not self.pods(), 30, "pods do not go")
            self.terminate()
        subprocess.run(["ip", "netns", "del", self.netns], check=True)
        for hierarchy in [*Path("/sys/fs/cgroup").glob("*" + self.cgroup), Path("/sys/fs/cgroup" + self.cgroup)]:
            if hierarchy.is_dir():
                hierarchy.rmdir()
        shutil.rmtree(self.dir)

    # -- the API --

    def connection(self, timeout=20):
        return UnixConnection(self.socket, timeout)

    def call(self, method, path, body=None, content_type="application/json"):
        connection = self.connection()
        headers = {"Content-Type": content_type} if body is not None else {}
        text = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
        try:
            connection.request(method, path, text, headers)
        except BrokenPipeError:
            pass  # refused before all of it was read: the answer is there
        answer = Answer(connection.getresponse())
        connection.close()
        return answer

    def create(self, pod, namespace="sandboxes"):
        return self.call("POST", f"/api/v1/namespaces/{namespace}/pods", pod)

    def get(self, name, namespace="sandboxes"):
        return self.call("GET", f"/api/v1/namespaces/{namespace}/pods/{name}")

    def pods(self, query=""):
        return self.call("GET", "/api/v1/pods" + query).json["items"]

    def delete(self, name, namespace="sandboxes", **options):
        return self.call("DELETE", f"/api/v1/namespaces/{namespace}/pods/{name}", options or None)

    def read_log(self, name, query=""):
        return self.call("GET", f"/api/v1/namespaces/sandboxes/pods/{name}/log{query}").raw.decode()

    def watch(self, query="", timeout=20):
        return Watch(self, query, timeout)

    # -- waiting --

    def wait(self, condition, seconds, what):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            time.sleep(0.01)
        raise AssertionError(f"{what}\n{self.log()[-4000:]}")

    def wait_phase(self, name, *phases, seconds=20):
        def reached():
            pod = self.get(name).json
            return pod if pod.get("status", {}).get("phase") in phases else None
        return self.wait(reached, seconds, f"{name} does not become {phases}")

    def wait_gone(self, name, seconds=20):
        self.wait(lambda: self.get(name).status == 404, seconds, f"{name} does not go")

    # -- the machine --

    def cgroup_file(self, controller, pod, name):
        return Path(f"/sys/fs/cgroup/{controller}{self.cgroup}/{pod['metadata']['uid']}/{name}").read_text().strip()

    def enter(self, *command):
        """The command, for subprocess, in the network namespace of the node."""
        return ["nsenter", f"--net=/run/netns/{self.netns}", *map(str, command)]

    def children(self):
        """State letter and command of every process whose parent is the node."""
        listed = subprocess.run(["ps", "-o", "stat=,comm=", "--ppid", str(self.process.pid)], capture_output=True, text=True)
        return listed.stdout.splitlines()

    def links(self):
        text = subprocess.run(["ip", "-n", self.netns, "-j", "link"], capture_output=True, text=True, check=True).stdout
        return sorted(link["ifname"] for link in json.loads(text))

    def traces(self):
        """What pods leave outside the node's own objects."""
        data = Path(self.settings["data_dir"])
        mounts = Path(f"/proc/{self.process.pid}/mounts").read_text() if self.process.poll() is None else ""
        return {
            "links": self.links(),
            "cgroups": sorted(str(p) for p in Path("/sys/fs/cgroup").glob(f"*{self.cgroup}/*") if p.is_dir()),
            "unified": sorted(os.listdir(f"/proc/{self.process.pid}/root/sys/fs/cgroup/unified{self.cgroup}"))
            if os.path.isdir(f"/proc/{self.process.pid}/root/sys/fs/cgroup/unified{self.cgroup}") else [],
            "leases": sorted(p.name for p in data.glob("cni/spillway/*") if p.name[0].isdigit()),
            "crun": sorted(str(p) for p in data.glob("crun/*/*")),
            "runtimes": sorted(str(p) for p in data.glob("runtimes/*/*/*")),
            "run": sorted(os.listdir(data / "run")),
            "mounts": [line for line in mounts.splitlines() if str(data) in line],
            "host_mounts": [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(data) in line],
            "netns": sorted(name for name in os.listdir("/run/netns") if self.id in name),
            "root_crun": sorted(os.listdir("/run/crun")) if os.path.isdir("/run/crun") else [],
        }


class Watch:
    def __init__(self, node, query, timeout):
        self.connection = node.connection(timeout)
        self.connection.request("GET", f"/api/v1/namespaces/sandboxes/pods?watch=true{query}")
        self.response = self.connection.getresponse()
        assert self.response.status == 200

    def next(self):
        line = self.response.readline()
        return json.loads(line) if line else None

    def until(self, kind):
        while True:
            event = self.next()
            assert event, f"the watch ended without {kind}"
            if event["type"] == kind:
                return event

    def close(self):
        self.connection.close()
