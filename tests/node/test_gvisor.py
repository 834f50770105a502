"""runtimeClassName: gvisor through a real runsc, and the agent's walls inside it."""
import hashlib
import importlib
import json
import os
import re
import subprocess
import sys

import pytest
from manifests import pod, session
from node_process import BUILD, TREE

SLOW_START_S = 60
TOKEN, EPOCH = "a" * 64, "0" * 32


def find(*command):
    done = subprocess.run([TREE / command[0], *command[1:]], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


RUNSC = os.environ.get("SPILLWAY_RUNSC") or find("tests/node/runsc/build", "--path")
AGENT = BUILD / "spillway-agent-dir"
pytestmark = pytest.mark.skipif(not RUNSC, reason="runsc has not been built: tests/node/runsc/build makes it")


@pytest.fixture
def node(make_node):
    return make_node(runtimes={"gvisor": RUNSC})


def sandboxed(made, **limits):
    made["spec"]["runtimeClassName"] = "gvisor"
    amount = {"cpu": "500m", "memory": "512Mi", **limits}
    made["spec"]["containers"][0]["resources"] = {"limits": dict(amount), "requests": dict(amount)}
    return made


def test_it_is_another_kernel(node):
    before = node.traces()
    classes = node.call("GET", "/apis/node.k8s.io/v1/runtimeclasses").json
    assert classes["kind"] == "RuntimeClassList" and classes["apiVersion"] == "node.k8s.io/v1"
    assert [(c["metadata"]["name"], c["handler"]) for c in classes["items"]] == [("gvisor", "gvisor")]
    assert node.create(sandboxed(pod("inside", "read -r v < /proc/version; echo $v; trap 'exit 0' TERM; while :; do sleep 0.1; done"))).status == 201
    made = node.wait_phase("inside", "Running", seconds=SLOW_START_S)
    node.wait(lambda: "gvisor" in node.read_log("inside"), 20, "the log")
    assert made["status"]["podIP"]
    overhead = classes["items"][0]["overhead"]["podFixed"]
    assert overhead == made["spec"]["overhead"] == {"cpu": "250m", "memory": str(128 << 20)}
    assert node.cgroup_file("memory", made, "memory.limit_in_bytes") == str(512 + 128 << 20)
    assert node.cgroup_file("cpu", made, "cpu.cfs_quota_us") == "75000"
    assert node.cgroup_file("cpu", made, "programs/cpu.cfs_quota_us") == "50000"
    assert len(node.cgroup_file("cpu", made, "programs/cgroup.procs").split()) >= 1
    assert int(node.cgroup_file("pids", made, "pids.max")) > 128
    assert len(node.cgroup_file("memory", made, "cgroup.procs").split()) >= 2
    node.delete("inside")
    node.wait_gone("inside", 20)
    node.wait(lambda: node.traces() == before, 10, "something is left")
    node.wait(lambda: node.children() == [], 20, "children, or zombies, stay")


def test_ends_are_told(node):
    for name, command in (("good", "exit 0"), ("bad", "exit 7"), ("hard", "trap '' TERM; while :; do sleep 0.1; done")):
        assert node.create(sandboxed(pod(name, command))).status == 201
    assert state(node.wait_phase("good", "Succeeded", seconds=SLOW_START_S))["exitCode"] == 0
    bad = state(node.wait_phase("bad", "Failed", seconds=SLOW_START_S))
    assert (bad["exitCode"], bad["reason"]) == (7, "Error")
    node.wait_phase("hard", "Running", seconds=SLOW_START_S)
    node.delete("hard", gracePeriodSeconds=1)
    node.wait_gone("hard", 20)
    node.create(sandboxed(pod("hog", "x=x; while :; do x=$x$x$x; done"), memory="100Mi"))
    hog = state(node.wait_phase("hog", "Failed", seconds=SLOW_START_S))
    assert hog["reason"] in ("OOMKilled", "Error"), hog
    for name in ("good", "bad", "hog"):
        node.delete(name)
        node.wait_gone(name)
    node.wait(lambda: node.children() == [], 20, "children, or zombies, stay")


def state(made):
    return made["status"]["containerStatuses"][0]["state"]["terminated"]


def test_survives_the_node(node):
    node.create(sandboxed(pod("stays")))
    node.create(sandboxed(pod("strays")))
    for name in ("stays", "strays"):
        node.wait_phase(name, "Running", seconds=SLOW_START_S)
    node.kill()
    uid = node_object(node, "strays")
    uid.unlink()
    node.start()
    assert [p["metadata"]["name"] for p in node.pods()] == ["stays"]
    assert node.get("stays").json["status"]["phase"] == "Running"
    assert [path.rsplit("/", 1)[1] for path in node.traces()["runtimes"]] == ["stays"]
    node.delete("stays")
    node.wait_gone("stays", 20)
    assert node.traces()["runtimes"] == [] and node.traces()["cgroups"] == []


def node_object(node, name):
    for path in (node.dir / "data/objects/pods").iterdir():
        if json.loads(path.read_text())["metadata"]["name"] == name:
            return path
    raise AssertionError(name)


# -- the agent --

class Agent:
    def __init__(self, node, address):
        self.node, self.base = node, f"http://{address}:8700"

    def call(self, method, path, body=None):
        command = ["curl", "-sS", "-m", "60", "-X", method, "-H", f"Authorization: Bearer {TOKEN}", "-H", "Content-Type: application/json",
                   *(["--data-binary", "@-"] if body is not None else []), self.base + path]
        done = subprocess.run(self.node.enter(*command), input=json.dumps(body) if body is not None else None, capture_output=True, text=True)
        return json.loads(done.stdout) if done.stdout else None

    def run(self, language, code):
        return self.call("POST", f"/v1/exec/{language}?wait=30", {"code": code})


@pytest.fixture(scope="module")
def python_root():
    root = find("sandbox/images/build", "python")
    if not root:
        pytest.skip("the environment python cannot be made here: sandbox/images/build python says why")
    return root


@pytest.fixture
def agent(make_node, python_root):
    if not (AGENT / "agent").exists():
        pytest.skip(f"no agent in {AGENT}: build the target agent-dir")
    node = make_node(runtimes={"gvisor": RUNSC}, images={"box": python_root}, agent={"image": "spillway/agent", "dir": str(AGENT)})
    made = sandboxed(session("walls"))
    made["spec"]["volumes"][1]["emptyDir"]["sizeLimit"] = "64Mi"
    made["metadata"]["annotations"]["spillway.dev/pids"] = "64"
    env = {"SPILLWAY_SESSION_ID": "walls", "SPILLWAY_EPOCH": EPOCH, "SPILLWAY_TOKEN_SHA256": hashlib.sha256(TOKEN.encode()).hexdigest(),
           "SPILLWAY_LIMITS": json.dumps({"pids": 64, "memory_bytes": 512 << 20, "workspace_bytes": 64 << 20})}
    made["spec"]["containers"][0]["env"] = [{"name": k, "value": v} for k, v in env.items()]
    assert node.create(made).status == 201
    agent = Agent(node, node.wait_phase("walls", "Running", seconds=SLOW_START_S)["status"]["podIP"])
    node.wait(lambda: (agent.call("GET", "/v1/health") or {}).get("status") == "ok", SLOW_START_S, "the agent does not come up")
    assert agent.call("POST", "/v1/start", {"epoch": EPOCH, "env": {}, "deadline_ms": 600000})["started"]
    return agent


# What another process of the agent's uid sees of its descriptors: gVisor lists them, which Linux does not (not dumpable).
DESCRIPTORS = """
import os
for fd in sorted(os.listdir('/proc/1/fd'), key=int):
    try:
        where = os.readlink(f'/proc/1/fd/{fd}')
    except OSError:
        continue
    for flags in (os.O_RDONLY, os.O_WRONLY | os.O_NONBLOCK):
        try:
            os.close(os.open(f'/proc/1/fd/{fd}', flags))
            print(where.split(':')[0], 'rw'[flags != os.O_RDONLY])
        except OSError:
            pass
"""


def test_the_agents_walls_hold(agent):
    sys.path.append(str(TREE / "tests/agent"))
    attacks = importlib.import_module("test_abuse").ATTACKS
    seen = agent.run("bash", "cat /proc/version; grep -E 'Seccomp:|NoNewPrivs|CapEff' /proc/self/status; id -u")
    assert "gvisor" in seen["stdout"] and seen["stdout"].split()[-7:] == ["CapEff:", "0" * 16, "NoNewPrivs:", "1", "Seccomp:", "2", "1000"]
    attacked = agent.run("python", attacks)
    assert attacked["status"] == "completed", attacked
    through, rest = (json.loads(line) for line in attacked["stdout"].splitlines())
    assert set(through) <= {"proc fd agent", "proc fd leader"}, "these got through"
    assert rest.pop("count") > 60 and rest == {"clone3": "ENOSYS", "self_limit": "OK", "self_kill": "OK", "self_nice": "OK"}
    # The kill that would end the session where only the kernel stood in between.
    assert agent.run("bash", "kill -9 1; kill -9 -1; echo still")["stdout"] == "still\n"
    assert agent.call("GET", "/v1/health")["status"] == "ok"
    opened = agent.run("python", DESCRIPTORS)
    assert opened["status"] == "completed", opened
    assert not re.search(r"socket|spillway", opened["stdout"]), opened["stdout"]


def test_what_an_execution_leaves_is_killed(agent):
    count = "grep -l 'slee[p].987' /proc/[0-9]*/cmdline 2>/dev/null | wc -l"
    left = agent.run("bash", f"for i in $(seq 20); do (setsid sh -c 'trap \"\" TERM; sleep 987; :' &); done; sleep 0.5; {count}")
    assert int(left["stdout"]) >= 20, left
    assert agent.run("bash", count)["stdout"] == "0\n"
    assert agent.call("GET", "/v1/health")["status"] == "ok"


def test_the_agent_keeps_the_limit_of_processes(agent):
    bomb = """
import os, time
made = 0
try:
    while made < 500:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        made += 1
except BlockingIOError:
    print(made)"""
    for _ in range(4):  # while they die, /proc shows some of them as number 0: the agent once took that for itself
        assert 30 < int(agent.run("python", bomb)["stdout"]) < 64
        assert agent.run("bash", "echo still")["stdout"] == "still\n"


def test_orphans_are_reaped(agent):
    code = "import os\nfor i in range(40):\n    if os.fork() == 0:\n        os.fork()\n        os._exit(0)\n    os.wait()\n"
    assert agent.run("python", code)["status"] == "completed"
    zombies = "n=0; for p in /proc/[0-9]*; do read -r _ _ s _ < $p/stat 2>/dev/null && [ $s = Z ] && n=$((n+1)); done; echo $n"
    assert int(agent.run("bash", zombies)["stdout"]) <= 1


HOG = """
taken = []
while True:
    taken.append(bytearray(%d << 20))"""


def test_the_agent_keeps_the_limit_of_memory(agent):
    for step in (1, 8):
        assert agent.run("python", HOG % step)["status"] == "oom"
        assert agent.run("bash", "echo still")["stdout"] == "still\n"
    nearly = agent.run("python", "taken = bytearray(400 << 20)\nlen(taken) >> 20")
    assert (nearly["status"], nearly["result"]) == ("completed", "400")
    assert agent.run("bash", "head -c 60000000 /dev/zero > /workspace/full; stat -c %s /workspace/full")["stdout"] == "60000000\n"
    assert agent.run("python", "taken = bytearray(480 << 20)\nlen(taken)")["status"] == "oom"  # files are memory too


def test_one_process_is_killed_for_memory_and_its_parent_lives(agent):
    seen = agent.run("python", f"import subprocess, sys\ndone = subprocess.run([sys.executable, '-c', {HOG % 8!r}])\ndone.returncode")
    assert (seen["status"], seen["result"]) == ("completed", "-9"), seen


def test_processor_hogs_leave_the_agent_its_turn(agent):
    """Without a share of its own it answered after seconds, or not at all."""
    agent.call("POST", "/v1/exec/python", {"code": "import os\nfor _ in range(5):\n    os.fork()\nwhile True: pass", "timeout_seconds": 20})
    for _ in range(20):
        assert agent.call("GET", "/v1/health")["status"] == "ok"
    node = agent.node
    made = node.get("walls").json
    inside, all_of_it = ({int(pid) for pid in node.cgroup_file("cpu", made, name).split()} for name in ("programs/cgroup.procs", "cgroup.procs"))
    assert len(inside) > 32 and len(all_of_it) < 12


def test_it_may_answer_and_not_ask(agent):
    ask = "import socket\ntry:\n    socket.create_connection(('10.210.0.1', 22), 2)\n    print('out')\nexcept OSError as e:\n    print('in', type(e).__name__)"
    assert agent.run("python", ask)["stdout"].startswith("in ")
    assert agent.run("bash", "touch /etc/x 2>/dev/null || echo read-only; echo y > /workspace/y && cat /workspace/y")["stdout"] == "read-only\ny\n"
    full = agent.run("bash", "head -c 100000000 /dev/zero > /workspace/big; stat -c %s /workspace/big")
    assert int(full["stdout"]) <= 64 << 20
