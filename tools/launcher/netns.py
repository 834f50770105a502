"""Network namespaces of sites, and sockets that are opened outside of them.

A namespace is anonymous: it lives as long as the launcher's descriptor or a process in it does, so nothing can be
left behind. From outside it is reached as /proc/PID/ns/net of any program of the site.
"""
import fcntl
import os
import socket
import struct

from linux import CLONE_NEWNET, setns, unshare
from output import Failed

SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
IFF_UP = 1


def bring_up(interface):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        request = struct.pack("16sH14x", interface.encode(), 0)
        _, flags = struct.unpack("16sH14x", fcntl.ioctl(channel, SIOCGIFFLAGS, request))
        fcntl.ioctl(channel, SIOCSIFFLAGS, struct.pack("16sH14x", interface.encode(), flags | IFF_UP))


class Namespace:
    """A network namespace with nothing but a loopback interface that is up."""

    def __init__(self):
        outside = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            unshare(CLONE_NEWNET)
            try:
                self.descriptor = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
                bring_up("lo")
            finally:
                setns(outside, CLONE_NEWNET)
        finally:
            os.close(outside)
        self.inode = os.fstat(self.descriptor).st_ino

    @classmethod
    def later(cls):
        """One that somebody else makes; open() it before anything enters."""
        namespace = cls.__new__(cls)
        namespace.descriptor = namespace.inode = -1
        return namespace

    def open(self, path):
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.inode = os.fstat(self.descriptor).st_ino

    def enter(self):
        setns(self.descriptor, CLONE_NEWNET)

    def close(self):
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def open_listener(port, variable=None):
    """A listening socket on 127.0.0.1 of the host's namespace; port 0 takes a free one."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        hint = f"; choose another one, for example {variable}=0 for a free one" if variable else ""
        raise Failed(f"port {port} of 127.0.0.1 is taken ({error.strerror}){hint}") from None
    # nginx leaves an inherited socket as it is: a worker that lost the race for a client would hang in accept().
    listener.setblocking(False)
    listener.listen(1024)
    return listener


def port_of(listener):
    return listener.getsockname()[1]
