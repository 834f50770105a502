"""Hostile code and hostile requests against the rest of the machine: disk, processor, the way out, other tenants. In every case the
neighbour's answers stay right, and the session says of itself what happened."""
import contextlib
import hashlib
import json
import os
import secrets
import socket
import statistics
import subprocess
import threading
import time

import pytest

from harness import containers, problems
from harness.client import Client, ConnectionLost, raw
from harness.namespaces import in_network_of, same_network
from harness.session import Session, new_id
from harness.spare_gateway import API, SpareGateway

CANARIES = ("169.254.169.254", "fd00:ec2::254")  # only ever on an interface to nowhere in the network namespace of the test's own site
PORT = 53  # DNS too
DISK = 64 * 2 ** 20

FILL = r"""
import errno, json, os, sys
way, place = sys.argv[1:]
path, said, written = place + "/bomb", None, 0
try:
    with open(path, "wb", 0) as file:
        if way == "allocate":
            os.posix_fallocate(file.fileno(), 0, 100 << 30)
        while way == "write":
            written += file.write(b"x" * (1 << 20))
except OSError as error:
    said = errno.errorcode[error.errno]
print(json.dumps({"said": said, "written": written}))
"""

INODES = r"""
import errno, json, os
os.mkdir("many")
made, said = 0, None
try:
    while made < 1000000:
        open("many/%d" % made, "w").close()
        made += 1
except OSError as error:
    said = errno.errorcode[error.errno]
print(json.dumps({"made": made, "said": said}))
"""

SEND = r"""
import json, os, socket, sys
targets = json.loads(sys.stdin.read())
outcome = {}
def attempt(name, act):
    try:
        act()
        outcome[name] = "sent"
    except OSError as error:
        outcome[name] = type(error).__name__ + " " + os.strerror(error.errno or 0)
def open_socket(*kind):
    s = socket.socket(*kind)
    s.settimeout(1)
    return s
dns = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06secret\x06canary\x04test\x00\x00\x10\x00\x01"
for host, port in targets:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    icmp = socket.IPPROTO_ICMPV6 if ":" in host else socket.IPPROTO_ICMP
    echo = (b"\x80" if ":" in host else b"\x08") + b"\x00\xf7\xfd\x00\x01\x00\x01"
    attempt(f"tcp {host}", lambda: open_socket(family, socket.SOCK_STREAM).connect((host, port)))
    attempt(f"udp {host}", lambda: open_socket(family, socket.SOCK_DGRAM).sendto(dns, (host, port)))
    attempt(f"ping {host}", lambda: open_socket(family, socket.SOCK_DGRAM, icmp).sendto(echo, (host, 0)))
    attempt(f"raw {host}", lambda: open_socket(family, socket.SOCK_RAW, icmp).sendto(echo, (host, 0)))
attempt("packet", lambda: open_socket(socket.AF_PACKET, socket.SOCK_RAW, 3))
attempt("resolver", lambda: socket.getaddrinfo("secret.canary.test", 80))
print(json.dumps(outcome))
"""


@contextlib.contextmanager
def answers_right(session):
    """Whatever goes on meanwhile, this session's own runs are right; gives the list of their times."""
    times, wrong, done = [], [], threading.Event()

    def ask():
        while not done.is_set():
            number = secrets.randbelow(10 ** 6)
            begun = time.monotonic()
            try:
                result = session.run(f"print({number} * 2)")
                if result["stdout"] != f"{number * 2}\n":
                    wrong.append(result)
            except (AssertionError, ConnectionLost) as error:
                wrong.append(error)
            times.append(time.monotonic() - begun)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield times
    finally:
        done.set()
        thread.join()
    assert times and not wrong, wrong[:3]


def host_free():
    """Bytes that the machine has left: memory, of which sandboxes' disks are made, and the disk itself."""
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))
    disk = os.statvfs("/")
    return memory, disk.f_bavail * disk.f_frsize


# -- A6: disk --


