"""One cluster: up, down, what it is doing, and its parts one by one.

Everything of a cluster lies in ${SPILLWAY_KUBERNETES_DIR:-/var/tmp/spillway-kubernetes}/NAME and runs below one process 1 in namespaces
of its own, so clusters do not see each other, the host gets neither interface nor mount, and the end of process 1 is the end of all.
Reach it through its network namespace (Cluster.network), where the API is https://127.0.0.1:6443.
"""
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from kube import cgroups, images, parts
from kube.api import Api

HERE = Path(__file__).resolve().parents[1]
READY_SECONDS = 120  # of a part; usually four in all


class Failed(Exception):
    pass


def say(text):
    print(f"cluster: {text}", file=sys.stderr, flush=True)


def base():
    return Path(os.environ.get("SPILLWAY_KUBERNETES_DIR") or "/var/tmp/spillway-kubernetes")


def boot_id():
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def started_at(pid):
    """A process number comes again; with its start time it does not."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return None


def is_dead(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until(holds, what, seconds=READY_SECONDS, pause=0.05):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise Failed(f"after {seconds} s still not: {what}")
        time.sleep(pause)


def programs():
    """The folder with the programs, made if need be; SPILLWAY_KUBERNETES_PROGRAMS: one that has them."""
    if os.environ.get("SPILLWAY_KUBERNETES_PROGRAMS"):
        return os.environ["SPILLWAY_KUBERNETES_PROGRAMS"]
    done = subprocess.run([HERE / "build"], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failed("the cluster's programs could not be made")
    return done.stdout.strip()


class Cluster:
    """pods, reserved: the node's maxPods and systemReserved. apiserver_arguments come after the usual ones.
    tied: the cluster ends with this process, however that ends."""

    def __init__(self, name, pods=110, reserved=None, apiserver_arguments=(), tied=False):
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", name):
            raise Failed(f"{name!r} is no name for a cluster: small letters, digits and -, at most 32")
        self.name = name
        self.node = f"{name}-node"
        self.directory = base() / name
        self.cgroup = f"spillway-kubernetes-{name}"
        self.containerd_socket = self.directory / "containerd.sock"
        self.pods = pods
        self.reserved = reserved
        self.apiserver_arguments = list(apiserver_arguments)
        self.programs = None
        self.lifeline = os.pipe() if tied else None

    # -- what is there

    def record(self):
        try:
            return json.loads((self.directory / "init.json").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def pid(self):
        """Process 1 as the host sees it, None when the cluster is not there."""
        record = self.record()
        if record and record["boot"] == boot_id() and started_at(record["pid"]) == record["started"] and not is_dead(record["pid"]):
            return record["pid"]
        return None

    def alive(self):
        pid = self.pid()
        if pid is None:
            raise Failed(f"{self.name} is not up")
        return pid

    @property
    def network(self):
        return f"/proc/{self.alive()}/ns/net"

    @property
    def kubeconfig(self):
        return self.directory / "admin.kubeconfig"

    def inside(self, *command):
        """The command line that runs in the cluster's mount and network namespaces."""
        return ["nsenter", f"--target={self.alive()}", "--mount", "--net", "--", *map(str, command)]

    def api(self, kubeconfig=None):
        return Api(kubeconfig or self.kubeconfig, self.network)

    def kubectl(self, *arguments, **options):
        command = ["nsenter", f"--net={self.network}", "--", self.find_program("kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]
        return subprocess.run([str(word) for word in command], **{"capture_output": True, "text": True, **options})

    def find_program(self, name):
        self.programs = self.programs or programs()
        return Path(self.programs) / name

    def log(self, part):
        return self.directory / "log" / f"{part}.log"

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    @contextlib.contextmanager
    def lock(self):
        """One at a time makes or ends clusters of this name. The file goes with the cluster, so it may be another one by the time
        that we have it."""
        path = base() / f".{self.name}.lock"
        while True:
            base().mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(path, "w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if not path.exists() or path.stat().st_ino != os.fstat(file.fileno()).st_ino:
                    continue
                try:
                    yield
                finally:
                    if not self.directory.exists():
                        path.unlink()
                return

    # -- parts

    def ask(self, request):
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(10)
            channel.connect(str(self.directory / "init.sock"))
            channel.sendall((json.dumps(request) + "\n").encode())
            answer = json.loads(channel.makefile().readline())
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def start_part(self, name):
        self.programs = self.programs or programs()
        argv = [str(word) for word in parts.commands(self)[name]]
        self.ask({"do": "start", "name": name, "argv": argv, "log": str(self.log(name)), "env": {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}})

    def signal_part(self, name, signum):
        self.ask({"do": "signal", "name": name, "signal": int(signum)})

    def kill_part(self, name):
        self.signal_part(name, signal.SIGKILL)
        wait_until(lambda: not self.runs(name), f"{name} is gone", 10)

    def pause_part(self, name):
        self.signal_part(name, signal.SIGSTOP)

    def continue_part(self, name):
        self.signal_part(name, signal.SIGCONT)

    def runs(self, name):
        return name in self.ask({"do": "status"})["running"]

    def must_run(self, name):
        status = self.ask({"do": "status"})
        if name in status["ended"] and name not in status["running"]:
            raise Failed(f"{name} ended (wait status {status['ended'][name]}):\n{tail(self.log(name))}")

    def await_api(self, seconds=READY_SECONDS):
        api = self.api()

        def ready():
            self.must_run("apiserver")
            return api.try_get("/readyz").status == 200
        wait_until(ready, "the API server is ready", seconds)

    def restart_api(self):
        """Killed and started again: its memory of past changes is lost, so old versions are 410 afterwards."""
        self.kill_part("apiserver")
        self.start_part("apiserver")
        self.await_api()

    def asked(self, namespace):
        """What service accounts asked the API server for of a namespace, "" for what has none, oldest first:
        {verb, resource, subresource, uri, code, user}."""
        found = {}
        for line in self.log("audit").read_text().splitlines():
            event = json.loads(line)
            what = event.get("objectRef", {})
            if what.get("namespace", "") == namespace:
                found.setdefault(event["auditID"], {
                    "verb": event["verb"], "resource": what.get("resource", ""), "subresource": what.get("subresource", ""),
                    "uri": event["requestURI"], "code": event.get("responseStatus", {}).get("code"), "user": event["user"]["username"]})
        return list(found.values())

    # -- up

    def up(self, api_only=False, images_to_import=()):
        """Returns when the API server is ready, or the node. Whatever an earlier cluster of the name left is removed first."""
        with self.lock():
            if self.pid():
                raise Failed(f"{self.name} is up already")
            self.clean()
            self.programs = programs()
            started = time.monotonic()
            try:
                self.make(api_only, images_to_import, started)
            except BaseException:
                if not os.environ.get("SPILLWAY_KUBERNETES_KEEP"):
                    self.clean()
                raise
        say(f"{self.name} is up after {time.monotonic() - started:.1f} s")
        return self

    def make(self, api_only, images_to_import, started):
        def passed(what):
            say(f"{time.monotonic() - started:5.1f} s  {what}")

        for folder in ("", "log", "certs"):
            (self.directory / folder).mkdir(mode=0o700)
        self.write("cluster.json", json.dumps({"pods": self.pods, "reserved": self.reserved, "api_only": api_only,
                                               "apiserver_arguments": self.apiserver_arguments}))
        cgroups.create(self.cgroup, "system")
        self.start_namespaces()
        all_keys = parts.Keys(self.directory, self.node)
        all_keys.create()
        parts.write_settings(self, all_keys)
        wait_until(lambda: (self.directory / "init.sock").exists() or not self.pid(), "the namespaces are made", 20)
        if not self.pid():
            raise Failed(f"process 1 ended:\n{tail(self.log('init'))}")
        passed("namespaces and keys")
        for part in parts.API_ONLY if api_only else ("containerd", *parts.API_ONLY):
            self.start_part(part)
        if not api_only:
            self.import_images([images.pause(), *images_to_import])
            passed("images")
        self.await_api()
        passed("API server")
        if not api_only:
            self.start_node()
            passed("node")

    def start_namespaces(self):
        # --kill-child: who kills unshare kills the cluster. It is in a session of its own, so that Ctrl-C here does not.
        with open(self.log("init"), "wb") as log:
            process = subprocess.Popen(
                ["unshare", "--pid", "--fork", "--mount", "--net", "--uts", "--ipc", "--propagation", "private", "--mount-proc",
                 "--kill-child", "/usr/bin/python3", HERE / "kube/init.py", self.directory, self.cgroup, self.node, parts.NODE_ADDRESS,
                 *([str(self.lifeline[0])] if self.lifeline else [])],
                pass_fds=self.lifeline[:1] if self.lifeline else (), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
                env={"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin", "PYTHONDONTWRITEBYTECODE": "1"})
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        wait_until(lambda: process.poll() is not None or children.read_text().strip(), "process 1 exists", 10, 0.005)
        if process.poll() is not None:
            raise Failed(f"no namespaces:\n{tail(self.log('init'))}")
        pid = int(children.read_text())
        temporary = self.write(".init.json", json.dumps({"pid": pid, "started": started_at(pid), "outside": process.pid, "boot": boot_id()}))
        temporary.rename(self.directory / "init.json")

    def import_images(self, archives):
        wait_until(self.containerd_socket.exists, "containerd listens", 20)
        for archive in archives:
            done = None
            for _ in range(100):  # it listens before it serves
                done = subprocess.run(self.inside("ctr", "--address", self.containerd_socket, "--namespace", "k8s.io", "images", "import", archive),
                                      capture_output=True, text=True)
                if done.returncode == 0:
                    break
                self.must_run("containerd")
                time.sleep(0.1)
            else:
                raise Failed(f"{archive} was not imported: {done.stderr}")

    def start_node(self):
        for part in parts.CONTROL:
            self.start_part(part)
        api = self.api()
        for each in parts.metrics_objects(self.directory / "keys/ca.crt"):
            api.create(each).expect(201)
        wait_until(self.node_ready, "the node is ready")

    def node_ready(self):
        for part in parts.CONTROL:
            self.must_run(part)
        answer = self.api().try_get(f"/api/v1/nodes/{self.node}")
        if answer.status != 200:
            return False
        node = answer.json()
        ready = any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"].get("conditions", ()))
        return ready and not node["spec"].get("taints")

    # -- down

    def down(self):
        """Ends the cluster and removes every trace of it; Failed says what could not be removed."""
        with self.lock():
            kept = os.environ.get("SPILLWAY_KUBERNETES_LOGS")
            if kept and (self.directory / "log").is_dir():
                shutil.copytree(self.directory / "log", Path(kept) / self.name, dirs_exist_ok=True)
            left = self.clean()
        if left:
            raise Failed(f"{self.name}: left behind: {' '.join(map(str, left))}")

    def clean(self):
        record = self.record()
        if self.pid():
            os.kill(record["pid"], signal.SIGKILL)  # the kernel ends all of the pid namespace before it lets this one go
            wait_until(lambda: is_dead(record["pid"]), "the processes are gone", 60)
            if started_at(record["outside"]):
                try:
                    os.waitpid(record["outside"], 0)
                except ChildProcessError:
                    pass
        left = cgroups.remove(self.cgroup)
        left += remove_tree(self.directory)
        return left

    def status(self):
        pid = self.pid()
        if pid is None:
            return {"name": self.name, "up": False, "traces": [str(p) for p in [*cgroups.folders(self.cgroup), self.directory] if p.exists()]}
        answer = self.ask({"do": "status"})
        return {"name": self.name, "up": True, "pid": pid, "network": self.network, "kubeconfig": str(self.kubeconfig),
                "running": sorted(answer["running"]), "ended": answer["ended"]}


def remove_tree(directory):
    """The mounts in it went with their namespace, which may take the kernel a moment."""
    for _ in range(100):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return []
        time.sleep(0.05)
    return [directory]


def tail(path, lines=30):
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(no log)"


def sweep(prefix):
    """Removes what dead clusters of such names left."""
    for name in names():
        if name.startswith(prefix):
            cluster = Cluster(name)
            with cluster.lock():
                if not cluster.pid():
                    cluster.clean()


def load(name):
    """A cluster that `up` made earlier, with its settings."""
    cluster = Cluster(name)
    try:
        settings = json.loads((cluster.directory / "cluster.json").read_text())
    except (FileNotFoundError, ValueError):
        return cluster
    return Cluster(name, settings["pods"], settings["reserved"], settings["apiserver_arguments"])


def names():
    """Of all clusters that are up, or that left something."""
    found = {path.name for path in base().iterdir() if path.is_dir()} if base().is_dir() else set()
    for hierarchy in cgroups.hierarchies():
        found |= {path.name.removeprefix("spillway-kubernetes-") for path in hierarchy.glob("spillway-kubernetes-*")}
    return sorted(found)
