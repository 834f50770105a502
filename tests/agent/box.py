"""One agent in namespaces of its own: process 1 of a PID namespace, no network but loopback, the machine's root (or the one
$SPILLWAY_AGENT_ROOTFS names) as a throw-away overlay, uid 1000 without capabilities. Spoken to through a unix socket."""

import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TOKEN = "a" * 64
EPOCH = "0123456789abcdef0123456789abcdef"
SESSION = "test-session"

# Runs as root inside the new namespaces and ends as the agent itself, so that the agent is process 1.
SETUP = r"""
set -e
box=$1; data=$2
mount --make-rprivate /
mount -t tmpfs tmpfs "$box/layers"
mkdir "$box/layers/upper" "$box/layers/work" "$box/layers/root"
mount -t overlay overlay -o "lowerdir=$7,upperdir=$box/layers/upper,workdir=$box/layers/work" "$box/layers/root"
root=$box/layers/root
mkdir -p "$root/workspace" "$root/home/sandbox" "$root/spillway" "$root/run/box"
for place in tmp workspace home/sandbox dev/shm; do
    mount -t tmpfs -o mode=1777 tmpfs "$root/$place"
done
mount --bind "$data" "$root/spillway"
mount --bind "$box/socket" "$root/run/box"
mount -t proc proc "$root/proc"
for device in null zero urandom random full; do
    touch "$root/dev/$device" 2>/dev/null || true
    mount --bind "/dev/$device" "$root/dev/$device"
done
ln -sfn /proc/self/fd "$root/dev/fd"
ip link set lo up
cd /
exec chroot "$root" setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs \
    env -i "SPILLWAY_SESSION_ID=$3" "SPILLWAY_EPOCH=$4" "SPILLWAY_TOKEN_SHA256=$5" "SPILLWAY_LIMITS=$6" \
    "CANARY_OF_THE_AGENT=canary-4711" ASAN_OPTIONS=quarantine_size_mb=1 $8 SPILLWAY_AGENT_LISTEN=unix:/run/box/agent.sock /spillway/agent
"""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:500]!r}"


def agent_data():
    """The folder that pods see as /spillway: $SPILLWAY_AGENT_DIR, or the newest build's."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    given = os.environ.get("SPILLWAY_AGENT_DIR")
    places = [given] if given else [f"{root}/build/{p}/spillway-agent-dir" for p in ("release", "debug")]
    for place in places:
        if os.path.exists(f"{place}/agent"):
            return place
    raise RuntimeError(f"no agent in {places}: build the target agent-dir")


def birth(pid):
    """When a process was started, in ticks; None when there is none."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    except OSError:
        return None


