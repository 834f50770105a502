"""Kept connections to a pod that went stale, and clients that go while a call is passed on."""
import threading
import time

from scenarios.kit import GET, equal, finish, get, relayed
from wirekit.client import Client, Closed
from wirekit.peer import ok, once, rude, serve, silent


def close_after_first(c):
    c.request()
    c.send(ok("first"))


def test_stale_get_is_sent_again(stand):
    """The other side closed a kept connection exactly when we used it: a GET goes out once more on a fresh one."""
    def script(c):
        c.request()
        c.send(ok("first"))
        c.until(b"\r\n\r\n")
        c.reset()
    peer, server = relayed(stand, script, serve)
    equal(get(server.port, "/relay/x")[2], b"first")
    equal(get(server.port, "/relay/again")[2], b"/again 0")
    equal(peer.connections, 2, "connections")
    finish(peer, server)


def test_stale_post_is_not(stand):
    def script(c):
        c.request()
        c.send(ok("first"))
        c.until(b"\r\n\r\n")
        c.reset()
    peer, server = relayed(stand, script, serve)
    equal(get(server.port, "/fetch/x")[2], b"first")
    status, fields, _ = get(server.port, "/fetch/once", method="POST")
    equal((status, fields["x-sent"]), (502, "yes"))
    equal(peer.connections, 1, "connections")
    finish(peer, server)


def test_closed_while_idle(stand):
    """Closed while it lay: a POST takes a fresh connection and nobody notices."""
    peer, server = relayed(stand, close_after_first, serve)
    equal(get(server.port, "/relay/x")[2], b"first")
    time.sleep(0.1)
    equal(get(server.port, "/relay/p", method="POST", body="abc")[2], b"/p 3")
    finish(peer, server)


def test_reset_by_peer(stand):
    peer, server = relayed(stand, rude)
    equal(get(server.port, "/relay/x")[0], 502)
    equal(get(server.port, "/relay/x", method="POST", body="abc")[0], 502)
    finish(peer, server)


def test_early_answer(stand):
    """An answer before the body is whole: passed on; the half-used connection is not used again."""
    def script(c):
        c.until(b"\r\n\r\n")
        c.send("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        silent(c)
    peer, server = relayed(stand, script, serve)
    c = Client(server.port)
    c.send("POST /relay/x HTTP/1.1\r\nHost: t\r\nContent-Length: 1000\r\n\r\nabc")
    equal(c.answer()[0], 413)
    equal(get(server.port, "/relay/next")[2], b"/next 0")
    equal(peer.connections, 2, "connections")
    finish(peer, server)


def test_relay_client_gone_cancels(stand):
    """The client of a long poll goes: so does the call."""
    ended = threading.Event()

    def script(c):
        c.request()
        try:
            c.until(b"never")
        except Closed:
            ended.set()
            raise
    peer, server = relayed(stand, script, serve)
    c = Client(server.port)
    c.send(GET.format("/relay/poll"))
    server.wait_count("relays", 1)
    time.sleep(0.1)
    c.close()
    assert ended.wait(3), "the call to the peer stayed"
    equal(get(server.port, "/relay/next")[2], b"/next 0")
    finish(peer, server)


def test_relay_client_gone_mid_body(stand):
    ended = threading.Event()

    def script(c):
        try:
            c.request()
        except Closed:
            ended.set()
            raise
    peer, server = relayed(stand, script, serve)
    c = Client(server.port)
    c.send("POST /relay/x HTTP/1.1\r\nHost: t\r\nContent-Length: 1000\r\n\r\nabc")
    time.sleep(0.2)
    c.reset()
    assert ended.wait(3), "the call to the peer stayed"
    finish(peer, server)


def test_relay_bad_client_body(stand):
    """A chunk that is none: the client hears 400, the peer never sees an end of the body."""
    whole = []

    def script(c):
        whole.append(c.request())
    peer, server = relayed(stand, script, serve)
    c = Client(server.port)
    c.send("POST /relay/x HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n")
    equal(c.answer()[0], 400)
    assert c.closed_within(3), "it stayed"
    finish(peer, server)
    equal(whole, [])
