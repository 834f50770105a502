"""A gateway, or several, between a scripted API server, scripted agents and a real Redis."""
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from scripted.cluster import Cluster  # noqa: E402
from scripted.gateway import Gateway  # noqa: E402
from scripted.http import Server  # noqa: E402
from scripted.redis import Redis  # noqa: E402
from scripted.remote import TOKEN, Remote  # noqa: E402


class World:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="spillway-gateway-test-")
        probe = Server(None, "127.66.0.1")
        probe.close()
        self.cluster = Cluster(probe.port)
        self.redis = Redis(self.folder)
        self.gateways = []
        self.remotes = []

    def remote(self, name, **how):
        """Another site, known to the gateways that are made after it."""
        Path(self.folder, "remote.token").write_text(TOKEN + "\n", encoding="ascii")
        self.remotes.append(Remote(name, **how))
        return self.remotes[-1]

    def gateway(self, **keys):
        if self.remotes:
            keys = {"remotes": json.dumps([remote.row(self.folder) for remote in self.remotes]), **keys}
        gateway = Gateway(self.folder, f"g{len(self.gateways) + 1}", self.cluster, self.redis, **keys)
        self.gateways.append(gateway)
        until(lambda: gateway.get("/readyz").status == 200, "the gateway to be ready")
        return gateway

    def ready(self, gateway, name, **create):
        """A ready session."""
        answer = gateway.post(f"/{name}", create)
        assert answer.status in (200, 201), answer.body
        until(lambda: gateway.get(f"/{name}/status").json["status"] == "ready", "the session to be ready")
        return self.cluster.agents[name]

    def close(self):
        faults = []
        for gateway in self.gateways:
            try:
                gateway.close()
            except AssertionError as fault:
                faults.append(fault)
        self.cluster.close()
        for remote in self.remotes:
            remote.close()
        self.redis.close()
        shutil.rmtree(self.folder)
        if faults:
            raise faults[0]


def until(probe, what, seconds=30):
    """Ten times what is expected: only ends a wait."""
    end = time.monotonic() + seconds
    while not (seen := probe()):
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.01)
    return seen


@pytest.fixture
def world():
    made = World()
    yield made
    made.close()


@pytest.fixture
def wait():
    return until