class Box:
    agents = []  # of all boxes: process number and birth

    @classmethod
    def left_behind(cls):
        return [pid for pid, born in cls.agents if birth(pid) == born]

    def __init__(self, start=True, cgroup=None, plain_paths=False, **limits):
        self.folder = tempfile.mkdtemp(prefix="spillway-agent-test-")
        os.chmod(self.folder, 0o755)
        os.mkdir(f"{self.folder}/layers")
        os.mkdir(f"{self.folder}/socket")
        os.chmod(f"{self.folder}/socket", 0o777)
        self.socket = f"{self.folder}/socket/agent.sock"
        self.warm = limits.get("warm", True)
        self.log = open(f"{self.folder}/log", "w+")
        token_sum = hashlib.sha256(TOKEN.encode()).hexdigest()
        command = ["unshare", "--pid", "--mount", "--net", "--ipc", "--uts", "--fork", "--kill-child", "sh", "-c", SETUP, "sh",
                   self.folder, agent_data(), SESSION, EPOCH, token_sum, json.dumps(limits),
                   os.environ.get("SPILLWAY_AGENT_ROOTFS", "/"), "SPILLWAY_AGENT_PLAIN_PATHS=1" if plain_paths else ""]
        if cgroup:
            join = 'echo $$ > "$0/cgroup.procs"; exec "$@"'
            command = ["sh", "-c", join, cgroup] + command
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        try:
            self.wait_until_up()
            self.agents.append((self.agent_pid(), birth(self.agent_pid())))
            if start:
                self.start()
        except BaseException:
            self.close()
            raise

    def wait_until_up(self):
        end = time.monotonic() + 20
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if self.call("GET", "/v1/health", token=None).status == 200:
                    return
            except OSError:
                time.sleep(0.01)
        raise RuntimeError("the agent did not come up:\n" + self.read_log())

    def read_log(self):
        self.log.flush()
        with open(f"{self.folder}/log") as f:
            return f.read()

    def warm_languages(self):
        """Those whose interpreter has been ready, as often as it became so."""
        return [line.split("language=")[1].strip() for line in self.read_log().splitlines() if "event=warm_ready" in line]

    def wait_until_warm(self, languages=("python", "nodejs"), times=1):
        end = time.monotonic() + 20
        while self.warm and any(self.warm_languages().count(name) < times for name in languages):
            assert time.monotonic() < end, self.read_log()
            time.sleep(0.01)

    def was_warm(self, execution_id):
        line = next(line for line in self.read_log().splitlines() if f"execution_started execution={execution_id} " in line)
        return "warm=true" in line

    def start(self, env=None, deadline_ms=600000):
        answer = self.call("POST", "/v1/start", {"epoch": EPOCH, "env": env or {}, "deadline_ms": deadline_ms})
        assert answer.status == 200, answer
        return answer.json

    def close(self):
        if self.process.poll() is None:
            # Process 1 takes the namespace with it. unshare's own --kill-child does not last: a change of uid takes it back.
            try:
                os.kill(self.agent_pid(), signal.SIGKILL)
            except (OSError, IndexError):
                os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def call(self, method, target, body=None, fields=None, token=TOKEN, timeout=60):
        fields = dict(fields or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            fields.setdefault("Content-Type", "application/json")
        if isinstance(body, str):
            body = body.encode()
        if token:
            fields["Authorization"] = f"Bearer {token}"
        connection = UnixConnection(self.socket, timeout)
        try:
            try:
                connection.request(method, target, body=body, headers=fields)
            except BrokenPipeError:
                pass  # refused before all of the body was sent: the answer is there
            reply = connection.getresponse()
            return Answer(reply.status, dict(reply.getheaders()), reply.read())
        finally:
            connection.close()

    # -- shorthands --

    def submit(self, language, code, **members):
        answer = self.call("POST", f"/v1/exec/{language}", {"code": code, **members})
        assert answer.status == 202, answer
        return answer.json["execution_id"]

    def run(self, language, code, **members):
        answer = self.call("POST", f"/v1/exec/{language}?wait=30", {"code": code, **members})
        assert answer.status == 200, answer
        return answer.json

    def result(self, query=""):
        answer = self.call("GET", f"/v1/result{query}")
        assert answer.status == 200, answer
        return answer.json

    def ended(self, execution_id, limit_s=60):
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            result = self.result(f"?execution_id={execution_id}")
            if result["status"] != "running":
                return result
            time.sleep(0.02)
        raise AssertionError(f"{execution_id} did not end")

    def activity(self, query=""):
        answer = self.call("GET", f"/v1/activity{query}")
        assert answer.status == 200, answer
        return answer.json

    def agent_pid(self):
        """Process 1 of the box, as the machine numbers it."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as f:
            return int(f.read().split()[0])

    def agent_children(self):
        """Command names of its own children that are no warm interpreters."""
        pid = self.agent_pid()
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            names = [open(f"/proc/{child}/comm").read().strip() for child in f.read().split()]
        return [name for name in names if name not in ("python3", "node", "leader", "warm", "spare")]

    def agent_memory_kib(self):
        with open(f"/proc/{self.agent_pid()}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))

    def processes(self):
        """Command names of everything in the box, from inside, but the one that asks."""
        r = self.run("bash", "for p in /proc/[0-9]*; do read -r _ n _ < $p/stat 2>/dev/null && echo ${p#/proc/} $n; done")
        return r["stdout"].splitlines()
