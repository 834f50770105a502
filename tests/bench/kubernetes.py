"""Cold sessions on a real cluster: what the gateway adds to the cluster's own time, and what it asks of the API server."""
import json
import sys
import threading
import time
from pathlib import Path

import sessions
from harness.site import Site

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "kubernetes"))

from kube import cluster as clusters  # noqa: E402

NAMESPACE = "sandboxes"
WRITES = ("create", "update", "patch", "delete")


class Readiness(threading.Thread):
    """Hears of pods as any watch does: when each came, and when it was Ready, by this process's clock."""

    def __init__(self, api):
        super().__init__(daemon=True)
        self.api = api
        self.added, self.ready = {}, {}
        self.news = threading.Condition()
        self.start()

    def run(self):
        with self.api.open("GET", f"/api/v1/namespaces/{NAMESPACE}/pods?watch=1&timeoutSeconds=1800", timeout=1800) as reply:
            for line in reply:
                self.take(json.loads(line), time.perf_counter())

    def take(self, event, now):
        name = event["object"]["metadata"].get("name")
        conditions = event["object"].get("status", {}).get("conditions", ())
        with self.news:
            self.added.setdefault(name, now)
            if any(each["type"] == "Ready" and each["status"] == "True" for each in conditions):
                self.ready.setdefault(name, now)
            self.news.notify_all()

    def wait(self, name):
        with self.news:
            if not self.news.wait_for(lambda: name in self.ready, 60):
                raise SystemExit(f"bench: the watch never saw {name} ready")
            return self.added[name], self.ready[name]


def one(client, watch, name):
    """(the pod's time, ours behind it, create → ready as the client sees it), in seconds."""
    begun = time.perf_counter()
    sessions.create(client, name)
    sessions.wait_ready(client, name)
    known = time.perf_counter()
    added, ready = watch.wait(name)
    sessions.run_once(client, name, "python")
    client.delete(f"/{name}")
    return ready - added, known - ready, known - begun


def bare(api, model, watch, name):
    """The same pod made by hand: what the cluster itself needs."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": model}
    begun = time.perf_counter()
    api.create(pod).expect(201)
    _, ready = watch.wait(name)
    api.delete(f"/api/v1/namespaces/{NAMESPACE}/pods/{name}", 0).expect(200)
    return ready - begun


def model_of(pod):
    """Its spec as it was asked for, without what the cluster has added."""
    spec = {key: value for key, value in pod["spec"].items() if key not in ("nodeName", "tolerations", "preemptionPolicy", "priority")}
    return json.loads(json.dumps(spec))


def wait_gone(site, seconds=60):
    end = time.monotonic() + seconds
    while site.node().pods():
        if time.monotonic() > end:
            raise SystemExit("bench: pods that do not go")
        time.sleep(0.05)


def asked(cluster, names):
    """Requests by service accounts about these sessions' pods: (writes, reads that are no watch), from the API server's audit log."""
    found = [each for each in cluster.asked(NAMESPACE) if each["resource"] == "pods"]
    of = [each for each in found if each["uri"].rstrip("/").rpartition("/")[2].partition("?")[0] in names or each["verb"] in ("create", "list")]
    return sum(each["verb"] in WRITES for each in of), sum(each["verb"] in ("get", "list") for each in of)


def measure(profile, count):
    site = Site(slots=4, gateways=1)
    site.arguments += ["--kubernetes", "--profile", profile]
    try:
        site.start()
        cluster = clusters.load(site.entry("node")["cluster"])
        api = cluster.api()
        watch = Readiness(api)
        sessions.create(site.client, "first")  # images are unpacked, connections made
        sessions.wait_ready(site.client, "first")
        model = model_of(site.node().pod("first"))
        site.client.delete("/first")
        wait_gone(site)
        before = asked(cluster, ())
        names, rows, hand = [], [], []
        for index in range(count):
            names.append(f"cold-{profile}-{index}")
            rows.append(one(site.client, watch, names[-1]))
            wait_gone(site)
            hand.append(bare(api, model, watch, f"bare-{profile}-{index}"))
            wait_gone(site)
        after = asked(cluster, set(names))
        writes, reads = after[0] - before[0], after[1] - before[1]
        return {"pod": sessions.spread(row[0] for row in rows), "share": sessions.spread(row[1] for row in rows),
                "client": sessions.spread(row[2] for row in rows), "bare": sessions.spread(hand),
                "writes_a_session": writes / count, "reads_a_session": reads / count, "sessions": count}
    finally:
        site.stop()
        site.forget()
