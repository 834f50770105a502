#!/usr/bin/python3
"""The API of a cluster without TLS and keys, for tools and tests: on a socket that is handed over (LISTEN_FDS), whatever namespace
it is of. `kubectl proxy` does the work; this carries bytes to it.

    door.py PORT KUBECTL ARGUMENT…    run in the cluster's network; PORT is what kubectl is told to listen on
"""
import ctypes
import signal
import socket
import subprocess
import sys
import threading


def end_with_us():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def pour(source, target):
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
    except OSError:
        pass
    for each in (source, target):  # one end, both ends: a watch that is left must end
        try:
            each.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def carry(near, port):
    with near:
        try:
            far = socket.create_connection(("127.0.0.1", port), 5)
        except OSError:
            return
        with far:
            far.settimeout(None)
            back = threading.Thread(target=pour, args=(far, near), daemon=True)
            back.start()
            pour(near, far)
            back.join()


def main(port, *command):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    proxy = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=end_with_us)
    listener = socket.socket(fileno=3)
    listener.setblocking(True)  # it was made for servers with a loop
    try:
        while True:
            near, _ = listener.accept()
            threading.Thread(target=carry, args=(near, int(port)), daemon=True).start()
    finally:
        proxy.kill()
        proxy.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
