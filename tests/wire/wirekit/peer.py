"""A scripted upstream: each connection runs one script, in a thread of its own."""
import socket
import threading

from wirekit.client import Client, Closed


class Peer:
    """scripts: functions of a Connection, the n-th connection runs the n-th; the last one serves all that follow."""

    def __init__(self, *scripts):
        self.scripts = scripts
        self.connections = 0
        self.open = []
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            script = self.scripts[min(self.connections, len(self.scripts) - 1)]
            self.connections += 1
            c = Connection(s, self)
            self.open.append(c)
            threading.Thread(target=c.run, args=(script,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.listener.fileno() < 0:
            return
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)
        for c in self.open:
            c.close()


class Connection(Client):
    def __init__(self, s, peer):
        self.socket = s
        self.timeout = 20.0
        s.settimeout(self.timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""
        self.ended = False
        self.peer = peer

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)  # a close alone would wait for the thread that reads
        except OSError:
            pass
        self.socket.close()

    def run(self, script):
        try:
            script(self)
        except (Closed, OSError, ValueError):
            pass
        finally:
            self.socket.close()

    def request(self):
        """The next request: its head as text, and its body."""
        head = self.until(b"\r\n\r\n").decode("latin-1")
        fields = {}
        for line in head.split("\r\n")[1:]:
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        self.peer.requests.append(head)
        if "chunked" in fields.get("transfer-encoding", ""):
            return head, self.chunks()
        return head, self.exactly(int(fields.get("content-length", 0)))


def ok(text="ok", extra=""):
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n{extra}\r\n{text}"


def serve(c):
    """A good peer: answers every request with its own path and body length."""
    while True:
        head, body = c.request()
        c.send(ok(f"{head.split(' ')[1]} {len(body)}"))


def once(answer, close=True):
    """Reads a request, sends these bytes."""
    def script(c):
        c.request()
        c.send(answer)
        if not close:
            c.until(b"never")
    return script


def silent(c):
    c.until(b"never")


def rude(c):
    """Closes with a reset before it reads anything."""
    c.reset()
