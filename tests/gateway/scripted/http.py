"""A small HTTP server on sockets of its own: whoever answers may also send bytes that are no HTTP."""
import json

from .listener import Listener


class Request:
    def __init__(self, method, target, rows, stream):
        self.method = method
        self.target = target
        self.path, _, query = target.partition("?")
        self.query = dict(part.partition("=")[::2] for part in query.split("&") if part)
        self.rows = rows  # (name, value) as they came
        self.fields = dict(rows)
        self.body = read_body(stream, self.fields)

    def json(self):
        return json.loads(self.body) if self.body else {}


class Server(Listener):
    """answer(request, connection) gives (status, object or bytes[, fields]), or None when it has sent by itself and the connection is over."""

    def __init__(self, answer, host="127.0.0.1", port=0):
        self.answer = answer
        self.seen = []
        super().__init__(host, port)

    def talk(self, connection, stream):
        while self.serve_one(connection, stream):
            pass

    def serve_one(self, connection, stream):
        line = stream.readline().decode("latin-1").split()
        if len(line) != 3:
            return False
        rows = []
        while (header := stream.readline().decode("latin-1").rstrip("\r\n")):
            name, _, value = header.partition(":")
            rows.append((name.lower(), value.strip()))
        request = Request(line[0], line[1], rows, stream)
        self.seen.append(request)
        answer = self.answer(request, connection)
        if answer is None:
            return False
        connection.sendall(whole(*answer))
        return True


def read_body(stream, fields):
    if "chunked" not in fields.get("transfer-encoding", ""):
        length = int(fields.get("content-length", 0))
        body = stream.read(length)
        if len(body) < length:
            raise ValueError("the request broke off")
        return body
    body = b""
    while size := int(stream.readline().split(b";")[0], 16):
        body += stream.read(size)
        stream.readline()
    stream.readline()
    return body


def whole(status, body=b"", fields=None):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "application/json" if status < 400 else "application/problem+json"
    more = "".join(f"{name}: {value}\r\n" for name, value in (fields or {}).items())
    length = "" if status == 204 else f"Content-Length: {len(data)}\r\n"
    return f"HTTP/1.1 {status} Scripted\r\nContent-Type: {kind}\r\n{length}{more}\r\n".encode() + data


def problem(status, code, detail="scripted"):
    return status, {"type": "about:blank", "title": code, "status": status, "code": code, "detail": detail}
