"""A scripted peer behind nginx: answers with what it was sent, or misbehaves as it is told."""
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "gateway"))

from scripted.http import Server  # noqa: E402


class ScriptedGateway(Server):
    """mode: "echo" answers 200 with the request as JSON; "close" reads the request and closes; "hang" never answers;
    "early" refuses before it has read the body, which it reads over then; a (status, bytes) pair answers with that."""

    def __init__(self, name):
        self.name = name
        self.mode = "echo"
        super().__init__(self.as_told)
        self.address = f"127.0.0.1:{self.port}"

    def serve_one(self, connection, stream):
        if self.mode != "early":
            return super().serve_one(connection, stream)
        while stream.readline() not in (b"\r\n", b""):
            pass
        connection.sendall(b"HTTP/1.1 409 Early\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        connection.shutdown(socket.SHUT_WR)
        while stream.read(1 << 16):
            pass
        return False

    def as_told(self, request, connection):
        if self.mode == "echo":
            return 200, {"gateway": self.name, "method": request.method, "target": request.target, "fields": request.fields,
                         "body_bytes": len(request.body)}
        if self.mode == "hang":
            connection.recv(1)  # until the other end has had enough
        return None if self.mode in ("close", "hang") else self.mode
