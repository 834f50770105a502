"""Calls of our own through libcurl."""
import os
import time

from scenarios.kit import GET, equal, finish, get, relayed
from wirekit.client import Client, Closed, timed
from wirekit.peer import Peer, ok, once, rude, serve, silent


def test_call_answers(stand):
    peer, server = relayed(stand, serve)
    for i in range(5):
        equal(get(server.port, f"/call/plain/{i}")[2], f"/{i} 0".encode())
    equal(peer.connections, 1, "connections")
    assert "Expect" not in peer.requests[0], peer.requests[0]
    finish(peer, server)


def test_call_status_is_an_answer(stand):
    peer, server = relayed(stand, once("HTTP/1.1 500 Bad\r\nContent-Length: 4\r\n\r\noops"))
    status, _, body = get(server.port, "/call/plain/x")
    equal((status, body), (500, b"oops"))
    finish(peer, server)


def test_call_refused(stand):
    peer = Peer(serve)
    peer.__exit__()
    server = stand.private("--backend", peer.port)
    equal(get(server.port, "/call/plain/x")[0], 503)
    finish(peer, server)


def test_call_bad_answers(stand):
    peer, server = relayed(stand, rude, once(""), once("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
                           once(ok("x" * 5000)), serve)
    assert get(server.port, "/call/plain/x")[0] in (502, 503)  # a reset may come before the connection counts as made
    for _ in range(3):
        equal(get(server.port, "/call/plain/x")[0], 502)
    equal(get(server.port, "/call/plain/x")[2], b"/x 0")
    finish(peer, server)


def test_call_deadline(stand):
    peer, server = relayed(stand, silent, flags=("--total-ms", 300))
    assert timed(lambda: equal(get(server.port, "/call/plain/x")[0], 504)) < 2
    finish(peer, server)


def test_call_stream_idle(stand):
    """A stream lives while bytes come, and ends when none came for too long."""
    def script(c):
        c.request()
        c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(8):
            c.send("1\r\nx\r\n")
            time.sleep(0.1)
        silent(c)
    peer, server = relayed(stand, script, flags=("--answer-ms", 400))
    took = timed(lambda: equal(get(server.port, "/call/stream/x")[0], 504))
    assert 1.0 < took < 3, f"{took:.1f} s"
    finish(peer, server)


def test_call_stream_refused(stand):
    """An answer to a stream that is no 2xx is collected."""
    peer, server = relayed(stand, once("HTTP/1.1 410 Gone\r\nContent-Length: 3\r\n\r\nold"))
    status, _, body = get(server.port, "/call/stream/x")
    equal((status, body), (410, b"old"))
    finish(peer, server)


def test_call_cancelled(stand):
    peer, server = relayed(stand, serve)
    for _ in range(10):
        equal(get(server.port, "/call/cancel/x")[2], b"cancelled")
    equal(get(server.port, "/call/plain/y")[2], b"/y 0")
    equal(server.count()["called"], 1)
    finish(peer, server)


def test_no_descriptor_is_left(stand):
    """After all kinds of ends the process holds what it held before."""
    peer, server = relayed(stand, serve)
    get(server.port, "/relay/x")
    get(server.port, "/call/plain/x")
    time.sleep(0.1)
    before = len(os.listdir(f"/proc/{server.process.pid}/fd"))
    for i in range(60):
        c = Client(server.port)
        c.send((GET.format("/hello"), "bad\r\n\r\n", GET.format("/slow?ms=5000"), GET.format("/relay/x"),
                GET.format("/call/plain/x"), "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\na")[i % 6])
        c.socket.settimeout(0.05)
        try:
            c.fill()
        except (Closed, TimeoutError):
            pass
        c.reset()
    server.wait_count("connections", 1)
    time.sleep(0.2)
    after = len(os.listdir(f"/proc/{server.process.pid}/fd"))
    assert after <= before + 1, f"{before} descriptors before, {after} after"
    finish(peer, server)
