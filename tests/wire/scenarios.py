"""Behaviours that need several connections, a scripted upstream or a signal. Every function test_* is one."""
import os
import select
import socket
import threading
import time

from wirekit.client import Client, Closed, timed
from wirekit.peer import Peer, ok, once, rude, serve, silent

GET = "GET {} HTTP/1.1\r\nHost: t\r\n\r\n"


def all_of():
    return sorted((name[5:], fn) for name, fn in globals().items() if name.startswith("test_"))


def get(port, path, fields="", method="GET", body=""):
    c = Client(port)
    try:
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        c.send(f"{method} {path} HTTP/1.1\r\nHost: t\r\n{length}{fields}\r\n{body}")
        return c.answer(method)
    finally:
        c.close()


def equal(have, want, what=""):
    assert have == want, f"{what} {have!r}, expected {want!r}"


# ---- the client goes ----

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


def resident_kib(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


# ---- the server ends ----

def test_drain(stand):
    """SIGTERM: no new clients, idle ones closed, running exchanges end with Connection: close."""
    server = stand.private()
    idle, busy = Client(server.port), Client(server.port)
    idle.send(GET.format("/hello"))
    idle.answer()
    busy.send(GET.format("/slow?ms=500"))
    server.wait_count("requests", 2)
    server.terminate()
    assert idle.closed_within(2), "the idle connection stayed"
    status, fields, body = busy.answer()
    equal((status, body, fields.get("connection")), (200, b"slow", "close"))
    assert busy.closed_within(2), "the busy connection stayed"
    try:
        Client(server.port)
        raise AssertionError("a new client was taken")
    except ConnectionRefusedError:
        pass
    equal(server.end(), None)


def test_drain_while_streaming(stand):
    server = stand.private()
    c = Client(server.port)
    c.send("POST /stream-echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    c.until(b"abc\r\n")
    server.terminate()
    time.sleep(0.1)
    c.send("3\r\ndef\r\n0\r\n\r\n")
    equal(c.until(b"0\r\n\r\n"), b"3\r\ndef\r\n0\r\n\r\n")
    assert c.closed_within(2), "it stayed"
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


# ---- listeners ----

def ask_unix(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(5)
        s.connect(path)
        s.sendall(b"GET /hello HTTP/1.0\r\n\r\n")
        data = b""
        while piece := s.recv(4096):
            data += piece
        return data


def test_unix_socket(stand):
    """A socket file that nobody listens on is replaced, one with a listener is not, and ours goes with us."""
    path = os.path.join(stand.dir, "socket")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    server = stand.private("--listen", "unix:" + path)
    equal(server.port, -1)
    assert ask_unix(path).endswith(b"hello")
    second = stand.private("--listen", "unix:" + path)
    second.process.wait(5)
    equal(second.process.returncode, 1)
    assert ask_unix(path).endswith(b"hello"), "the first one lost its socket"
    equal(server.end(), None)
    assert not os.path.exists(path), "the socket file stayed"


def test_socket_handed_over(stand):
    """LISTEN_FDS: the socket of that name; LISTEN_PID counts only when it is there."""
    for environment, works in (({"LISTEN_FDNAMES": "web"}, True), ({"LISTEN_FDNAMES": "other"}, False),
                               ({"LISTEN_FDNAMES": "web", "LISTEN_PID": "1"}, False)):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            server = stand.private("--listen", "name:web", handed_over=listener,
                                   environment={"LISTEN_FDS": "1", **environment})
            equal(server.port, listener.getsockname()[1] if works else 0, str(environment))
            if works:
                equal(get(server.port, "/hello")[2], b"hello")
                equal(server.end(), None)
            else:
                server.process.wait(5)


# ---- upstream and relay ----

def relayed(stand, *scripts, flags=()):
    peer = Peer(*scripts)
    return peer, stand.private("--backend", peer.port, *flags)


def finish(peer, server):
    """Every start called back once, none early; nothing from the sanitizers."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        n = server.count()
        if n["relays"] == n["relayed"] and n["fetches"] == n["fetched"] and n["calls"] == n["called"]:
            break
        time.sleep(0.02)
    peer.__exit__()
    equal((n["relayed"], n["fetched"], n["called"]), (n["relays"], n["fetches"], n["calls"]), "callbacks")
    equal(n["too_early"], 0, "callbacks inside the starting call")
    equal(server.end(), None)


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


def test_relay_large_both_ways(stand):
    """64 MB up and down with little memory."""
    size = 64 * 1000 * 1000

    def script(c):
        while True:
            head = c.until(b"\r\n\r\n").decode()
            if head.startswith("GET"):
                c.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n")
                for _ in range(64):
                    c.send(b"x" * 1000000)
                continue
            left = size - len(c.data)
            c.data = b""
            while left > 0:
                c.fill()
                left -= len(c.data)
                c.data = b""
            c.send(ok("taken"))
    peer, server = relayed(stand, script, flags=("--answer-ms", 20000))
    get(server.port, "/hello")
    before = resident_kib(server)
    c = Client(server.port, 20)
    c.send(GET.format("/relay/down"))
    c.until(b"\r\n\r\n")
    got = len(c.data)
    c.data = b""
    while got < size:
        c.fill()
        got += len(c.data)
        c.data = b""
    equal(got, size)
    c.send(f"POST /relay/up HTTP/1.1\r\nHost: t\r\nContent-Length: {size}\r\n\r\n")
    for _ in range(64):
        c.send(b"y" * 1000000)
    equal(c.answer()[2], b"taken")
    grown = resident_kib(server) - before
    assert grown < 24 * 1024, f"{grown} KiB more"  # under ASan freed memory stays for a while
    finish(peer, server)


def test_relay_slow_reader_holds_the_peer(stand):
    """Back-pressure reaches the peer: it cannot send what the client does not take."""
    sent = [0]

    def script(c):
        c.request()
        c.send("HTTP/1.1 200 OK\r\nContent-Length: 400000000\r\n\r\n")
        for _ in range(4000):
            if not c.send(b"x" * 100000):
                return
            sent[0] += 100000
    peer, server = relayed(stand, script)
    c = Client(server.port)
    c.send(GET.format("/relay/x"))
    c.exactly(1000)
    time.sleep(0.7)
    first = sent[0]
    time.sleep(0.3)
    assert sent[0] == first and first < 40000000, f"{sent[0]} bytes went to a client that does not read"
    c.reset()
    finish(peer, server)


def test_relay_slow_peer_holds_the_client(stand):
    def script(c):
        c.until(b"\r\n\r\n")
        time.sleep(1.2)
        silent(c)
    peer, server = relayed(stand, script)
    c = Client(server.port, 0.6)
    c.send("POST /relay/x HTTP/1.1\r\nHost: t\r\nContent-Length: 400000000\r\n\r\n")
    sent = 0
    try:
        while sent < 400000000:
            sent += c.socket.send(b"x" * 100000)
    except TimeoutError:
        pass
    assert sent < 40000000, f"{sent} bytes were taken for a peer that does not read"
    c.reset()
    finish(peer, server)


def test_queue_limit(stand):
    """One connection, two may wait: the fourth is told so; those that wait are served in order."""
    go = threading.Event()

    def script(c):
        while True:
            head, _ = c.request()
            go.wait(10)
            c.send(ok(head.split(" ")[1]))
    peer, server = relayed(stand, script, flags=("--per-target", 1, "--queue", 2))
    clients = []
    for i in range(3):
        c = Client(server.port)
        c.send(GET.format(f"/relay/{i}"))
        server.wait_count("relays", i + 1)
        clients.append(c)
    equal(get(server.port, "/relay/3")[0], 503)
    equal(get(server.port, "/fetch/3")[0], 503)
    go.set()
    for i, c in enumerate(clients):
        equal(c.answer()[2], f"/{i}".encode())
    equal([h.split(" ")[1] for h in peer.requests], ["/0", "/1", "/2"])
    equal(peer.connections, 1, "connections")
    finish(peer, server)


def test_queue_deadline(stand):
    """Who waits in the queue too long is told so; the one in front is not disturbed."""
    def script(c):
        c.request()
        time.sleep(0.8)
        c.send(ok("late"))
        serve(c)
    peer, server = relayed(stand, script, flags=("--per-target", 1, "--answer-ms", 1500, "--total-ms", 300))
    results = []
    threads = [threading.Thread(target=lambda: results.append(get(server.port, "/relay/x")[0])) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal(results, [504, 504, 504])
    finish(peer, server)


def test_never_mixed(stand):
    """Tagged requests through few connections, with answers that break now and then: no answer reaches another's request."""
    def script(c):
        n = 0
        while True:
            head, _ = c.request()
            n += 1
            tag = head.split(" ")[1]
            if n % 37 == 0:
                c.send(f"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{tag}")
                return
            if n % 23 == 0:
                c.send(ok(tag) + ok("/poison"))
                continue
            if n % 11 == 0:
                return
            c.send(ok(tag))
    peer, server = relayed(stand, script, flags=("--per-target", 4))
    wrong, good = [], [0]

    def ask(worker):
        c = Client(server.port)
        for i in range(1250):
            tag = f"/{worker}-{i}"
            if c.ended:
                c = Client(server.port)
            c.send(GET.format("/relay" + tag))
            try:
                status, _, body = c.answer()
            except Closed:
                c = Client(server.port)
                continue
            if status == 200:
                good[0] += 1
                if body != tag.encode():
                    wrong.append((tag, body))
        c.close()
    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal(wrong, [])
    assert good[0] > 7000, f"only {good[0]} of 10000 were served"
    finish(peer, server)


def test_fetch_answer_too_long(stand):
    peer, server = relayed(stand, once(ok("x" * 2000)), serve)
    equal(get(server.port, "/fetch/x")[0], 502)
    equal(get(server.port, "/fetch/y")[2], b"/y 0")
    finish(peer, server)


def test_fetch_cancelled(stand):
    """Cancelled before it went, while connecting, and in the queue: no callback, nothing broken."""
    peer, server = relayed(stand, serve, flags=("--per-target", 2))
    for _ in range(20):
        equal(get(server.port, "/cancel")[0], 200)
    equal(get(server.port, "/fetch/y")[2], b"/y 0")
    equal(server.count()["fetched"], 1)
    finish(peer, server)


def test_end_with_calls_open(stand):
    """The program ends while calls wait: nothing is left behind."""
    peer, server = relayed(stand, silent)
    clients = []
    for path in ("/relay/a", "/fetch/b", "/call/plain/c"):
        c = Client(server.port)
        c.send(GET.format(path))
        clients.append(c)
    server.wait_count("requests", 3)
    for c in clients:
        c.close()
    peer.__exit__()
    equal(server.end(), None)


# ---- http_call ----

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
