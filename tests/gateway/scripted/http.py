"""A small HTTP server on sockets of its own: whoever answers may also send bytes that are no HTTP."""
import json
import socket
import threading


class Request:
    def __init__(self, method, target, fields, body):
        self.method = method
        self.target = target
        self.path, _, query = target.partition("?")
        self.query = dict(part.partition("=")[::2] for part in query.split("&") if part)
        self.fields = fields
        self.body = body

    def json(self):
        return json.loads(self.body) if self.body else {}


class Server:
    """answer(request, connection) gives (status, object or bytes[, fields]), or None when it has sent by itself and the connection is over."""

    def __init__(self, answer, host="127.0.0.1", port=0):
        self.answer = answer
        self.listener = socket.create_server((host, port), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.seen = []
        self.open = set()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.open.add(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            with connection, connection.makefile("rb") as stream:
                while self.serve_one(connection, stream):
                    pass
        except (OSError, ValueError):
            pass
        finally:
            self.open.discard(connection)

    def serve_one(self, connection, stream):
        line = stream.readline().decode("latin-1").split()
        if len(line) != 3:
            return False
        fields = {}
        while (header := stream.readline().decode("latin-1").rstrip("\r\n")):
            name, _, value = header.partition(":")
            fields[name.lower()] = value.strip()
        request = Request(line[0], line[1], fields, read_body(stream, fields))
        self.seen.append(request)
        answer = self.answer(request, connection)
        if answer is None:
            return False
        connection.sendall(whole(*answer))
        return True

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for connection in list(self.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


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
