"""What happens to the site while Prometheus looks. Each chapter is a cause; when it began and ended is kept."""
import os
import signal
import subprocess
import threading
import time
import urllib.parse

from harness import containers
from harness.session import Session
from harness.wait import until

QUIET = 6   # s of nothing, to compare with
LOOK = 4    # s in which Prometheus sees a state several times


class Story:
    def __init__(self, site, prometheus):
        self.site = site
        self.prometheus = prometheus
        self.chapters = {}  # name -> (begin, end), of the clock
        self.ids = []

    def tell(self):
        for chapter in (self.quiet, self.work, self.slow_start, self.full, self.hanging_redis, self.damaged_store,
                        self.hanging_agent, self.lost_agents, self.stranger, self.busy_loop, self.cloud_killed, self.gateway_killed,
                        self.node_killed):
            self.empty()
            begin = time.time()
            chapter()
            self.chapters[chapter.__name__] = (begin, time.time())

    @property
    def begin(self):
        return self.chapters["quiet"][0]

    @property
    def end(self):
        return self.chapters["node_killed"][1]

    # -- helpers --

    def session(self, client=None, **create):
        session = Session(client or self.site.client)
        self.ids.append(session.id)
        session.start(**dict({"cleanup": "idle", "idle_timeout_seconds": 600}, **create))
        return session

    def shown(self, expression, seconds=90):
        """Waits until Prometheus has it so."""
        until(lambda: self.prometheus.now(expression), seconds, expression, every=0.5)

    def empty(self):
        """Room for all again, where there is still somebody to ask."""
        if self.chapters and "cloud_killed" not in self.chapters:
            self.shown("count(cluster:spillway_slots_free:min == cluster:spillway_slots:max) == 2")
            self.shown('min(spillway_watermark_state{state="open"}) == 1')

    def pid(self, part):
        return self.site.entry(part)["pid"]

    # -- chapters --

    def quiet(self):
        for good in ("spillway_watch_connected == 1", "spillway_usage_known == 1"):
            self.shown(f'count({good}) == count(up{{job="spillway"}})')
        self.shown("count(spillway_remote_breaker == 0) == 2")
        time.sleep(QUIET)

    def work(self):
        for count in range(4):
            session = self.session()
            answer = session.run(f"print({count})")
            assert answer["stdout"] == f"{count}\n", answer
            self.ids.append(answer["execution_id"])
            session.end()
            self.site.client.get(f"/never-was-{count}/status")
        time.sleep(LOOK)

    def slow_start(self):
        """The node hangs while sessions wait for it."""
        node = self.pid("node")
        sessions = [Session(self.site.client) for _ in range(3)]
        os.kill(node, signal.SIGSTOP)
        try:
            threads = [threading.Thread(target=session.try_create) for session in sessions]
            for thread in threads:
                thread.start()
            self.shown("cluster:spillway_reservations:sum > 0")
            time.sleep(1)
        finally:
            os.kill(node, signal.SIGCONT)
        for thread in threads:
            thread.join()
        for session in sessions:
            session.delete()
        self.empty()
        self.starts_beyond_ten_seconds()

    def starts_beyond_ten_seconds(self):
        node = self.pid("node")
        sessions = [Session(self.site.client) for _ in range(2)]
        for session in sessions:
            self.ids.append(session.id)
            session.create(cleanup="idle")
        os.kill(node, signal.SIGSTOP)
        time.sleep(12)
        os.kill(node, signal.SIGCONT)
        for session in sessions:
            session.wait_ready()
            session.delete()
        time.sleep(LOOK)

    def full(self):
        """No room, here and there, and many who want it."""
        def fill():
            return self.site.client.post(f"/full-{len(self.ids)}", {"cleanup": "idle"}).status == 503 or self.ids.append("")
        begin = len(self.ids)
        until(fill, 60, "the site is full")
        self.filled = [f"full-{number}" for number in range(begin, len(self.ids))]
        for number in range(2500):
            self.site.client.post(f"/over-{number}", {"cleanup": "idle"}).expect(503)
        self.shown("count(cluster:spillway_slots_free:min <= 0) == 2")
        time.sleep(LOOK)
        for session in self.filled:
            self.site.client.delete(f"/{session}")

    def hanging_redis(self):
        session = self.session()
        redis = self.pid("redis")
        os.kill(redis, signal.SIGSTOP)
        try:
            session.run("print('kept in the pod')")
            self.shown("min(spillway_redis_up) == 0")
            self.shown('sum(spillway_results_total{outcome="failed"}) > 0')
            time.sleep(LOOK)
        finally:
            os.kill(redis, signal.SIGCONT)
        self.shown("min(spillway_redis_up) == 1")
        session.end()

    def damaged_store(self):
        """Something in Redis that Spillway never wrote."""
        socket = self.site.entry("redis")["url"].removeprefix("unix://")
        subprocess.run(["redis-cli", "-s", socket, "SET", "spillway:{damaged}:t", "{", "PX", "60000"], check=True, capture_output=True)
        for _ in range(3):
            self.site.client.get("/damaged/status").expect(500)
        self.shown("sum(spillway_store_damaged_total) > 0")
        time.sleep(LOOK)

    def hanging_agent(self):
        sessions = [self.session() for _ in range(4)]
        agents = [containers.of_session(self.site.state_dir, session.id)["pid"] for session in sessions]
        for agent in agents:
            os.kill(agent, signal.SIGSTOP)
        try:
            self.shown('cluster:spillway_agent_calls_unanswered:ratio_rate5m{cluster="local"} > 0.05', 240)
            time.sleep(LOOK)
        finally:
            for agent in agents:
                os.kill(agent, signal.SIGCONT)
        for session in sessions:
            session.end()

    def lost_agents(self):
        for _ in range(4):
            session = self.session()
            os.kill(containers.of_session(self.site.state_dir, session.id)["pid"], signal.SIGKILL)
            until(lambda lost=session: lost.status()["status"] == "error", 60, "it is lost")
        self.shown('sum(spillway_pods_deleted_total{cause="agent_lost"}) > 2')
        time.sleep(LOOK)

    def stranger(self):
        """A pod in the sandboxes' namespace that nobody asked Spillway for."""
        node = self.site.node()
        session = self.session()
        pod = node.pod(session.id)
        namespace = pod["metadata"]["namespace"]
        for key in ("uid", "resourceVersion", "creationTimestamp"):
            pod["metadata"].pop(key, None)
        pod["metadata"]["name"] = "stranger"
        pod["metadata"]["labels"] = {"app": "stranger"}
        pod["metadata"]["annotations"] = {}
        pod.pop("status", None)
        pod["spec"].pop("nodeName", None)
        node.client.post(f"/api/v1/namespaces/{namespace}/pods", pod).expect(201)
        self.shown("cluster:spillway_orphans:min > 0")
        time.sleep(LOOK)
        node.client.delete(f"/api/v1/namespaces/{namespace}/pods/stranger")
        self.shown("cluster:spillway_orphans:min == 0")
        session.end()

    def busy_loop(self):
        """A gateway that is held up in the middle of its work, as by a disk or a neighbour that takes the machine."""
        gateway = self.site.gateways[0]
        parts = urllib.parse.urlsplit(gateway["url"])
        request = f"GET /api/v1/watermark HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()

        def held():
            with self.site.socket_to(gateway["url"], gateway["pid"])() as line:
                line.setblocking(False)
                try:
                    line.send(request * 500)
                except BlockingIOError:
                    pass
                time.sleep(0.003)
                os.kill(gateway["pid"], signal.SIGSTOP)
                time.sleep(0.7)
                os.kill(gateway["pid"], signal.SIGCONT)
            time.sleep(1)
            return self.prometheus.now("max_over_time(cluster:spillway_loop_lag_seconds:max[20s]) > 0.5")

        until(held, 120, "a turn took half a second")

    def cloud_killed(self):
        os.kill(self.site.state()["sites"]["cloud"]["gateways"][0]["pid"], signal.SIGKILL)
        self.shown('sum(up{cluster="cloud"}) == 0')
        self.shown("max(spillway_remote_breaker) > 0")
        time.sleep(LOOK)

    def gateway_killed(self):
        """Its sessions are taken over by the other one."""
        name = self.site.gateways[0]["name"]
        made = [self.session(self.site.client_of(name)) for _ in range(3)]  # who makes one tends it
        self.left = [Session(self.site.client, session.id) for session in made]
        self.site.kill(name)
        self.shown('count(up{job="spillway"} == 0) == 1')
        self.shown("sum(spillway_takeovers_total) > 0", 120)
        time.sleep(LOOK)

    def node_killed(self):
        self.site.kill("node")
        for session in self.left:  # their pods shall go, and nobody is there who could do it
            session.delete()
        self.shown("min(spillway_watch_connected) == 0", 180)
        self.shown("max(spillway_usage_known) == 0", 180)
        time.sleep(LOOK)
