"""What the scenarios share: a short GET, a relaying server with its scripted peer, and the count of callbacks at the end."""
import time

from wirekit.client import Client
from wirekit.peer import Peer

GET = "GET {} HTTP/1.1\r\nHost: t\r\n\r\n"


def get(port, path, fields="", method="GET", body=""):
    c = Client(port)
    try:
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        c.send(f"{method} {path} HTTP/1.1\r\nHost: t\r\n{length}{fields}\r\n{body}")
        return c.answer(method)
    finally:
        c.close()


def equal(have, want, what=""):
    assert have == want, f"{what} {have!r}, expected {want!r}"


def resident_kib(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def relayed(stand, *scripts, flags=()):
    peer = Peer(*scripts)
    return peer, stand.private("--backend", peer.port, *flags)


def finish(peer, server):
    """Every start called back once, none early; nothing from the sanitizers."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        n = server.count()
        if n["relays"] == n["relayed"] and n["fetches"] == n["fetched"] and n["calls"] == n["called"]:
            break
        time.sleep(0.02)
    peer.__exit__()
    equal((n["relayed"], n["fetched"], n["called"]), (n["relays"], n["fetches"], n["calls"]), "callbacks")
    equal(n["too_early"], 0, "callbacks inside the starting call")
    equal(server.end(), None)
