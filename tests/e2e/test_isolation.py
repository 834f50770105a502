"""What code sees from inside its sandbox, and what the host sees of it from outside."""
import json
import socket

import pytest
from harness import containers, processes
from harness.namespaces import in_network_of, same_network
from harness.own_kernel import OWN_KERNEL, only_of_the_hosts_kernel
from harness.session import Session, new_id

LOOK_AROUND = r"""
import json, os, socket
def read(path):
    try:
        return open(path).read()
    except OSError as error:
        return type(error).__name__
status = dict(line.split(":\t", 1) for line in read("/proc/self/status").splitlines() if ":\t" in line)
def writable(path):
    try:
        open(path, "w").close()
        os.unlink(path)
        return True
    except OSError:
        return False
print(json.dumps({
    "hostname": socket.gethostname(), "uids": os.getresuid(), "gids": os.getresgid(),
    "status": {key: status[key].strip() for key in
               ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb", "Seccomp", "NoNewPrivs")},
    "writable": {path: writable(path + "/.probe") for path in
                 ("/", "/usr", "/usr/bin", "/etc", "/spillway", "/var", "/proc", "/sys",
                  "/workspace", "/tmp", "/dev/shm", os.environ.get("HOME", "/none"))},
    "home": os.environ.get("HOME"), "env": dict(os.environ), "init": read("/proc/1/environ"),
    "devices": sorted(os.listdir("/dev")),
    "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
    "links": sorted(name for _, name in socket.if_nameindex()), "routes": read("/proc/net/route"),
}))
"""

CONNECT = r"""
import json, socket, sys
def attempt(host, port):
    try:
        socket.create_connection((host, port), 1).close()
        return "connected"
    except OSError as error:
        return type(error).__name__
from concurrent.futures import ThreadPoolExecutor
targets = json.loads(sys.stdin.read())
with ThreadPoolExecutor(16) as pool:
    print(json.dumps(list(pool.map(lambda target: attempt(*target), targets))))
"""


@pytest.fixture(scope="module")
def inside(shared_session):
    seen = json.loads(shared_session.run(LOOK_AROUND)["stdout"])
    assert seen["hostname"] == shared_session.id, "not inside the sandbox: the rest must not run"
    return seen


def test_hostname_is_the_session_id(inside, shared_session):
    assert inside["hostname"] == shared_session.id


