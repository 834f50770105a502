"""Two sites started by ./run: the local one, whose clients we are, and the cloud that it overflows to."""
import os
import subprocess

from .client import Client
from .node import Node
from .session import Session
from .site import Site
from .wait import until


class Hybrid(Site):
    def __init__(self, slots=2, gateways=3, restart=True):
        super().__init__(slots=slots, gateways=gateways, restart=restart, sites="local,cloud")

    def cloud(self):
        return self.state()["sites"]["cloud"]

    def cloud_node(self):
        return Node(self.cloud()["nodes"][0])

    def cloud_client(self):
        """Through the cloud's own front door, as a client of that site."""
        return Client(self.cloud()["nginx"]["url"])

    def cloud_gateway(self):
        entry = self.cloud()["gateways"][0]
        return Client(entry["url"], connect=self.socket_to(entry["url"], entry["pid"]))

    def token(self):
        with open(os.path.join(self.state_dir, "keys", "token"), encoding="ascii") as file:
            return file.read().strip()

    def hop(self, **more):
        """The fields by which one site's gateway shows itself to the other's."""
        return {"Authorization": f"Spillway {self.token()}", "Spillway-Hop": "1", "Spillway-Origin": "local",
                "Spillway-Tenant": "default", **more}

    # -- sessions where they are wanted --

    def remote_session(self, session_id=None, client=None, **body):
        session = Session(client or self.client, session_id)
        created = session.create(placement="remote", **dict({"cleanup": "idle"}, **body))
        assert created["placement"]["kind"] == "remote", created
        session.wait_ready()
        return session

    def local_session(self, session_id=None, **body):
        """Also when the level has not opened again since it was full."""
        session = Session(self.client, session_id)

        def created():
            reply = session.try_create(placement="local", **dict({"cleanup": "idle"}, **body))
            return reply if reply.status == 201 else None
        until(created, 60, "room for a local session", every=0.2)
        session.wait_ready()
        return session

    def empty(self):
        for node in (self.node(), self.cloud_node()):
            for name in node.sessions():
                self.client.delete(f"/{name}")
        until(lambda: not self.node().pods() and not self.cloud_node().pods(), 60, "no pods at both sites", every=0.1)

    def cut(self):
        """The way between the sites is down, and every gateway has noticed."""
        self.link("down")
        until(lambda: "closed" not in self.breakers(), 60, "all gateways know that the cloud does not answer", every=0.1)

    def heal(self):
        self.link("up")
        until(lambda: self.breakers() == {"closed"}, 60, "all gateways reach the cloud", every=0.1)

    def wait_open(self):
        """Room, and the level knows it: the next session stays here."""
        def is_open():
            sites = {site["name"]: site for site in self.client.get("/api/v1/sites").expect(200).json()["items"]}
            return sites["local"]["state"] in ("open", "probing") and sites["cloud"]["state"] not in ("unreachable", "unknown")
        until(is_open, 90, "the local site is open", every=0.2)

    def wait_complete(self):
        """What has no record in Redis is not there: the other site need not be asked, and may be silent, when an id is new."""
        until(lambda: self.redis("EXISTS", "spillway:routes:local") == "1", 60, "records are complete", every=0.1)

    # -- the way between them --

    def breakers(self):
        """The cloud's, as each local gateway has it."""
        asked = [self.client_of(entry["name"]).get("/api/v1/sites").expect(200).json()["items"][1] for entry in self.gateways]
        return {site["breaker"] for site in asked}

    def link(self, what):
        """"down" cuts it: packets are lost, nobody is told. "up" heals it."""
        self.in_network(self.entry("nginx")["pid"], "ip", "link", "set", "link-cloud", what)

    @staticmethod
    def in_network(pid, *command):
        subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", *command], check=True)

    def redis(self, *words):
        path = self.local()["redis"]["url"].removeprefix("unix://")
        return subprocess.run(["redis-cli", "-s", path, *words], capture_output=True, text=True, check=True, timeout=10).stdout.strip()
