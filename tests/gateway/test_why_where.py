"""/debug/route says where a session would go and why; then one is made, and it went there for that reason. Every reason that there is
before a session is made, of the source's table."""
import re
import time
from pathlib import Path

import pytest
from scripted.cluster import NODE, stamp, status
from scripted.gateway import TREE

METRICS = "/apis/metrics.k8s.io/v1beta1/nodes"
# What is learned only behind the decision: from the other gateways, from the scheduler, from the pod.
LATER = {"local_reserved", "local_unschedulable", "local_start_failed"}


def table():
    text = Path(TREE, "router/decision_reason.def").read_text(encoding="utf-8")
    return dict(re.findall(r'^X\(\w+, "(\w+)", "(.+)"\)', text, re.M))


def asked(gateway, wish="auto"):
    """What it says, whole and with words of the table."""
    route = gateway.get(f"/debug/route?placement={wish}", admin=True).json
    reasons = [route] + ([route["nowhere"]] if route["nowhere"] else [])
    for reason in reasons:
        assert reason["text"] == table()[reason["reason"]]
    assert (route["goes"] is None) == (route["nowhere"] is not None)
    return route["reason"], route["goes"] or route["nowhere"]["reason"]


def made(gateway, name, wish="auto"):
    return gateway.post(f"/{name}", {"placement": wish, "cleanup": "idle"})


def goes(gateway, name, reason, site, wish="auto"):
    assert asked(gateway, wish) == (reason, site)
    answer = made(gateway, name, wish)
    assert (answer.status, answer.json["site"], answer.json["placement"]["reason"]) == (201, site, reason), answer.body


def stays_out(gateway, name, reason, why, wish="auto", code="capacity_full"):
    assert asked(gateway, wish) == (reason, why)
    answer = made(gateway, name, wish)
    assert answer.code == code, answer.body
    assert answer.status == 400 or (answer.status == 503 and int(answer.fields["Retry-After"]) > 0)


def nodes(**allocatable):
    return [{**NODE, "status": {**NODE["status"], "allocatable": {**NODE["status"]["allocatable"], **allocatable}}}]


@pytest.fixture
def cloud(world):
    return world.remote("cloud")


@pytest.fixture
def begin(world, wait, cloud):
    def gateway(**keys):
        made = world.gateway(**{"watermark.dwell": "1s", **keys})
        wait(lambda: made.get("/api/v1/sites").json["items"][1]["slots"], "the cloud's word")
        wait(lambda: world.redis.ask("EXISTS", "spillway:routes:local") == 1, "records to be complete")
        return made
    return gateway


def test_room_none_and_elsewhere(world, wait, begin, cloud):
    world.cluster.nodes = nodes(pods="1")
    gateway = begin()
    goes(gateway, "far", "wished", "cloud", "remote")
    goes(gateway, "far-too", "wished", "cloud", "cloud")
    stays_out(gateway, "moon", "wished", "no_such_site", "moon", "invalid_argument")
    goes(gateway, "first", "local_room", "local")
    goes(gateway, "over", "local_full", "cloud")
    stays_out(gateway, "here", "local_full", "local_full", "local")
    cloud.slots = 0
    wait(lambda: gateway.get("/api/v1/sites").json["items"][1]["slots"] == 0, "the cloud's word")
    assert asked(gateway) == ("local_full", "remote_full")
    stays_out(gateway, "far-again", "wished", "remote_full", "remote")
    cloud.refuse()
    wait(lambda: gateway.get("/api/v1/sites").json["items"][1]["breaker"] == "open", "its breaker to open", 60)
    assert asked(gateway) == ("local_full", "remote_down")
    stays_out(gateway, "far-away", "wished", "remote_down", "cloud", "site_unreachable")


def test_the_way_back(world, wait, begin, cloud):
    """Closed, then one by one; those that could go nowhere else do not wait for that."""
    world.cluster.nodes = nodes(pods="2")
    gateway = begin(**{"watermark.dwell": "6s"})
    goes(gateway, "one", "local_room", "local")
    goes(gateway, "two", "local_room", "local")
    goes(gateway, "over", "local_full", "cloud")
    gateway.delete("/one")
    wait(lambda: asked(gateway)[0] != "local_full", "room again")
    goes(gateway, "not-yet", "local_closed", "cloud")
    goes(gateway, "insists", "local_alone", "local", "local")
    gateway.delete("/two")
    gateway.delete("/insists")
    wait(lambda: asked(gateway) == ("local_probe", "local"), "sandboxes to be taken one by one")
    world.cluster.binds = False
    goes(gateway, "probe", "local_probe", "local")
    goes(gateway, "behind", "local_probing", "cloud")


def test_a_cluster_that_refuses_is_left_alone_for_a_moment(world, begin):
    gateway = begin()
    world.cluster.rules.append(lambda request: status(403, "Forbidden", 'pods "s" is forbidden: exceeded quota: q, requested: pods=1')
                               if request.method == "POST" else None)
    answer = made(gateway, "moved")
    assert (answer.json["site"], answer.json["placement"]["reason"]) == ("cloud", "local_hold")
    goes(gateway, "next", "local_hold", "cloud")


USED = {"local_cpu_high": {"node-1": {"cpu": "60", "memory": "1Gi"}, "node-2": {"cpu": "60", "memory": "1Gi"}},
        # Together above the mark; the second one alone is below it, so that there is a slot.
        "local_memory_high": {"node-1": {"cpu": "1", "memory": "60Gi"}, "node-2": {"cpu": "1", "memory": "50Gi"}}}


@pytest.mark.parametrize("reason", USED)
def test_measured_use(world, wait, begin, reason):
    usage = USED[reason]
    world.cluster.nodes = nodes() + [{**NODE, "metadata": {**NODE["metadata"], "name": "node-2", "uid": "node-uid-2"}}]

    def measured(request):
        if request.path != METRICS:
            return None
        return 200, {"kind": "NodeMetricsList", "items": [{"metadata": {"name": name}, "timestamp": stamp(time.time()), "window": "10s",
                                                           "usage": usage[name]} for name in usage]}
    world.cluster.rules.append(measured)
    gateway = begin(**{"watermark.usage": "true", "watermark.usage_interval": "1s"})
    wait(lambda: gateway.get("/api/v1/watermark").json["metrics"]["known"], "measurements")
    goes(gateway, "over", reason, "cloud")


def test_a_cluster_that_is_not_seen(world, wait, begin):
    gateway = begin()
    world.cluster.rules.append(lambda request: status(500, "InternalError"))
    for connection in list(world.cluster.server.open):
        connection.shutdown(2)
    wait(lambda: asked(gateway)[0] == "local_unknown", "the cluster to be out of sight", 60)
    stays_out(gateway, "here", "local_unknown", "local_unknown", "local", "unavailable")


def test_without_other_sites(world):
    gateway = world.gateway()
    assert asked(gateway) == ("local_room", "local")
    stays_out(gateway, "moon", "no_such_site", "no_such_site", "moon", "invalid_argument")


def test_no_reason_is_left_out():
    assert set(table()) <= set(re.findall(r'"(\w+)"', Path(__file__).read_text(encoding="utf-8")))