@pytest.mark.parametrize("way", ["allocate", "write"])
@pytest.mark.parametrize("place", ["/workspace", "/tmp", "/dev/shm", "/home/sandbox"])
def test_a_disk_bomb_meets_the_sessions_own_limit(make_session, record_property, way, place):
    session, neighbour = make_session(cleanup="idle", resources={"disk": "64Mi"}), make_session(cleanup="idle")
    _, disk_before = host_free()
    with answers_right(neighbour):
        result = session.run(FILL, args=[way, place], timeout_seconds=60)
    outcome = json.loads(result["stdout"])
    assert result["status"] == "completed" and outcome["said"] in ("ENOSPC", "EFBIG", "EDQUOT"), result
    assert outcome["written"] <= DISK
    assert disk_before - host_free()[1] < DISK, "the machine's own disk was written to"
    record_property(f"A6 {way} {place}: bytes written", outcome["written"])
    if way == "write":  # all four places are one budget: there is no room for long code either, until the file goes
        problems.check(session.try_exec(code="#" * 500000), 507, "workspace_full")
        assert session.status()["status"] == "ready"
    removed = session.run(f"import os\nos.unlink('{place}/bomb')\nprint('alive')")
    assert removed["stdout"] == "alive\n", removed
    assert session.run("#" * 500000)["status"] == "completed"
    assert neighbour.run("open('/workspace/mine', 'wb').write(b'x' * (1 << 20))")["result"] == str(2 ** 20), "its room is its own"


def test_a_million_files_stay_within_the_sessions_memory(make_session, record_property):
    """Empty files have no bytes: it is the kernel's memory for them that is the session's own."""
    session, neighbour = make_session(cleanup="idle"), make_session(cleanup="idle")
    memory_before, _ = host_free()
    with answers_right(neighbour):
        result = session.run(INODES, timeout_seconds=120)
    memory_after, _ = host_free()
    record_property("A6 inodes", f"{result['status']} {result['stdout'].strip()} {memory_before - memory_after >> 20} MiB")
    if result["status"] == "completed":
        assert json.loads(result["stdout"])["said"] == "ENOSPC", result
    else:
        assert result["status"] == "oom", result
    assert session.status()["status"] in ("ready", "executing", "error", "stopping"), session.status()
    assert neighbour.run("print('alive')")["stdout"] == "alive\n"


# -- A7: processor --


