"""Large and slow bodies, queues and their limits, many calls at once."""
import threading
import time

from scenarios.kit import GET, equal, finish, get, relayed, resident_kib
from wirekit.client import Client, Closed
from wirekit.peer import ok, once, serve, silent


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


def test_a_slow_body_is_not_the_peers_fault(stand):
    """A client that takes longer than an answer may, with pauses that alone are longer: the peer's time begins with the last byte."""
    peer, server = relayed(stand, serve, flags=("--answer-ms", 300, "--total-ms", 300))
    c = Client(server.port)
    c.send("POST /relay/slowly HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\n")
    for piece in "abcd":
        time.sleep(0.5)
        c.send(piece)
    equal(c.answer()[::2], (200, b"/slowly 4"))
    finish(peer, server)


def test_a_peer_that_takes_no_body_is_too_late(stand):
    def deaf(c):
        c.until(b"\r\n\r\n")
        time.sleep(20)
    peer, server = relayed(stand, deaf, flags=("--answer-ms", 300))
    c = Client(server.port, 20)
    size = 64 * 1000 * 1000
    c.send(f"POST /relay/up HTTP/1.1\r\nHost: t\r\nContent-Length: {size}\r\n\r\n")
    c.send(b"y" * size)  # read over when the answer is there
    equal(c.answer()[0], 504)
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
