"""Sentinels that say what they are told to say, and Redis servers on TCP for them to name."""
import socket
import subprocess
import time

from .listener import Listener
from .redis import read


class Sentinel(Listener):
    """place: (host, port) of the master; None: never heard of it; "silent": takes connections and answers nothing. password: asked for."""

    def __init__(self, place=None, password=None, quotes=False):
        self.place = place
        self.password = password
        self.quotes = quotes  # does not know AUTH, and says what it was sent
        self.asked = 0
        super().__init__()

    def talk(self, connection, stream):
        known = self.password is None
        while (words := read(stream)):
            if words[0] == b"AUTH":
                known = self.password is None or words[-1].decode() == self.password
                answer = self.to_auth(known, words[-1])
            elif not known:
                answer = b"-NOAUTH Authentication required.\r\n"
            elif words[0] == b"SENTINEL":
                answer = self.to_question(words)
            else:
                answer = b"+PONG\r\n"
            if self.place != "silent":
                connection.sendall(answer)

    def to_auth(self, known, password):
        if self.quotes:
            return b"-ERR unknown command 'AUTH', with args beginning with: '" + password + b"'\r\n"
        return b"+OK\r\n" if known else b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"

    def to_question(self, words):
        self.asked += 1
        if self.place in (None, "silent") or words[1:] != [b"get-master-addr-by-name", b"main"]:
            return b"*-1\r\n"
        host, port = (str(word).encode() for word in self.place)
        return b"*2\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(host), host, len(port), port)


class Server:
    """A real Redis on a port of 127.0.0.1."""

    def __init__(self, folder, *words):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.place = ("127.0.0.1", self.port)
        self.process = subprocess.Popen(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                                         "--dir", folder, *words], stdout=subprocess.DEVNULL)
        for _ in range(1000):
            try:
                socket.create_connection(self.place, 1).close()
                return
            except OSError:
                time.sleep(0.01)
        raise RuntimeError("redis-server did not start")

    def close(self):
        self.process.kill()
        self.process.wait(10)
