"""Connections that leave a network namespace for one port come to this process instead, which can spoil them.

The namespace's own packet filter turns them round (nft, `redirect`), so no program of a site is told anything, and a site that
is up can be diverted and healed at any time. What this process itself connects there carries a mark and is let through."""
import ctypes
import os
import socket
import struct
import subprocess
import threading

from .namespaces import CLONE_NEWNET, MARK, libc, marked

SO_ORIGINAL_DST = 80
BACKLOG = 128


class Diversion:
    """serve(socket) is what a diverted connection gets, in a thread of its own inside the namespace."""

    def __init__(self, pid, port, address=None):
        self.namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.target = f"ip daddr {address} tcp dport {port}" if address else f"tcp dport {port}"
        self.sockets_there = ["dport", "=", str(port)] + (["dst", address] if address else [])
        self.connections = 0  # ever
        self.lock = threading.Lock()
        self.open = set()
        self.closed = False
        self.listener = self.inside(self.listen, 0)
        self.port = self.listener.getsockname()[1]
        self.table = f"diversion_{self.port}"
        self.start_accepting()
        self.nft(f"add table ip {self.table}; add chain ip {self.table} out {{ type nat hook output priority -100; }}; "
                 f"add rule ip {self.table} out mark != {MARK} {self.target} redirect to :{self.port}")
        self.end_connections()

    # -- in the namespace --

    def enter(self):
        if libc.setns(self.namespace, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    def inside(self, function, *arguments):
        outcome = []

        def work():
            self.enter()
            outcome.append(function(*arguments))
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert outcome, f"{function.__name__} failed inside the namespace"
        return outcome[0]

    def command(self, *words):
        return subprocess.run(["nsenter", f"--net=/proc/{os.getpid()}/fd/{self.namespace}", *words], check=True, text=True,
                              capture_output=True, pass_fds=(self.namespace,))

    def nft(self, script):
        self.command("nft", script)

    def end_connections(self):
        """What stands already was not diverted."""
        self.command("ss", "-K", *self.sockets_there)

    @staticmethod
    def listen(port):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(BACKLOG)
        return listener

    # -- connections --

    def start_accepting(self):
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        self.enter()  # threads started here begin in the same namespace
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
            threading.Thread(target=self.handle, args=(client,), daemon=True).start()

    def handle(self, client):
        self.keep(client)
        try:
            self.serve(client)
        except OSError:
            pass  # either end went away
        finally:
            self.drop(client)

    def serve(self, client):
        raise NotImplementedError

    def upstream(self, client):
        """A connection to where `client` wanted to go."""
        there = client.getsockopt(socket.IPPROTO_IP, SO_ORIGINAL_DST, 16)
        port, address = struct.unpack("!2xH4s8x", there)
        sock = marked()
        self.keep(sock)
        try:
            sock.connect((socket.inet_ntoa(address), port))
        except OSError:
            self.drop(sock)
            raise
        return sock

    def keep(self, sock):
        with self.lock:
            self.open.add(sock)

    def drop(self, sock):
        with self.lock:
            self.open.discard(sock)
        shut(sock)
        sock.close()

    def break_connections(self):
        """All that stand now."""
        with self.lock:
            standing = list(self.open)
        for sock in standing:
            shut(sock)

    def stop_listening(self):
        shut(self.listener)  # wakes accept()
        self.listener.close()

    def close(self):
        """The next connection goes where it wants to. The table stays, empty: without one the kernel no longer translates what
        still stands, and the other ends would never hear that it is over."""
        if self.closed:
            return
        self.closed = True
        try:
            self.nft(f"flush table ip {self.table}")
        finally:
            self.stop_listening()
            self.break_connections()
            os.close(self.namespace)

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.close()


class Counted(Diversion):
    """Nobody is served; how many came is in `connections`."""

    def serve(self, client):
        pass


def shut(sock):
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def reset(sock):
    """Its end is an RST, whatever was still to be sent."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass
