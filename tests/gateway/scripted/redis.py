"""A private Redis on a unix socket, and the few words that tests say to it."""
import socket
import subprocess
import time


class Redis:
    def __init__(self, folder):
        self.path = f"{folder}/redis.sock"
        self.url = f"unix://{self.path}"
        self.process = None
        self.start(folder)

    def start(self, folder):
        self.process = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", self.path, "--save", "", "--appendonly", "no",
                                         "--dir", folder], stdout=subprocess.DEVNULL)
        for _ in range(500):
            try:
                if self.ask("PING") == "PONG":
                    return
            except OSError:
                pass
            time.sleep(0.01)
        raise RuntimeError("redis-server did not start")

    def ask(self, *words):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.path)
            data = [word if isinstance(word, bytes) else str(word).encode() for word in words]
            connection.sendall(b"*%d\r\n" % len(data) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in data))
            with connection.makefile("rb") as stream:
                return read(stream)

    def calls(self):
        """How many commands of clients it has carried out."""
        text = self.ask("INFO", "commandstats").decode()
        return {line[8:].split(":")[0]: int(line.split("calls=")[1].split(",")[0]) for line in text.split("\r\n") if line.startswith("cmdstat_")}

    def close(self):
        self.process.terminate()
        self.process.wait(10)


def read(stream):
    line = stream.readline().rstrip(b"\r\n")
    kind, rest = line[:1], line[1:]
    if kind == b"$":
        return stream.read(int(rest) + 2)[:-2] if int(rest) >= 0 else None
    if kind == b"*":
        return [read(stream) for _ in range(int(rest))]
    if kind == b":":
        return int(rest)
    if kind == b"-":
        raise RuntimeError(rest.decode())
    return rest.decode()
