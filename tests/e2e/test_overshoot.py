"""Three gateways that decide at the same moment make no more pods than there are slots: counted are the pods ever created, not
those that ran (a watch on the node's own API)."""
import time

import pytest
from conftest import opened, shut, up
from harness import problems
from harness.background import together
from harness.hybrid import Hybrid
from harness.session import Session
from harness.wait import until

CREATES = 64
UNSCHEDULABLE = 3  # s; after this long a pod beyond the room is taken back


@pytest.fixture
def narrow_site():
    site = up(slots=4, gateways=3, restart=False)
    yield site
    shut(site)


def burst(site):
    """64 creates at once, spread over the gateways by their ids. Gives what was taken."""
    sessions = [Session(site.client) for _ in range(CREATES)]
    replies = together(lambda session: session.try_create(cleanup="idle", idle_timeout_seconds=300), sessions, CREATES)
    for reply in replies:
        if reply.status != 201:
            problems.check(reply, 503, "capacity_full")
            problems.check_retry_after(reply)
    return [session for session, reply in zip(sessions, replies) if reply.status == 201]


def settled(taken):
    """The sessions that are ready, once every one is ready or over."""
    def found():
        states = {session: session.status()["status"] for session in taken}
        return states if set(states.values()) <= {"ready", "error", "stopped"} else None
    states = until(found, 120, "every session is ready or over", every=0.2)
    return [session for session, state in states.items() if state == "ready"]


def ever_created(history):
    assert history.error is None, f"the watch on the pods broke: {history.error}"
    return sum(len(uids) for uids in history.uids.values())


def state_of_redis(site, up):
    """All gateways agree that the store can or cannot be reached."""
    return all(site.client_of(entry["name"]).get("/readyz").json()["redis"] is up for entry in site.gateways)


def test_with_redis_no_pod_beyond_the_room_is_ever_created(narrow_site, record_property):
    site = narrow_site
    with site.node().history() as history:
        ready = settled(burst(site))
        time.sleep(UNSCHEDULABLE + 1)  # what was created beyond it would show by now
        assert ever_created(history) <= site.slots
        assert len(ready) == site.slots, "the room is used"
        record_property("pods ever created, with Redis", ever_created(history))

        reasons = {}
        for entry in site.gateways:
            for name, labels, value in site.metrics(entry["name"]).samples:
                if name == "spillway_placements_total":
                    reasons[labels["reason"]] = reasons.get(labels["reason"], 0) + value
        assert sum(reasons.values()) == CREATES
        assert sum(reasons.get(reason, 0) for reason in ("local_room", "local_alone", "local_probe")) == site.slots

        ready[0].end()
        again = Session(site.client)
        until(lambda: again.try_create(cleanup="idle").status == 201, 30, "the place is given again", every=0.2)
        again.wait_ready()
        assert ever_created(history) == site.slots + 1


def test_without_redis_hardly_any(narrow_site, record_property):
    site = narrow_site
    site.kill("redis")
    until(lambda: state_of_redis(site, False), 30, "all gateways know that Redis is gone")
    with site.node().history() as history:
        ready = settled(burst(site))
        time.sleep(UNSCHEDULABLE + 1)
        first = ever_created(history)
        assert 1 <= len(ready) <= site.slots
        assert first <= site.slots + 2
        # Who asks again gets what is left, and no more.
        ready += settled(burst(site))
        time.sleep(UNSCHEDULABLE + 1)
        assert ever_created(history) <= site.slots + 2
        record_property("pods ever created, without Redis: first, then both bursts", (first, ever_created(history)))
        assert len(ready) == site.slots


@pytest.fixture
def narrow_sites():
    hybrid = Hybrid(slots=4, gateways=3)
    hybrid.arguments += ["--cloud-slots", str(CREATES)]
    with opened(hybrid):
        yield hybrid


def test_what_there_is_no_room_for_goes_to_the_cloud_and_nobody_is_refused(narrow_sites, record_property):
    """Real pods, here and there; that the same holds without Redis, and where no single node has room, is in tests/gateway/test_burst.py."""
    sites = narrow_sites
    with sites.node().history() as here, sites.cloud_node().history() as there:
        sessions = [Session(sites.client) for _ in range(CREATES)]
        replies = together(lambda session: session.try_create(cleanup="idle", idle_timeout_seconds=300), sessions, CREATES)
        assert {reply.status for reply in replies} == {201}, [reply for reply in replies if reply.status != 201]
        together(lambda session: session.wait_ready(), sessions, 8)
        time.sleep(UNSCHEDULABLE + 1)
        record_property("64 creates on 4 slots: pods ever created here, in the cloud", (ever_created(here), ever_created(there)))
        assert 1 <= ever_created(here) <= sites.slots
        for session in sessions:
            assert here.incarnations(session.id) + there.incarnations(session.id) == 1, session.id
        for name in (min(here.uids), min(there.uids)):
            assert Session(sites.client, name).run("import socket; socket.gethostname()", timeout_seconds=100)["result"] == repr(name)
    sites.empty()


def test_three_gateways_say_the_same_of_a_full_site(narrow_site):
    site = narrow_site
    sessions = [Session(site.client).start(cleanup="idle") for _ in range(site.slots)]
    for entry in site.gateways:
        gateway = site.client_of(entry["name"])

        def known():
            watermark = gateway.get("/api/v1/watermark").expect(200).json()
            return watermark if watermark["metrics"]["known"] and watermark["slots"] == 0 else None
        watermark = until(known, 60, "the site is full and measured", every=0.1)
        assert watermark["site"] == "local" and watermark["state"] == "closed" and watermark["reason"] == "no_slots"
        assert watermark["slots_total"] == site.slots and watermark["reserve"] == 0 and watermark["since"].endswith("Z")
        memory = watermark["resources"]["memory"]
        assert 0 < memory["used"] < memory["requested"] <= memory["allocatable"]
        assert (memory["high"], memory["low"]) == (0.8, 0.7)
        assert watermark["resources"]["pods"] == {"requested": site.slots, "allocatable": site.slots}
        assert watermark["metrics"]["coverage"] == 1 and watermark["metrics"]["age_seconds"] < 30

        metrics = site.metrics(entry["name"])
        assert metrics.total("spillway_watermark_state", state="closed") == 1
        assert metrics.total("spillway_watermark_transitions_total", reason="no_slots") >= 1
        assert 0 < metrics.total("spillway_usage_ratio", resource="memory") < 1
        assert metrics.total("spillway_slots_free") == 0 and metrics.total("spillway_slots") == site.slots
        assert metrics.total("spillway_usage_coverage_ratio") == 1
        assert 0 <= metrics.total("spillway_usage_age_seconds") < 30
    together(lambda session: session.end(), sessions, 4)
    gateway = site.client_of(site.gateways[0]["name"])
    until(lambda: gateway.get("/api/v1/watermark").json()["state"] == "open", 60, "open again", every=0.2)
