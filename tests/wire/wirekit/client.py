"""A client that sends exactly what it is told, and reads answers strictly."""
import socket
import time


class Closed(Exception):
    """The other side closed."""


class Client:
    def __init__(self, port, timeout=5.0):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.timeout = timeout
        self.data = b""
        self.ended = False

    def send(self, data):
        """False when the other side does not listen any more."""
        if isinstance(data, str):
            data = data.encode("latin-1")
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def fill(self):
        if self.ended:
            raise Closed
        try:
            piece = self.socket.recv(65536)
        except TimeoutError:
            raise
        except OSError:
            piece = b""
        if not piece:
            self.ended = True
            raise Closed
        self.data += piece

    def until(self, mark):
        while mark not in self.data:
            self.fill()
        i = self.data.index(mark) + len(mark)
        piece, self.data = self.data[:i], self.data[i:]
        return piece

    def exactly(self, n):
        while len(self.data) < n:
            self.fill()
        piece, self.data = self.data[:n], self.data[n:]
        return piece

    def answer(self, method="GET"):
        """The next answer: status, fields (lower-case names), body."""
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        fields = {}
        for line in lines[1:]:
            if line:
                name, _, value = line.partition(":")
                assert name.lower() not in fields or name.lower() == "set-cookie", f"{name} stands twice"
                fields[name.lower()] = value.strip()
        return status, fields, self.body(status, fields, method)

    def body(self, status, fields, method):
        if status < 200 or status in (204, 304) or method == "HEAD":
            return b""
        if "chunked" in fields.get("transfer-encoding", ""):
            assert "content-length" not in fields, "an answer with two framings"
            return self.chunks()
        if "content-length" in fields:
            return self.exactly(int(fields["content-length"]))
        try:
            while True:
                self.fill()
        except Closed:
            body, self.data = self.data, b""
            return body

    def chunks(self):
        body = b""
        while True:
            size = int(self.until(b"\r\n")[:-2], 16)
            if size == 0:
                assert self.until(b"\r\n") == b"\r\n", "a trailer"
                return body
            body += self.exactly(size)
            assert self.exactly(2) == b"\r\n", "a chunk without its end"

    def closed_within(self, seconds):
        """Whether the other side closes in that time without another byte."""
        if self.data:
            return False
        self.socket.settimeout(max(seconds, 0.001))
        try:
            self.fill()
            return False
        except Closed:
            return True
        except TimeoutError:
            return False
        finally:
            self.socket.settimeout(self.timeout)

    def reset(self):
        """Goes away the hard way."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.socket.close()

    def close(self):
        self.socket.close()


def timed(fn):
    began = time.monotonic()
    fn()
    return time.monotonic() - began
