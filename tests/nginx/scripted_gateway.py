"""A scripted peer behind nginx: answers with what it was sent, or misbehaves as it is told."""
import json
import socket
import threading


class ScriptedGateway:
    """mode: "echo" answers 200 with the request as JSON; "close" reads the request and closes; "hang" never answers;
    a (status, body) pair answers with that."""

    def __init__(self, name):
        self.name = name
        self.mode = "echo"
        self.seen = []  # (method, target, fields) of every request that arrived in full
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.open = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        listener = self.listener
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.open.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            with connection, connection.makefile("rb") as stream:
                while self.serve_one(connection, stream):
                    pass
        except OSError:
            pass

    def serve_one(self, connection, stream):
        line = stream.readline().decode("latin-1").split()
        if len(line) != 3:
            return False
        fields = []
        while (header := stream.readline().decode("latin-1").rstrip("\r\n")):
            name, _, value = header.partition(":")
            fields.append((name.lower(), value.strip()))
        length = int(dict(fields).get("content-length", 0))
        body = stream.read(length)
        self.seen.append((line[0], line[1], fields))
        mode = self.mode
        if mode == "close":
            return False
        if mode == "hang":
            return bool(stream.readline())
        status, text = 200, json.dumps({"gateway": self.name, "method": line[0], "target": line[1],
                                        "fields": dict(fields), "body_bytes": len(body)})
        if mode != "echo":
            status, text = mode
        connection.sendall(f"HTTP/1.1 {status} Scripted\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
        return True

    def die(self):
        """As a killed process: the port refuses, open connections break."""
        if self.listener.fileno() < 0:
            return
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