def test_processor_hogs_get_their_share_and_no_more(site, make_session, record_property):
    hogs = [make_session(cleanup="idle", resources={"cpu": "250m"}) for _ in range(3)]
    neighbour = make_session(cleanup="idle")
    pods = [site.node().pod(hog.id) for hog in hogs]
    pids = [containers.process_of(pod["metadata"]["uid"]) for pod in pods]
    overhead = int(pods[0]["spec"].get("overhead", {}).get("cpu", "0m").removesuffix("m")) / 1000  # of a runtime with its own kernel
    running = [hog.submit("import os\nfor _ in range(5):\n    os.fork()\nwhile True: pass", timeout_seconds=12) for hog in hogs]
    with answers_right(neighbour) as times:
        time.sleep(2)  # the share of what was saved up is spent
        before, begun = [used_ns(pid) for pid in pids], time.monotonic()
        time.sleep(5)
        elapsed = time.monotonic() - begun
        shares = [(used_ns(pid) - one) / 1e9 / elapsed for pid, one in zip(pids, before)]
    record_property("A7 shares of 0.25", " ".join(f"{share:.3f}" for share in shares))
    record_property("A7 neighbour's run, median s", round(sorted(times)[len(times) // 2], 4))
    assert all(share <= (0.25 + overhead) * 1.1 for share in shares), shares
    assert [hog.final(execution)["status"] for hog, execution in zip(hogs, running)] == ["timeout"] * 3


def used_ns(pid):
    """Processor time of a container's cgroup, as the kernel counts it."""
    text = containers.cgroup_value(pid, "cpuacct", "cpuacct.usage", "cpu.stat")
    return int(text) if text.isdigit() else int(text.split()[1]) * 1000


# -- A12, A13: ways out --


class Canary:
    """Addresses on an interface to nowhere in the site's own network namespace, and all that arrives there."""

    def __init__(self, pid):
        assert not same_network(pid), "the site is not in a network namespace of its own: nothing is sent"
        self.pid, self.link, self.arrived, self.done = pid, f"canary{secrets.randbelow(10 ** 6)}", [], False
        self.ip("link", "add", self.link, "type", "veth", "peer", "name", f"{self.link}b")  # a dummy is not in every kernel
        for address in CANARIES:
            self.ip("addr", "add", address, "dev", self.link, *(["nodad"] if ":" in address else []))
        for end in (self.link, f"{self.link}b"):
            self.ip("link", "set", end, "up")
        self.sockets = in_network_of(pid, self.listen)
        self.threads = [threading.Thread(target=self.take, args=(s,), daemon=True) for s in self.sockets]
        for thread in self.threads:
            thread.start()

    def ip(self, *words):
        subprocess.run(["nsenter", f"--net=/proc/{self.pid}/ns/net", "ip", *words], check=True)

    def listen(self):
        sockets = []
        for address in CANARIES:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                s = socket.socket(family, kind)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind((address, PORT))
                sockets.append(s)
                if kind == socket.SOCK_STREAM:
                    s.listen()
            icmp = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMPV6 if ":" in address else socket.IPPROTO_ICMP)
            sockets.append(icmp)  # of all addresses: whose packet it is tells the source
        for s in sockets:
            s.settimeout(0.2)
        return sockets

    def take(self, s):
        while not self.done:
            try:
                if s.type == socket.SOCK_STREAM:
                    connection, source = s.accept()
                    connection.close()
                else:
                    _, source = s.recvfrom(65536)
                self.arrived.append(({socket.SOCK_STREAM: "tcp", socket.SOCK_DGRAM: "udp", socket.SOCK_RAW: "icmp"}[s.type], source[0]))
            except socket.timeout:
                pass

    def heard(self, *sources):
        """What came for the canaries, and pings of these sources to any address here."""
        return [(kind, source) for kind, source in self.arrived if kind != "icmp" or source in sources]

    def prove(self):
        """What is sent from the site's own network arrives and is counted: so that silence means something."""
        def send():
            for address in CANARIES:
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                with socket.socket(family, socket.SOCK_DGRAM) as s:
                    s.sendto(b"proof", (address, PORT))
                socket.create_connection((address, PORT), 5).close()
                with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMPV6 if ":" in address else socket.IPPROTO_ICMP) as s:
                    s.sendto((b"\x80" if ":" in address else b"\x08") + b"\x00\xf7\xfd\x00\x01\x00\x01", (address, 0))
        in_network_of(self.pid, send)
        end = time.monotonic() + 20
        while len(set(self.heard(*CANARIES))) < 6 and time.monotonic() < end:
            time.sleep(0.02)
        assert len(set(self.heard(*CANARIES))) == 6, self.arrived
        self.arrived.clear()

    def remove(self):
        self.done = True
        for thread, s in zip(self.threads, self.sockets):
            thread.join()
            s.close()
        self.ip("link", "del", self.link)


@pytest.fixture
def canary(site):
    one = Canary(site.entry("node")["pid"])
    try:
        one.prove()
        yield one
    finally:
        one.remove()


def test_no_packet_of_any_kind_gets_out(site, canary, make_session):
    session, neighbour = make_session(cleanup="idle"), make_session(cleanup="idle")
    assert session.run("import socket\nprint(socket.gethostname())")["stdout"].strip() == session.id, "not inside: nothing is sent"
    own = site.node().pod(session.id)["status"]["podIP"]
    first = own.rpartition(".")[0] + ".1"
    targets = [(address, PORT) for address in (*CANARIES, first, site.node().pod(neighbour.id)["status"]["podIP"], "ff02::1")]
    with answers_right(neighbour):
        outcome = json.loads(session.run(SEND, stdin=json.dumps(targets), timeout_seconds=100)["stdout"])
        time.sleep(0.5)
    assert canary.heard(own) == []
    # What is for nobody here has no way; to the next hop a packet may leave the sandbox, and is dropped there.
    through = {name for name, said in outcome.items() if said == "sent" and name.split()[0] not in ("udp", "ping")}
    assert not through, outcome
    assert all("sent" != outcome[f"{kind} {address}"] for address in CANARIES for kind in ("udp", "ping")), outcome


def test_no_request_makes_a_gateway_go_elsewhere(client, canary, make_session):
    """A13: the gateway dials what its cluster says and nothing that a request says."""
    session = make_session(cleanup="idle")
    for address in CANARIES:
        host = f"[{address}]:{PORT}" if ":" in address else f"{address}:{PORT}"
        fields = {"X-Forwarded-Host": host, "X-Forwarded-For": address, "Forwarded": f"host={host};for={host}", "X-Real-IP": address,
                  "X-Sandbox-Pod-IP": address, "X-Original-URL": f"http://{host}/", "X-Rewrite-URL": f"http://{host}/", "Spillway-Origin": host,
                  "Spillway-Hop": "1", "X-Forwarded-Port": str(PORT), "Referer": f"http://{host}/", "Location": f"http://{host}/"}
        for path in (f"{session.base}/status", f"{session.base}/result", f"{session.base}/files/list"):
            client.get(path, headers=fields).expect(200, 400, 401, 403, 404)
        for head in (f"GET http://{host}/{session.id}/status HTTP/1.1\r\nHost: {host}", f"GET /{session.id}/status HTTP/1.1\r\nHost: {host}",
                     f"GET //{host}/x HTTP/1.1\r\nHost: x", f"GET /{session.id}/files/download/http://{host}/x HTTP/1.1\r\nHost: x",
                     f"GET /{session.id}/exec/http://{host} HTTP/1.1\r\nHost: x", f"CONNECT {host} HTTP/1.1\r\nHost: {host}"):
            with contextlib.suppress(ConnectionLost):
                raw(client.url, (head + "\r\nConnection: close\r\n\r\n").encode())
    assert session.run("print('here')")["stdout"] == "here\n"
    assert canary.heard() == []


# -- A15: tenants --


@pytest.fixture
def tenants(site):
    """A gateway of the same site that asks for keys: (client of one tenant, of the other, of nobody)."""
    keys = {"one": secrets.token_hex(16), "other": secrets.token_hex(16)}
    gateway = SpareGateway(site)
    text = "".join(f"{tenant} {hashlib.sha256(key.encode()).hexdigest()}\n" for tenant, key in keys.items())
    gateway.environment = {"SPILLWAY_AUTH_KEYS_FILE": gateway.write("keys", text), "SPILLWAY_AUTH_MODE": "keys"}
    with gateway:
        def of(fields):
            plain = gateway.client(API)
            return Client(plain.url, headers=fields, connect=plain.connect)
        yield of({"Authorization": f"Bearer {keys['one']}"}), of({"X-API-Key": keys["other"]}), of({})


SAME_EVERYWHERE = ("type", "title", "status", "code")


def test_another_tenants_session_is_like_one_that_does_not_exist(tenants, record_property):
    one, other, nobody = tenants
    mine = Session(one, new_id("tenant"))
    mine.start(cleanup="idle")
    execution = mine.run("print('private')")["execution_id"]
    there_is_none = new_id("tenant")
    calls = [("GET", "/status"), ("GET", "/result"), ("GET", f"/result?execution_id={execution}"), ("GET", "/executions"), ("GET", "/events"),
             ("GET", f"/executions/{execution}"), ("DELETE", f"/executions/{execution}"), ("GET", "/files/list"), ("GET", "/files/download/x"),
             ("DELETE", "/files/delete/x"), ("GET", "/processes"), ("POST", "/process/kill/2"), ("GET", "/contexts"), ("DELETE", "")]
    for method, path in calls:
        theirs, none = (other.send(method, f"/{name}{path}") for name in (mine.id, there_is_none))
        assert theirs.status == none.status == 404, (method, path, theirs, none)
        assert [theirs.json()[k] for k in SAME_EVERYWHERE] == [none.json()[k] for k in SAME_EVERYWHERE]
        strip = lambda reply, name: reply.json()["detail"].replace(name, "")  # noqa: E731
        assert strip(theirs, mine.id) == strip(none, there_is_none), (theirs, none)
        assert nobody.send(method, f"/{mine.id}{path}").status == nobody.send(method, f"/{there_is_none}{path}").status == 401
    problems.check(other.post(f"/{mine.id}", {}), 409)
    problems.check(other.post(f"/{mine.id}/exec/python", {"code": "1"}), 409)
    assert mine.id not in json.dumps(other.get("/api/v1/sessions").expect(200).json())
    assert mine.run("print('still mine')")["stdout"] == "still mine\n"
    times = {name: [] for name in (mine.id, there_is_none)}
    for _ in range(3000):
        for name, taken in times.items():
            begun = time.monotonic()
            other.get(f"/{name}/status")
            taken.append(time.monotonic() - begun)
    for what, name in (("another's", mine.id), ("nobody's", there_is_none)):
        record_property(f"A15 median of a 404, {what}, ms", round(statistics.median(times[name]) * 1000, 3))
    one_side, other_side = times.values()
    spread = (statistics.variance(one_side) / len(one_side) + statistics.variance(other_side) / len(other_side)) ** 0.5
    record_property("A15 Welch's t of 3000 each", round((statistics.fmean(one_side) - statistics.fmean(other_side)) / spread, 2))
    mine.end()


def test_what_a_client_says_of_itself_changes_no_tenant(tenants):
    one, other, _ = tenants
    mine = Session(one, new_id("tenant"))
    mine.create(cleanup="idle", metadata={"spillway.dev/tenant": "other", "tenant": "other"})
    for fields in ({"Spillway-Tenant": "one"}, {"X-Tenant": "one"}, {"Spillway-Hop": "1", "Spillway-Tenant": "one"},
                   {"Authorization": "Bearer wrong"}, {"X-API-Key": ""}):
        reply = other.get(f"/{mine.id}/status", headers=fields)
        assert reply.status in (400, 401, 403, 404), (fields, reply)
    assert other.get(f"/{mine.id}/status").status == 404
    assert mine.wait_ready()["session_id"] == mine.id
    mine.end()
