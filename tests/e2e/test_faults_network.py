"""F15, F16: packets are lost between gateways and one pod, or between the sites, one way or both; a link is slow. Only what is behind
it is affected; nothing runs twice, no answer is another question's, and after the healing all goes on."""
import os
import select
import socket
import subprocess
import threading
import time
import urllib.parse

import pytest
from harness import containers, problems, processes
from harness.background import Pollers, together
from harness.client import Client, ConnectionLost
from harness.runs import RunCounter, counted, tell, until_told, written
from harness.session import Session
from harness.wait import Stopwatch, until

CLOUD_ADDRESS = "10.255.99.2"
SLOW = "64kbit"
GROWTH_MAX = 4 << 20  # bytes; what is held back is 256 KiB a connection, the rest is the allocator's
UNREAD_MAX = 8 << 20


class Loss:
    """Packets that match are dropped in the network of process `pid`. Nobody is told."""

    def __init__(self, pid, *matches):
        self.pid = pid
        self.matches = matches

    def nft(self, script):
        subprocess.run(["nsenter", f"--net=/proc/{self.pid}/ns/net", "nft", script], check=True, capture_output=True)

    def __enter__(self):
        script = "add table ip loss; "
        for hook in ("input", "output"):
            script += f"add chain ip loss {hook} {{ type filter hook {hook} priority -200; }}; "
            script += "".join(f"add rule ip loss {hook} {match} drop; " for match in self.matches)
        self.nft(script)
        return self

    def __exit__(self, *ignored):
        self.nft("delete table ip loss")


def address_of(node, session):
    return node.pod(session.id)["status"]["podIP"]


def cut_off(site, session):
    address = address_of(site.node(), session)
    return Loss(site.entry("node")["pid"], f"ip saddr {address}", f"ip daddr {address}")


def try_for(function, errors):
    """A call that may end without an answer."""
    try:
        reply = function()
    except ConnectionLost:
        return None
    assert reply.status in errors, reply
    return reply


def test_a_pod_is_cut_off_and_comes_back(site, client, record_property):
    """F15: for longer than any call to it waits."""
    session, neighbour = (Session(client).start(cleanup="idle") for _ in range(2))
    with RunCounter(site) as counter:
        execution = session.submit(counted(until_told() + "print('end')"), timeout_seconds=200)
        counter.watch(session.id)
        until(lambda: counter.seen(session.id), 60, "it runs")
        with cut_off(site, session), Pollers(site.url, [f"/{neighbour.id}/result"]) as others:
            watch = Stopwatch()
            reply = session.result_reply(execution)
            problems.check(reply, reply.status if reply.status in (503, 504) else 503)
            record_property("F15 cut off: a result is refused after, s", round(watch.seconds, 2))
            watch = Stopwatch()
            try_for(lambda: session.try_exec(code="open('/workspace/n', 'a').write('x')", execution_id="meanwhile"), (502, 503, 504))
            record_property("F15 cut off: code is refused after, s", round(watch.seconds, 2))
            # `creating`: nginx took its gateway for a hanging one meanwhile, and the next has never heard the agent.
            assert session.status()["status"] in ("executing", "ready", "creating"), "taken for dead"
            others.wait_for(200)
            time.sleep(8)
            assert neighbour.run("'near'")["result"] == "'near'"
            assert not others.failures, others.failures[:3]
        watch = Stopwatch()
        until(lambda: session.result_reply(execution).status == 200, 60, "it answers again", every=0.02)
        record_property("F15 healed: first answer after, s", round(watch.seconds, 2))
        answer = session.try_exec(code="open('/workspace/n', 'a').write('x')", execution_id="meanwhile").expect(200, 202).json()
        assert session.final(answer["execution_id"])["status"] == "completed"
        tell(site.state_dir, session.id)
        counter.check_once(session.id, session.final(execution))
        assert written(site.state_dir, session.id)["n"] == "x"
    session.end()
    neighbour.end()


