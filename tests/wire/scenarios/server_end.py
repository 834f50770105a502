"""The server ends; its listeners."""
import os
import socket
import time

from scenarios.kit import GET, equal, get
from wirekit.client import Client


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
