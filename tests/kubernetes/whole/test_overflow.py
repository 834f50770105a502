"""Two sites: the local one is a real cluster, and what it has no room for goes to the cloud, for reasons that only a real one gives."""
import pytest
from harness.hybrid import Hybrid
from harness.session import Session
from harness.wait import until
from kube import cluster as clusters
from kube import images

SLOTS = 2
PODS = "/api/v1/namespaces/sandboxes/pods"


@pytest.fixture(scope="module")
def sites():
    hybrid = Hybrid(slots=SLOTS, gateways=1)
    try:
        hybrid.start()
        hybrid.wait_open()
        yield hybrid
        assert hybrid.stop() == 0, hybrid.log()[-3000:]
        hybrid.check_nothing_left()
    finally:
        hybrid.stop()
        hybrid.forget()


@pytest.fixture(autouse=True)
def clean(sites):
    yield
    sites.empty()
    sites.wait_open()


@pytest.fixture(scope="module")
def cluster(sites):
    return clusters.load(sites.entry("node")["cluster"])


@pytest.fixture(scope="module")
def api(cluster):
    return cluster.api()


def placed(sites, **body):
    """A session that runs, and its placement."""
    session = Session(sites.client)
    reply = until(lambda: (made := session.try_create(cleanup="idle", **body)).status == 201 and made, 60, "a session is made", every=0.2)
    assert reply.status == 201
    session.wait_ready()
    return session, session.status()["placement"]


def kept_away(sites):
    """The local site takes none now: a session runs in the cloud, and has no pod here."""
    found = []

    def remote():
        session, placement = placed(sites)
        found.append(session)
        if placement["kind"] == "local":  # the gateway may learn a moment later than we
            session.delete()
            return None
        return session
    session = until(remote, 60, "the next session goes to the cloud", every=0.2)
    assert session.run("print(6 * 7)")["stdout"] == "42\n"
    assert session.id in sites.cloud_node().sessions() and session.id not in sites.node().sessions()
    return session


def comes_back(sites):
    """With room again the next session stays here."""
    def local():
        session, placement = placed(sites)
        session.delete()
        return placement["kind"] == "local"
    until(local, 90, "a session stays here", every=0.5)


def test_slots_are_taken(sites):
    sessions = [placed(sites) for _ in range(SLOTS + 2)]
    assert [placement["kind"] for _, placement in sessions] == ["local"] * SLOTS + ["remote"] * 2
    assert len(sites.node().pods()) == SLOTS and len(sites.cloud_node().pods()) == 2
    for session, _ in sessions:
        assert session.run("print(6 * 7)")["stdout"] == "42\n"
        session.delete()
    comes_back(sites)


def test_node_is_cordoned(sites, api, cluster):
    session, placement = placed(sites)
    assert placement["kind"] == "local"
    assert cluster.kubectl("cordon", cluster.node).returncode == 0
    try:
        kept_away(sites)
        assert session.run("print('still here')")["stdout"] == "still here\n"
    finally:
        assert cluster.kubectl("uncordon", cluster.node).returncode == 0
    session.delete()
    comes_back(sites)


def test_quota(sites, api):
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "sandboxes"}, "spec": {"hard": {"pods": "1"}}}
    first, placement = placed(sites)
    assert placement["kind"] == "local"
    api.create(quota).expect(201)
    try:
        path = "/api/v1/namespaces/sandboxes/resourcequotas/q"
        until(lambda: api.get(path).json().get("status", {}).get("hard"), 20, "the quota holds")
        kept_away(sites)
        assert sites.node().sessions() == [first.id]
    finally:
        api.delete("/api/v1/namespaces/sandboxes/resourcequotas/q").expect(200)
    first.delete()
    comes_back(sites)


def test_pod_that_nothing_has_room_for(sites, api):
    """Pods of others, which the gateway may not see, take the processors: the scheduler says no, and the session moves as it is."""
    walls = {"allowPrivilegeEscalation": False, "runAsNonRoot": True, "runAsUser": 1000, "capabilities": {"drop": ["ALL"]},
             "seccompProfile": {"type": "RuntimeDefault"}}
    hog = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "hog", "namespace": "default"},
           "spec": {"automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0, "containers": [{
               "name": "c", "image": f"{images.REGISTRY}/pause:1", "resources": {"requests": {"cpu": "1900m"}}, "securityContext": walls}]}}
    api.create(hog).expect(201)
    try:
        session, placement = placed(sites)
        assert placement["kind"] == "remote", placement
        assert session.run("print(6 * 7)")["stdout"] == "42\n"
        assert session.id in sites.cloud_node().sessions() and session.id not in sites.node().sessions()
    finally:
        api.delete("/api/v1/namespaces/default/pods/hog", 0).expect(200)
    session.delete()
    comes_back(sites)


def test_real_usage_above_the_mark(sites):
    """The gateway's mark is put below what metrics-server says of the node's memory."""
    path = f"{sites.state_dir}/local/gateway-1.yaml"
    with open(path, encoding="utf-8") as file:
        before = file.read()
    assert "\nwatermark:" in before
    with open(path, "w", encoding="utf-8") as file:
        file.write(before.replace("\nwatermark:\n", "\nwatermark:\n  memory_high: 1\n  memory_low: 0\n"))
    sites.wait_restarted("gateway-1", sites.kill("gateway-1"))
    try:
        def above():
            found = sites.client.get("/api/v1/watermark").expect(200).json()
            return found if found["metrics"]["known"] and found["state"] == "closed" else None
        known = until(above, 90, "the usage is known, and above the mark", every=0.5)
        assert known["slots"] == 0 and not sites.node().pods(), known  # a node above the mark has none, though nothing runs there
        kept_away(sites)
    finally:
        with open(path, "w", encoding="utf-8") as file:
            file.write(before)
        sites.wait_restarted("gateway-1", sites.kill("gateway-1"))
    sites.wait_open()
    comes_back(sites)