def test_answers_stay_with_their_questions(site, client):
    """F15: the way comes and goes while many ask; late answers of pooled connections reach nobody else."""
    sessions = [Session(client).start(cleanup="idle") for _ in range(3)]
    ids = {}
    for session in sessions:
        for number in range(4):
            text = f"{session.id}-{number}"
            ids[text] = (session, session.run(f"print('{text}')")["execution_id"])
    stopping = threading.Event()
    wrong, right = [], []

    def ask(items):
        mine = Client(site.url, timeout=20)
        while not stopping.is_set():
            for text, (session, execution) in items:
                try:
                    reply = mine.get(f"/{session.id}/result", params={"execution_id": execution, "stdout_offset": 1})
                except ConnectionLost:
                    continue
                if reply.status == 200:
                    (right if reply.json()["stdout"] == text[1:] + "\n" else wrong).append((text, reply))
                elif reply.status not in (502, 503, 504):
                    wrong.append((text, reply))
    items = list(ids.items())
    threads = [threading.Thread(target=ask, args=(items[number::6],)) for number in range(6)]
    for thread in threads:
        thread.start()
    try:
        for session in sessions * 2:
            with cut_off(site, session):
                time.sleep(1.5)
            time.sleep(0.3)
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    assert not wrong, wrong[:3]
    assert len(right) > 100
    together(lambda session: session.end(), sessions, 3)


def test_a_pod_that_stays_cut_off_goes_at_its_deadline(site, client, record_property):
    session = Session(client).start(cleanup="idle", timeout_seconds=8)
    watch = Stopwatch()
    with cut_off(site, session):
        until(lambda: site.node().pod(session.id) is None, 68 + 8, "gone within a minute of its deadline", every=0.1)
        record_property("F15 cut off for good: pod gone after its deadline, s", round(watch.seconds - 8, 1))
    assert session.wait_ended()["reason"] == "deadline"


# -- slow --

def shape(pid, interface, what):
    command = ["nsenter", f"--net=/proc/{pid}/ns/net", "tc", "qdisc", what, "dev", interface, "root"]
    if what == "add":
        command += ["tbf", "rate", SLOW, "burst", "4kb", "latency", "400ms"]
    subprocess.run(command, check=True, capture_output=True)


def pods_interface(pid, address):
    said = subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "ip", "-o", "route", "get", address], check=True, capture_output=True,
                          text=True).stdout.split()
    return said[said.index("dev") + 1]


def crawl(site, request, seconds=8):
    """A client that sends and reads as fast as it may, and goes away after a while."""
    parts = urllib.parse.urlsplit(site.url)
    end = time.monotonic() + seconds
    with socket.create_connection((parts.hostname, parts.port), 10) as sock:
        sock.setblocking(False)
        while time.monotonic() < end:
            readable, writable, _ = select.select([sock], [sock] if request else [], [], 0.2)
            if writable:
                request = request[sock.send(request):]
            if readable and not sock.recv(65536):
                return


