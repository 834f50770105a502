"""B4: a thousand clients that are slow on purpose, and one that is not."""
import resource
import selectors
import socket
import time
import urllib.parse

import pytest

from harness.wait import until

EACH = 334
DRIP = 2  # s between two bytes
GOOD = 12  # s that the good one asks; heads have 10
BOUNDARY = "b4"


class Slow:
    """Connections that begin a request and then give a byte now and then, or take none of the answer."""

    def __init__(self, url, begin, drip):
        parts = urllib.parse.urlsplit(url)
        self.begun, self.drip, self.next = time.monotonic(), drip, time.monotonic() + DRIP
        self.selector = selectors.DefaultSelector()
        self.open = set()
        for _ in range(EACH):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.connect((parts.hostname, parts.port))
            s.sendall(begin)
            s.setblocking(False)
            self.open.add(s)
            if drip:
                self.selector.register(s, selectors.EVENT_READ)

    def close(self, s):
        self.open.discard(s)
        if self.drip:
            self.selector.unregister(s)
        s.close()

    def work(self):
        """Drips when it is time, and notices who was cut: an answer, or the end."""
        for key, _ in self.selector.select(0) if self.drip else []:
            self.close(key.fileobj)
        if self.drip and time.monotonic() >= self.next:
            self.next += DRIP
            for s in list(self.open):
                try:
                    s.send(self.drip)
                except OSError:
                    self.close(s)

    def all_cut(self):
        self.work()
        return not self.open

    def end(self):
        for s in list(self.open):
            self.close(s)


@pytest.fixture
def slow(site, session):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
    session.run("open('big', 'wb').write(b'x' * (20 << 20))")
    upload = (f"POST /{session.id}/files/upload HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
              f"Content-Length: 1000000\r\n\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"slow\"\r\n\r\n")
    kinds = {"head": Slow(site.url, f"GET /{session.id}/status HTTP/1.1\r\nHost: a\r\n".encode(), b"X"),
             "body": Slow(site.url, upload.encode(), b"x"),
             "read": Slow(site.url, f"GET /{session.id}/files/download/big HTTP/1.1\r\nHost: a\r\n\r\n".encode(), None)}
    yield kinds
    for kind in kinds.values():
        kind.end()


def test_a_thousand_slow_clients_cost_a_good_one_nothing(slow, session, make_session, record_property):
    neighbour = make_session(cleanup="idle")
    times, runs, end = [], 0, time.monotonic() + GOOD
    while time.monotonic() < end:
        for kind in slow.values():
            kind.work()
        begun = time.monotonic()
        neighbour.client.get(f"/{neighbour.id}/status").expect(200)
        times.append(time.monotonic() - begun)
        if runs * 100 < len(times):
            assert neighbour.run(f"print({runs})")["stdout"] == f"{runs}\n"
            runs += 1
        time.sleep(0.01)
    times.sort()
    until(slow["head"].all_cut, 100, "those who never end their head are cut")
    record_property("B4 polls, all answered", len(times))
    record_property("B4 poll p50, p99, ms", f"{times[len(times) // 2] * 1000:.1f} {times[len(times) * 99 // 100] * 1000:.1f}")
    record_property("B4 still open then: body, read", f"{len(slow['body'].open)} {len(slow['read'].open)}")
    assert "slow" not in str(session.client.get(f"{session.base}/files/list").expect(200).json()), "half an upload is no file"
    for kind in ("body", "read"):
        slow[kind].end()
    until(lambda: session.client.get(f"{session.base}/files/list").status == 200, 60, "the session goes on", every=0.1)
    assert session.run("print('alive')")["stdout"] == "alive\n"