def test_code_has_no_privileges(inside):
    assert all(uid != 0 for uid in inside["uids"]) and all(gid != 0 for gid in inside["gids"])
    assert all(int(inside["status"][key], 16) == 0 for key in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"))
    assert (inside["status"]["Seccomp"], inside["status"]["NoNewPrivs"]) == ("2", "1")


def test_only_the_scratch_places_can_be_written(inside):
    can = {path for path, yes in inside["writable"].items() if yes}
    assert can == {"/workspace", "/tmp", "/dev/shm", inside["home"]}


def test_code_sees_its_own_processes_only(inside):
    assert inside["processes"][0] == 1 and len(inside["processes"]) < 10
    assert inside["init"] == "PermissionError"


def test_no_token_and_no_address_is_in_the_environment(inside):
    text = json.dumps(inside["env"])
    for word in ("SPILLWAY", "TOKEN", "redis", "KUBERNETES", "EPOCH"):
        assert word not in text, text


def test_no_default_route_and_no_devices_but_the_harmless(inside):
    assert not [line for line in inside["routes"].splitlines()[1:] if line.split()[1] == "00000000"]
    own = {"char", "fuse", "net"} if OWN_KERNEL else set()  # names of gVisor's own, with its own emulation behind them
    assert set(inside["devices"]) <= own | {"core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr",
                                            "stdin", "stdout", "tty", "urandom", "zero", "console"}


def listeners(pid):
    """TCP ports that somebody listens on in the network namespace of this process."""
    ports = set()
    for table in ("tcp", "tcp6"):
        for line in processes.read(pid, "net/" + table).decode().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


def addresses_of(pid):
    """IPv4 addresses in that namespace, local ones included."""
    found = set()
    words = processes.read(pid, "net/fib_trie").decode().split()
    for index, word in enumerate(words):
        if word == "/32" and words[index + 1: index + 3] == ["host", "LOCAL"]:
            found.add(words[index - 1])
    return found


def reachable(pid, targets):
    """Those that a process of the site can connect to: what could be reached if nothing were in the way."""
    def attempt():
        yes = []
        for host, port in targets:
            try:
                socket.create_connection((host, port), 1).close()
                yes.append((host, port))
            except OSError:
                pass
        return yes
    return in_network_of(pid, attempt)


def test_nothing_of_the_site_can_be_reached_from_inside(site, inside, shared_session, make_session):
    neighbour = make_session(cleanup="idle")
    node = site.entry("node")["pid"]
    if same_network(node):
        pytest.fail("the site is not in a network namespace of its own")
    parts = [site.entry(part)["pid"] for part in ("node", "redis", "nginx")] + [entry["pid"] for entry in site.gateways]
    ports = set().union(*(listeners(pid) for pid in parts if not same_network(pid)))
    targets = {(address, port) for pid in parts if not same_network(pid) for address in addresses_of(pid)
               for port in ports if not address.startswith("127.")}
    targets |= {(site.node().pod(session.id)["status"]["podIP"], 8700) for session in (neighbour, shared_session)}
    open_ones = sorted(reachable(node, sorted(targets)))
    own = (site.node().pod(shared_session.id)["status"]["podIP"], 8700)
    assert own in open_ones and len(open_ones) >= 2, f"nothing listens, so nothing is proven: {open_ones}"
    targets = [target for target in open_ones if target != own] + [("127.0.0.1", port) for port in sorted(ports)
                                                                    if port != 8700]
    outcome = json.loads(shared_session.run(CONNECT, stdin=json.dumps(targets), timeout_seconds=60)["stdout"])
    through = [target for target, result in zip(targets, outcome) if result == "connected"]
    assert not through, f"reached from inside: {through}"


def test_a_session_sees_nothing_of_another(make_session):
    one, other = make_session(cleanup="idle"), make_session(cleanup="idle")
    mark = new_id("mark")
    one.run(f"for folder in ('/workspace', '/tmp', '/dev/shm'):\n    open(folder + '/{mark}', 'w').write('{mark}')")
    running = one.submit(f"import time\nprint('{mark}', flush=True)\ntime.sleep(8)")
    seen = other.run("grep -rl . /workspace /tmp /dev/shm $HOME 2>/dev/null; cat /proc/[0-9]*/cmdline 2>/dev/null |"
                     " tr '\\0' ' '; ls -a /workspace /tmp /dev/shm", "bash")
    assert mark not in seen["stdout"]
    assert other.result_reply(running).status == 404
    one.client.delete(f"/{one.id}/executions/{running}")


@only_of_the_hosts_kernel("runsc keeps its own list, and its own threads count in the cgroup: tests/node/test_gvisor.py looks at them")
def test_crun_lists_the_session_and_its_cgroup_holds_the_limits(site, make_session):
    session = make_session(cleanup="idle", resources={"cpu": "250m", "memory": "128Mi"})
    container = containers.of_session(site.state_dir, session.id)
    assert container, "crun does not list it"
    pod = site.node().pod(session.id)
    spec = pod["spec"]["containers"][0]
    limits = json.loads(next(item["value"] for item in spec["env"] if item["name"] == "SPILLWAY_LIMITS"))
    pid = container["pid"]
    memory = int(containers.cgroup_value(pid, "memory", "memory.limit_in_bytes", "memory.max"))
    assert memory == 128 * 2 ** 20 + limits["workspace_bytes"]
    pids = containers.cgroup_value(pid, "pids", "pids.max")
    assert pids.isdigit() and limits["pids"] <= int(pids) <= limits["pids"] + 16
    quota = containers.cgroup_value(pid, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0]
    period = containers.cgroup_value(pid, "cpu", "cpu.cfs_period_us", "cpu.max").split()[-1]
    assert int(quota) / int(period) == pytest.approx(0.25)


@only_of_the_hosts_kernel("from outside there is gVisor's process only: what it is allowed to do is gVisor's own affair")
def test_outside_the_agent_runs_as_an_ordinary_user_under_seccomp(site, session):
    pid = containers.of_session(site.state_dir, session.id)["pid"]
    assert "0" not in processes.status_field(pid, "Uid").split()
    assert int(processes.status_field(pid, "CapEff"), 16) == 0
    assert processes.status_field(pid, "NoNewPrivs") == "1"
    assert processes.namespace(pid) != processes.namespace("self")


def test_the_agent_cannot_be_killed_or_slowed_from_inside(make_session):
    session = make_session(cleanup="idle")
    answer = session.run(
        "import os, resource, signal\n"
        "def tried(what, *arguments):\n"
        "    try:\n        what(*arguments)\n        return 'done'\n"
        "    except OSError as error:\n        return type(error).__name__\n"
        "print(tried(os.kill, 1, signal.SIGKILL), tried(os.kill, 1, signal.SIGSTOP), tried(os.kill, 1, signal.SIGTERM),\n"
        "      tried(resource.prlimit, 1, resource.RLIMIT_NOFILE, (3, 3)),\n"
        "      tried(os.setpriority, os.PRIO_PROCESS, 1, 19), tried(open, '/proc/1/mem', 'r+b'))")
    assert set(answer["stdout"].split()) == {"PermissionError"}, answer
    assert session.run("print('alive')")["stdout"] == "alive\n"


def assert_bomb_is_over(session, execution):
    if OWN_KERNEL:  # every fork it refuses costs that kernel the whole work: the agent beside it answers late; and copies take more memory
        assert session.final_through_silence(execution)["status"] in ("timeout", "oom")
    else:
        assert session.final(execution)["status"] == "timeout"


def test_a_fork_bomb_stays_inside_and_ends_with_its_time_out(site, make_session):
    session, neighbour = make_session(cleanup="idle"), make_session(cleanup="idle")
    bomb = session.submit("import os, time\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n"
                          "        time.sleep(0.01)", timeout_seconds=2)
    assert neighbour.run("print('quiet')")["stdout"] == "quiet\n"
    assert_bomb_is_over(session, bomb)
    count = session.run("ls -d /proc/[0-9]* | wc -l", "bash")
    assert int(count["stdout"]) < 10, "processes survived the time-out"


def test_memory_beyond_the_limit_ends_the_run_not_the_session(make_session):
    session = make_session(cleanup="idle", resources={"memory": "64Mi"})
    answer = session.run("x = []\nwhile True:\n    x.append(bytearray(8 << 20))", timeout_seconds=30)
    assert answer["status"] in ("oom", "failed"), answer
    assert session.run("print('alive')")["stdout"] == "alive\n"


def test_another_sessions_execution_id_gives_nothing(client, make_session):
    one, other = make_session(cleanup="idle"), make_session(cleanup="idle")
    execution = one.run("print('private')")["execution_id"]
    assert Session(client, other.id).result_reply(execution).status == 404