def test_a_slow_way_to_one_pod(site, client, record_property):
    """F16: 64 kbit/s both ways. Uploads and downloads crawl, others do not notice, and nothing piles up in the gateways."""
    slow, other = (Session(client).start(cleanup="idle") for _ in range(2))
    execution = slow.run("import sys\nsys.stdout.write('0123456789' * 90_000)")["execution_id"]
    slow.run("open('/workspace/big', 'wb').write(b'x' * 6_000_000)")
    network = site.entry("node")["pid"]
    inside = containers.of_session(site.state_dir, slow.id)["pid"]
    outer = pods_interface(network, address_of(site.node(), slow))
    body = b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n" + bytes(6_000_000) + b"\r\n--b--\r\n"

    before = sum(processes.memory(site.gateways))
    shape(network, outer, "add")
    shape(inside, "eth0", "add")
    try:
        download = f"GET /{slow.id}/files/download/big HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        upload = (f"POST /{slow.id}/files/upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
                  f"Content-Length: {len(body)}\r\n\r\n").encode() + body
        busy = [threading.Thread(target=crawl, args=(site, request)) for request in (download, download, upload)]
        for thread in busy:
            thread.start()
        with Pollers(site.url, [f"/{other.id}/status", f"/{other.id}/executions"]) as others:
            others.wait_for(200)
            most = before
            while any(thread.is_alive() for thread in busy):
                most = max(most, sum(processes.memory(site.gateways)))
                time.sleep(0.1)
            watch = Stopwatch()
            assert other.run("1 + 1")["result"] == "2"
            record_property("F16 execution elsewhere meanwhile, s", round(watch.seconds, 3))
        assert not others.failures, others.failures[:3]
        record_property("F16 slowest answer elsewhere, s", round(others.slowest, 3))
        record_property("F16 memory of the gateways grew by, KiB", (most - before) // 1024)
        assert most - before < GROWTH_MAX
    finally:
        shape(network, outer, "del")
        shape(inside, "eth0", "del")
    until(lambda: slow.result_reply(execution).status == 200, 60, "it answers again", every=0.05)
    assert slow.run("import os; os.path.exists('/workspace/f')")["result"] == "False", "half an upload is there"
    assert len(client.get(f"/{slow.id}/files/download/big").expect(200).body) == 6_000_000
    slow.end()
    other.end()


# -- between the sites --

def test_clients_that_do_not_read_from_the_cloud_hold_back_the_cloud(sites, record_property):
    """Eight downloads of 6 MB of a session there, from each gateway, and nobody reads: it piles up in no gateway, here or there."""
    far = sites.remote_session()
    far.run("open('/workspace/big', 'wb').write(b'x' * 6_000_000)")
    gateways = sites.gateways + sites.cloud()["gateways"]
    request = f"GET /{far.id}/files/download/big HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    before, lines = processes.memory(gateways), []
    try:
        for entry in sites.gateways:
            for _ in range(8):
                lines.append(sites.socket_to(entry["url"], entry["pid"])())
                lines[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                lines[-1].sendall(request)
        most = before
        end = time.monotonic() + 8
        while time.monotonic() < end:
            most = [max(pair) for pair in zip(most, processes.memory(gateways))]
            assert far.status_reply().status == 200
            time.sleep(0.1)
        assert all(select.select([line], [], [], 10)[0] for line in lines), "none of them began"
        assert far.run("1 + 1")["result"] == "2"
    finally:
        for line in lines:
            line.close()
    grew = [(after - was) // 1024 for was, after in zip(before, most)]
    record_property("F16 8 unread downloads from the cloud by each of three gateways: they, and the cloud's, grew by, KiB", grew)
    assert max(grew) < UNREAD_MAX // 1024
    assert len(sites.client.get(f"/{far.id}/files/download/big").expect(200).body) == 6_000_000
    far.end()


@pytest.mark.parametrize("match", (f"ip daddr {CLOUD_ADDRESS}", f"ip saddr {CLOUD_ADDRESS}"), ids=("questions lost", "answers lost"))
def test_the_sites_are_parted_one_way(sites, record_property, match):
    """F15: what is asked arrives and no answer does, or nothing arrives. Code that was on its way runs at most once, what was to be
    deleted goes, and nothing is left of sessions whose making nobody heard of."""
    with sites.cloud_node().history() as history, RunCounter(sites) as counter:
        far, doomed = sites.remote_session(), sites.remote_session()
        counter.watch(far.id)
        code = counted("print('end')")
        late = Session(sites.client)
        with Loss(sites.entry("nginx")["pid"], match):
            watch = Stopwatch()
            try_for(lambda: far.try_exec(code=code, execution_id="once"), (502, 503, 504))
            record_property(f"F15 sites parted, {match.split()[1]}: code refused after, s", round(watch.seconds, 2))
            watch = Stopwatch()
            reply = late.try_create(placement="remote", cleanup="idle", timeout_seconds=20)
            problems.check(reply, 503, "site_unreachable", "unavailable")
            problems.check_retry_after(reply)
            record_property(f"F15 sites parted, {match.split()[1]}: create refused after, s", round(watch.seconds, 2))
            assert doomed.delete().status in (200, 202)
            near = sites.local_session()
            assert near.run("1 + 1")["result"] == "2"
        watch = Stopwatch()
        until(lambda: far.status_reply().status == 200, 60, "the session is back", every=0.05)
        record_property(f"F15 sites parted, {match.split()[1]}: back after, s", round(watch.seconds, 2))
        until(lambda: far.try_exec(code=code, execution_id="once").status in (200, 202), 60, "the code is taken", every=0.1)
        final = far.final("once")
        until(lambda: counter.seen(far.id), 20, "its mark")
        counter.check_once(far.id, final)
        until(lambda: not sites.cloud_node().pods(doomed.id), 60, "what was to be deleted is gone", every=0.1)
        until(lambda: not sites.cloud_node().pods(late.id), 80, "what nobody heard of is gone by its deadline and a minute", every=0.1)
        assert history.incarnations(late.id) <= 1
    sites.empty()
    until(lambda: sites.breakers() == {"closed"}, 60, "all gateways reach the cloud", every=0.1)
