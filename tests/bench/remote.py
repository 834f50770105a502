"""What our gateway adds to a session at another site: the same calls once through it and once straight at the other site's own entrance
(its nginx, TLS, the token), in alternating pairs. The difference is ours."""
import hashlib
import http.client
import json
import os
import socket
import ssl
import sys
import time
from pathlib import Path

import paired
import sessions
from harness.client import Client
from harness.hybrid import Hybrid
from harness.namespaces import in_network_of

sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "tools/launcher"))

from site_link import AWAY_ADDRESS, PORT  # noqa: E402

LIFE_MS = 600_000


class Entrance:
    """As our gateway reaches the other site: one kept connection."""

    def __init__(self, hybrid):
        keys = Path(hybrid.state_dir) / "keys"
        context = ssl.create_default_context(cafile=keys / "ca.pem")
        context.load_cert_chain(keys / "client.pem", keys / "client.key")
        plain = in_network_of(hybrid.gateways[0]["pid"], lambda: socket.create_connection((AWAY_ADDRESS, PORT), 10))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # head and body are two writes
        self.connection = http.client.HTTPConnection(AWAY_ADDRESS)
        self.connection.sock = context.wrap_socket(plain, server_hostname=AWAY_ADDRESS)
        self.fields = hybrid.hop()

    def call(self, status, method, path, body=None, **fields):
        self.connection.request(method, path, json.dumps(body) if body is not None else None, dict(self.fields, **fields))
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != status:
            raise SystemExit(f"bench: {method} {path}: {answer.status} {text[:300]}")

    def create(self, name):
        now = int(time.time() * 1000)
        self.call(201, "POST", f"/internal/v1/sessions/{name}", {
            "epoch": os.urandom(16).hex(), "fingerprint": hashlib.sha256(name.encode()).hexdigest(), "reason": "wished", "sent_at_ms": now,
            "expire_at_ms": now + LIFE_MS, "request": {"cleanup": "idle", "idle_timeout_seconds": 600}})


def taken(function):
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def pairs_of(count, through, straight, after=lambda function, index: None):
    """Times of each, and of their differences; AB, BA, …"""
    ours, theirs = [], []
    for index in range(count):
        for function, row in ((through, ours), (straight, theirs))[::1 if index % 2 == 0 else -1]:
            row.append(taken(lambda: function(index)))
            after(function, index)
    return {"through": sessions.spread(ours), "straight": sessions.spread(theirs),
            "added_ms": paired.quartiles([(a - b) * 1000 for a, b in zip(ours, theirs)])}


def settle(hybrid, name):
    """Its pod came and went, so that it disturbs nothing that is measured next."""
    cloud = hybrid.cloud_node()
    while not cloud.pod(name) or cloud.pod(name)["status"].get("phase") != "Running":
        time.sleep(0.02)
    hybrid.client.delete(f"/{name}").expect(200, 202)
    while cloud.pods(name):
        time.sleep(0.02)


def creates(hybrid, client, entrance, count):
    def through(index):
        client.post(f"/through-{index}", json_body={"cleanup": "idle", "idle_timeout_seconds": 600, "placement": "cloud"}).expect(201)

    def straight(index):
        entrance.create(f"straight-{index}")

    return {"create": pairs_of(count, through, straight, after=lambda function, index: settle(hybrid, f"{function.__name__}-{index}"))}


def polls(hybrid, client, entrance, count):
    """A status is answered from memory, a result comes from the other site."""
    client.post("/far", json_body={"cleanup": "idle", "placement": "cloud"}).expect(201)
    sessions.wait_ready(client, "far")
    client.post("/near", json_body={"cleanup": "idle"}).expect(201)
    sessions.wait_ready(client, "near")
    reply = client.post("/far/exec/python", json_body={"code": "import time\nprint(1, flush=True)\ntime.sleep(280)", "timeout_seconds": 290})
    path = f"/far/result?execution_id={reply.expect(202).json()['execution_id']}"
    pids = {"local": [hybrid.gateways[0]["pid"]], "cloud": [hybrid.cloud()["gateways"][0]["pid"]]}
    for _ in range(50):  # warm, and the long-poll that keeps the copy fresh stands
        client.get("/far/status").expect(200)
    asked = {site: paired.cpu_ns(of) for site, of in pids.items()}
    status = pairs_of(count, lambda _: client.get("/far/status").expect(200), lambda _: client.get("/near/status").expect(200))
    spent = {site: (paired.cpu_ns(of) - asked[site]) / (2 * count) / 1000 for site, of in pids.items()}
    result = pairs_of(count, lambda _: client.get(path).expect(200), lambda _: entrance.call(200, "GET", path))
    for name in ("far", "near"):
        client.delete(f"/{name}")
    return {"status (straight: of a session here)": status, "result": result}, spent


def measure(count):
    hybrid = Hybrid(slots=4, gateways=1)
    try:
        hybrid.start()
        hybrid.wait_open()
        client = Client(hybrid.gateways[0]["url"])  # past nginx; http.client's own sockets do not wait for acknowledgements
        entrance = Entrance(hybrid)
        rows = creates(hybrid, client, entrance, count // 5)
        polled, spent = polls(hybrid, client, entrance, count)
        return {"rows": {**rows, **polled}, "status_cpu_us": spent}
    finally:
        hybrid.stop()
        hybrid.forget()
