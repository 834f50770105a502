"""A TCP forwarder in a network namespace: a line between client and server that can be cut, silenced and mended."""
import re
import select
import socket
import threading

from kube.api import connect, enter_network

HEAD = re.compile(rb"^([A-Z]+) (\S+) HTTP/1\.1\r$", re.MULTILINE)


class Forwarder:
    def __init__(self, network, target):
        self.network = network
        self.target = target
        self.open = True
        self.silent = False
        self.pairs = []
        self.heads = []  # (method, target) of requests, where the line is not encrypted
        self.break_after = None  # bytes from the server; then the line is cut, once
        self.lock = threading.Lock()
        made = threading.Event()
        threading.Thread(target=self.listen, args=(made,), daemon=True).start()
        made.wait(5)
        self.port = self.listener.getsockname()[1]

    def listen(self, made):
        enter_network(self.network)
        self.listener = socket.create_server(("127.0.0.1", 0))
        made.set()
        while True:
            try:
                channel, _ = self.listener.accept()
            except OSError:
                return
            if not self.open:
                channel.close()
                continue
            threading.Thread(target=self.carry, args=(channel,), daemon=True).start()

    def carry(self, near):
        try:
            far = connect(self.target, self.network)
        except OSError:
            near.close()
            return
        with self.lock:
            self.pairs.append((near, far))
        try:
            while True:
                for source in select.select([near, far], [], [], 60)[0]:
                    piece = source.recv(65536)
                    if not piece:
                        return
                    if self.silent:
                        continue
                    if source is near:
                        self.heads += [(method.decode(), target.decode()) for method, target in HEAD.findall(piece)]
                    (far if source is near else near).sendall(piece)
                    if source is far:
                        self.count(len(piece))
        except (OSError, ValueError):
            pass
        finally:
            near.close()
            far.close()

    def count(self, size):
        with self.lock:
            if self.break_after is None:
                return
            self.break_after -= size
            if self.break_after > 0:
                return
            self.break_after = None
        self.cut()

    def cut(self):
        """All lines break, new ones too, until mend()."""
        self.open = False
        with self.lock:
            for pair in self.pairs:
                for each in pair:
                    try:
                        each.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass
            self.pairs = []

    def mend(self):
        self.silent = False
        self.open = True

    def close(self):
        self.cut()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
