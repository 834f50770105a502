"""An HTTP client that keeps its connections, one per thread, and one that sends bytes as they are."""
import http.client
import json
import socket
import threading
import time
import urllib.parse


KEPT_MAX = 20  # s without a request; nginx closes idle connections after 75 s, and a POST cannot be repeated


class ConnectionLost(Exception):
    """The connection ended without an answer. Says nothing about what the server did."""


class Reply:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers  # list of (name, value) as they came
        self.body = body

    def header(self, name, default=None):
        for key, value in self.headers:
            if key.lower() == name.lower():
                return value
        return default

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise AssertionError(f"not JSON ({error}): {self!r}") from None

    def expect(self, *statuses):
        assert self.status in statuses, f"expected {statuses}, got {self!r}"
        return self

    def __repr__(self):
        return f"<{self.status} {self.header('Content-Type')} {self.body[:600]!r}>"


def query(path, parameters):
    given = {key: value for key, value in (parameters or {}).items() if value is not None}
    return path + "?" + urllib.parse.urlencode(given) if given else path


def checked(reply):
    """Whatever a test looks for: no system that is there refuses for now without saying for how long."""
    seconds = reply.header("Retry-After")
    assert reply.status != 503 or (seconds and seconds.isdigit() and int(seconds) > 0), f"503 without Retry-After: {reply!r}"
    return reply


class Client:
    """`connect`, when given, makes the socket (for listeners in another network namespace)."""

    def __init__(self, url, headers=None, connect=None, timeout=45):
        parts = urllib.parse.urlsplit(url)
        self.url = url.rstrip("/")
        self.host = parts.hostname
        self.port = parts.port or 80
        self.headers = dict(headers or {})
        self.connect = connect
        self.timeout = timeout
        self.local = threading.local()

    def connection(self):
        kept = getattr(self.local, "connection", None)
        if kept is not None and time.monotonic() - self.local.last > KEPT_MAX:
            self.close()
            kept = None
        self.local.last = time.monotonic()
        if kept is None:
            kept = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
            if self.connect:
                kept.sock = self.connect()
            self.local.connection = kept
            self.local.used = False
        return kept

    def close(self):
        kept = getattr(self.local, "connection", None)
        if kept is not None:
            kept.close()
        self.local.connection = None

    def once(self, method, path, body, headers):
        connection = self.connection()
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            content = answer.read()
            reply = Reply(answer.status, answer.getheaders(), content)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise ConnectionLost(f"{method} {path}: {error!r}") from error
        self.local.used = True
        if answer.will_close:
            self.close()
        return reply

    def send(self, method, path, json_body=None, body=None, headers=None, params=None):
        every = dict(self.headers)
        if json_body is not None:
            body = json.dumps(json_body).encode()
            every["Content-Type"] = "application/json"
        every.update(headers or {})
        path = query(path, params)
        reused = getattr(self.local, "used", False) and getattr(self.local, "connection", None)
        try:
            return checked(self.once(method, path, body, every))
        except ConnectionLost:
            # A kept connection may have been closed by the other end meanwhile; only calls that may be repeated are.
            if not reused or method not in ("GET", "HEAD", "DELETE"):
                raise
        return checked(self.once(method, path, body, every))

    def get(self, path, **how):
        return self.send("GET", path, **how)

    def post(self, path, json_body=None, **how):
        return self.send("POST", path, json_body=json_body, **how)

    def delete(self, path, **how):
        return self.send("DELETE", path, **how)


def read_reply(reader):
    """One answer from a binary file object: (Reply, True when the connection stays open), or (None, False) at its end."""
    line = reader.readline(65537)
    if not line:
        return None, False
    version, status = line.split(None, 2)[:2]
    headers = []
    while True:
        line = reader.readline(65537)
        if line in (b"\r\n", b"\n", b""):
            break
        name, _, value = line.decode("latin-1").partition(":")
        headers.append((name.strip(), value.strip()))
    reply = Reply(int(status), headers, b"")
    stays = version == b"HTTP/1.1" and (reply.header("Connection") or "").lower() != "close"
    length = reply.header("Content-Length")
    if (reply.header("Transfer-Encoding") or "").lower() == "chunked":
        reply.body = read_chunks(reader)
    elif length is not None:
        reply.body = reader.read(int(length))
    elif reply.status >= 200 and reply.status not in (204, 304):
        reply.body = reader.read()
        stays = False
    return reply, stays


def read_chunks(reader):
    body = b""
    while True:
        size = int(reader.readline(1024).split(b";")[0] or b"0", 16)
        if size == 0:
            while reader.readline(65537) not in (b"\r\n", b"\n", b""):
                pass
            return body
        body += reader.read(size)
        reader.readline(8)


def raw(url, payload, timeout=15, answers=1, connect=None):
    """Sends bytes exactly as given; up to `answers` answers, fewer when the connection ends first."""
    parts = urllib.parse.urlsplit(url)
    sock = connect() if connect else socket.create_connection((parts.hostname, parts.port or 80), timeout)
    with sock:
        sock.settimeout(timeout)
        try:
            sock.sendall(payload)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all was sent; the answer may still be there
        replies = []
        with sock.makefile("rb") as reader:
            while len(replies) < answers:
                try:
                    reply, stays = read_reply(reader)
                except (ConnectionResetError, socket.timeout):
                    break
                if reply is None:
                    break
                replies.append(reply)
                if not stays:
                    break
        return replies
