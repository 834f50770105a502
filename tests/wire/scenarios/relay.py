"""Calls passed on to a pod: fields, and answers that are bad, late or cut."""
import time

from scenarios.kit import GET, equal, finish, get, relayed
from wirekit.client import Client, Closed, timed
from wirekit.peer import Peer, ok, once, serve, silent


def test_relay_passes(stand):
    peer, server = relayed(stand, serve)
    equal(get(server.port, "/relay/a?b=c")[2], b"/a?b=c 0")
    equal(get(server.port, "/relay/p", method="POST", body="12345")[2], b"/p 5")
    c = Client(server.port)
    c.send("POST /relay/c HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    equal(c.answer()[2], b"/c 3")
    equal(peer.connections, 1, "connections to the peer")
    finish(peer, server)


def test_relay_fields_to_pod(stand):
    """Hop-by-hop fields, what Connection names, and credentials stay behind; the caller's come along, once."""
    peer, server = relayed(stand, serve)
    get(server.port, "/relay/f", "Authorization: Bearer s\r\nX-API-Key: s\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\n"
        "Keep-Alive: 5\r\nTE: trailers\r\nUpgrade: x\r\nProxy-Authorization: s\r\nX-Keep: 1\r\nX-Added: mine\r\n"
        "X-Accel-Redirect: /x\r\n")
    head = peer.requests[0]
    names = [line.split(":")[0].lower() for line in head.split("\r\n")[1:] if line]
    equal(sorted(names), ["host", "spillway-instance", "x-added", "x-keep"], "fields")
    assert f"Host: 127.0.0.1:{peer.port}\r\n" in head and "X-Added: yes\r\n" in head, head
    finish(peer, server)


def test_relay_fields_from_pod(stand):
    peer, server = relayed(stand, once(ok("x", "Set-Cookie: a=b\r\nX-Accel-Redirect: /etc\r\nServer: s\r\nX-Keep: 1\r\n"
                                          "Connection: X-Hop\r\nX-Hop: 1\r\nContent-Type: a/b\r\nKeep-Alive: 1\r\n")))
    status, fields, body = get(server.port, "/relay/f")
    equal((status, body), (200, b"x"))
    equal(sorted(fields), ["content-length", "content-type", "date", "x-keep"])
    finish(peer, server)


BAD_ANSWERS = {
    "garbage": "hello\r\n\r\n",
    "two_framings": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    "two_lengths": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nab",
    "fields_too_large": "HTTP/1.1 200 OK\r\nX: " + "a" * 40000 + "\r\n\r\n",
    "fields_too_many": "HTTP/1.1 200 OK\r\n" + "X: a\r\n" * 200 + "\r\n",
    "head_cut": "HTTP/1.1 200 OK\r\nContent-Le",
    "lf_only": "HTTP/1.1 200 OK\nContent-Length: 2\n\nab",
    "version_2": "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nab",
    "informational_flood": "HTTP/1.1 103 Early Hints\r\n\r\n" * 50,
    "switching_protocols": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    "status_999999": "HTTP/1.1 999999 X\r\nContent-Length: 0\r\n\r\n",
    "encoding_in_1_0": "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    "encoding_unknown": "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    "nothing": "",
}


def bad_answer(name):
    def run(stand):
        """A bad answer is a 502; the connection is not used again, and the next request is served by a fresh one."""
        peer, server = relayed(stand, once(BAD_ANSWERS[name]), serve)
        status, fields, _ = get(server.port, "/relay/x")
        equal((status, fields["content-type"]), (502, "application/problem+json"))
        equal(get(server.port, "/relay/next")[2], b"/next 0")
        equal(peer.connections, 2, "connections")
        finish(peer, server)
    return run


for _name in BAD_ANSWERS:
    globals()[f"test_bad_answer_{_name}"] = bad_answer(_name)


def test_answer_cut_in_body(stand):
    """The client must see that it did not get everything."""
    peer, server = relayed(stand, once("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), serve)
    c = Client(server.port)
    c.send(GET.format("/relay/x"))
    try:
        c.answer()
        raise AssertionError("a cut answer looked whole")
    except Closed:
        pass
    equal(get(server.port, "/relay/next")[2], b"/next 0")
    finish(peer, server)


def test_answer_bad_chunk(stand):
    peer, server = relayed(stand, once("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n"), serve)
    c = Client(server.port)
    c.send(GET.format("/relay/x"))
    try:
        c.answer()
        raise AssertionError("a bad answer looked whole")
    except Closed:
        pass
    finish(peer, server)


def test_answer_until_close(stand):
    """An answer that its end of stream delimits."""
    peer, server = relayed(stand, once("HTTP/1.1 200 OK\r\n\r\nuntil the end"), serve)
    equal(get(server.port, "/relay/x")[2], b"until the end")
    equal(get(server.port, "/relay/next")[2], b"/next 0")
    finish(peer, server)


def test_answer_with_more_behind(stand):
    """Bytes behind an answer: it counts, they do not, the connection is not used again."""
    peer, server = relayed(stand, once(ok("a") + ok("poison"), close=False), serve)
    equal(get(server.port, "/relay/x")[2], b"a")
    equal(get(server.port, "/relay/next")[2], b"/next 0")
    equal(peer.connections, 2, "connections")
    finish(peer, server)


def test_answer_before_request(stand):
    """Bytes on a kept connection before there was a request poison it."""
    def script(c):
        c.request()
        c.send(ok("a"))
        time.sleep(0.2)
        c.send(ok("poison"))
        silent(c)
    peer, server = relayed(stand, script, serve)
    equal(get(server.port, "/relay/x")[2], b"a")
    time.sleep(0.4)
    equal(get(server.port, "/relay/next")[2], b"/next 0")
    finish(peer, server)


def test_informational_is_skipped(stand):
    def script(c):
        c.request()
        c.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" + ok("real"))
        serve(c)
    peer, server = relayed(stand, script)
    equal(get(server.port, "/relay/x")[2], b"real")
    equal(get(server.port, "/relay/y")[2], b"/y 0")
    equal(peer.connections, 1, "connections")
    finish(peer, server)


def test_head_answer_has_no_body(stand):
    def script(c):
        c.request()
        c.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        serve(c)
    peer, server = relayed(stand, script)
    equal(get(server.port, "/relay/x", method="HEAD")[1]["content-length"], "1000")
    equal(get(server.port, "/relay/y")[2], b"/y 0")
    equal(peer.connections, 1, "connections")
    finish(peer, server)


def test_refused(stand):
    """Nobody listens: 502 at once, nothing was sent."""
    peer = Peer(serve)
    peer.__exit__()
    server = stand.private("--backend", peer.port)
    equal(get(server.port, "/relay/x")[0], 502)
    status, fields, _ = get(server.port, "/fetch/x", method="POST")
    equal((status, fields["x-sent"]), (502, "no"))
    finish(peer, server)


def test_no_answer_in_time(stand):
    peer, server = relayed(stand, silent, flags=("--answer-ms", 300))
    assert timed(lambda: equal(get(server.port, "/relay/x")[0], 504)) < 2
    status, fields, _ = get(server.port, "/fetch/x", method="POST")
    equal((status, fields["x-sent"]), (504, "yes"))
    finish(peer, server)


def test_answer_stalls(stand):
    """A body that does not end by its total deadline is cut."""
    peer, server = relayed(stand, once("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", close=False),
                           flags=("--total-ms", 400))
    c = Client(server.port)
    c.send(GET.format("/relay/x"))
    try:
        c.answer()
        raise AssertionError("it looked whole")
    except Closed:
        pass
    finish(peer, server)
