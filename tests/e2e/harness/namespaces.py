"""Sockets in another process's network namespace. A thread moves there, opens the socket and ends; the socket stays usable."""
import ctypes
import os
import socket
import threading

CLONE_NEWNET = 0x40000000
MARK = 0x5b111  # of what the test itself connects: no diversion turns it round
libc = ctypes.CDLL(None, use_errno=True)


def in_network_of(pid, function):
    """function() in a thread inside the network namespace of process `pid`; its value, or its exception."""
    outcome = {}

    def work():
        try:
            handle = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            try:
                if libc.setns(handle, CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            finally:
                os.close(handle)
            outcome["value"] = function()
        except BaseException as error:  # handed over to the caller's thread, whatever it is
            outcome["error"] = error

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]


def same_network(pid):
    return os.stat(f"/proc/{pid}/ns/net").st_ino == os.stat("/proc/self/ns/net").st_ino


def marked():
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a request's head and body are two writes: 40 ms apart without
    return sock


def connector(pid, host, port, timeout=10):
    """A function that connects to host:port from this namespace or, when nothing listens here, from that of `pid`."""
    def open_socket():
        sock = marked()
        sock.settimeout(timeout)
        try:
            sock.connect((host, port))
        except OSError:
            sock.close()
            raise
        return sock

    def connect():
        try:
            return open_socket()
        except OSError:
            if same_network(pid):
                raise
        return in_network_of(pid, open_socket)
    return connect
