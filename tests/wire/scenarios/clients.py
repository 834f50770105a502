"""Clients that go, that are slow, that are many."""
import select
import socket
import time

from scenarios.kit import GET, equal, get, resident_kib
from wirekit.client import Client, timed


def test_gone_while_waiting(stand):
    """An exchange that waits learns that its client closed."""
    server = stand.private()
    c = Client(server.port)
    c.send(GET.format("/slow?ms=20000"))
    server.wait_count("requests", 1)
    c.close()
    server.wait_count("gone", 1)
    equal(server.count()["replied"], 0, "replies")
    equal(server.end(), None)


def test_gone_by_reset_with_body_unread(stand):
    server = stand.private()
    c = Client(server.port)
    c.send("POST /hello HTTP/1.1\r\nHost: t\r\nContent-Length: 50\r\n\r\nabc")
    c.answer()
    c.reset()
    c = Client(server.port)
    c.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 50\r\n\r\nabc")
    server.wait_count("requests", 2)
    c.reset()
    server.wait_count("connections", 1)
    equal(server.end(), None)


def test_early_reply_waits_for_a_short_body(stand):
    """A proxy that is answered while it passes a body on would close its client's connection."""
    server = stand.private()
    c = Client(server.port)
    c.send("POST /hello HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nab")
    server.wait_count("requests", 1)
    equal(select.select([c.socket], [], [], 0.2)[0], [], "bytes before the body is whole")
    c.send("cde" + GET.format("/hello"))
    equal([c.answer()[0], c.answer()[0]], [200, 200])
    c.close()
    equal(server.end(), None)


def refused_upload(server):
    """A client that does not look at the answer before all is sent, as nginx may do for long."""
    c = Client(server.port)
    assert c.send("POST /relay/x HTTP/1.1\r\nHost: t\r\nContent-Length: 60000000000\r\n\r\n"), "the head was not taken"
    return c


def test_refused_upload_is_read_over(stand):
    server = stand.private()
    c = refused_upload(server)
    assert c.send(b"x" * 20_000_000), "the connection broke before the answer could be read"
    status, fields, _ = c.answer()
    equal((status, fields["connection"]), (413, "close"))
    assert c.closed_within(5), "our side stays open"
    server.wait_count("connections", 1, seconds=20)  # it is silent now
    c.close()
    equal(server.end(), None)


def test_refused_upload_is_not_read_for_ever(stand):
    server = stand.private()
    c = refused_upload(server)
    sent = 0
    while sent < 200 and c.send(b"x" * 1_000_000):
        sent += 1
    assert 20 < sent < 100, f"{sent} MB were taken"
    server.wait_count("connections", 1)
    c.close()
    equal(server.end(), None)


def test_gone_mid_stream(stand):
    """A reader that leaves in the middle of 100 MB."""
    server = stand.private()
    c = Client(server.port)
    c.send(GET.format("/big?bytes=100000000"))
    c.exactly(1000000)
    c.reset()
    server.wait_count("connections", 1)
    equal(server.end(), None)


def test_slow_reader_is_bounded(stand):
    """A client that does not read holds 256 KiB and some, not the whole reply; then it is cut."""
    server = stand.private("--write-ms", 700)
    before = resident_kib(server)
    clients = [Client(server.port) for _ in range(5)]
    for c in clients:
        c.send(GET.format("/big?bytes=400000000"))
    time.sleep(0.5)
    grown = resident_kib(server) - before
    assert grown < 5 * 2048, f"{grown} KiB more for five clients that do not read"
    server.wait_count("connections", 1, 8)
    for c in clients:
        c.close()
    equal(server.end(), None)


def test_slow_reader_that_reads(stand):
    """One that reads slowly but steadily is served to the end, though it takes longer than the deadline."""
    server = stand.private("--write-ms", 400)
    c = Client(server.port)
    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    c.send(GET.format("/big?bytes=12000000"))
    c.until(b"\r\n\r\n")
    got = len(c.data)
    while got < 12000000:
        c.data = b""
        c.fill()
        got += len(c.data)
        time.sleep(0.004)
    equal(got, 12000000)
    c.close()
    equal(server.end(), None)


def test_connections_max(stand):
    """One client too many is told so, and closed; room again afterwards."""
    server = stand.private("--connections", 3)
    held = [Client(server.port) for _ in range(3)]
    for c in held:
        c.send(GET.format("/hello"))
        equal(c.answer()[0], 200)
    c = Client(server.port)
    status, fields, _ = c.answer()
    equal(status, 503)
    equal(fields.get("retry-after"), "1")
    assert c.closed_within(3), "it stayed"
    held[0].close()
    time.sleep(0.1)
    equal(get(server.port, "/hello")[0], 200)
    for c in held:
        c.close()
    equal(server.end(), None)


def test_slow_clients_harm_nobody(stand):
    """300 clients that drip their heads: others are served, the slow ones go at their deadline."""
    server = stand.private("--header-ms", 1000)
    slow = [Client(server.port) for _ in range(300)]
    for c in slow:
        c.send("GET /hello HTTP/1.1\r\nX: ")
    for _ in range(20):
        assert timed(lambda: equal(get(server.port, "/hello")[0], 200)) < 0.5, "a good client waited"
    for c in slow:
        c.send("a")
    end = time.monotonic() + 4
    for c in slow:
        c.socket.settimeout(max(0.1, end - time.monotonic()))
        equal(c.answer()[0], 408)
        c.close()
    equal(server.end(), None)
