"""F19: a gateway's wall clock steps by an hour, or is wrong from the start; gateway and node are stopped together for a while, as when
a machine is suspended. What is measured in time goes by the clock that only goes forward: nobody's session ends early or late."""
import os
import signal
import time

import pytest
from harness.clock import SteppedGateway
from harness.runs import RunCounter, counted, tell, until_told
from harness.session import Session
from harness.wait import Stopwatch, until

pytestmark = pytest.mark.skipif(bool(os.environ.get("SPILLWAY_E2E_KUBERNETES")), reason="one more gateway in the embedded site's network")

HOUR = 3600
SWEEPS = 8  # s, several


@pytest.fixture
def stepped(site):
    with SteppedGateway(site) as gateway:
        yield gateway


def hear(gateway, session):
    """The gateway knows the session, and what its agent says."""
    mine = Session(gateway.client(), session.id)
    mine.run("1")
    return mine


@pytest.mark.parametrize("seconds", (HOUR + 60, -HOUR))
def test_a_step_ends_nothing(site, client, stepped, record_property, seconds):
    """Sessions that this gateway tends and sessions of others, ready, busy and about to be."""
    with RunCounter(site) as counter:
        others = Session(client).start(cleanup="idle")
        own = Session(stepped.client()).start(cleanup="idle")
        hear(stepped, others)
        execution = own.submit(counted(until_told() + "print('end')"), timeout_seconds=120)
        counter.watch(own.id)
        until(lambda: counter.seen(own.id), 60, "it runs")
        stepped.step(seconds)
        late = Session(stepped.client()).start(cleanup="idle")
        time.sleep(SWEEPS)
        assert late.run("1 + 1")["result"] == "2"
        for session in (own, others, late):
            assert session.status()["status"] in ("ready", "executing"), session.status()
            assert site.node().pod(session.id), "its pod was taken"
        tell(site.state_dir, own.id)
        counter.check_once(own.id, own.final(execution))
    stepped.step(0)
    for session in (own, others, late):
        Session(client, session.id).end()


@pytest.mark.parametrize("seconds", (HOUR + 60, -HOUR))
def test_a_clock_that_is_wrong_from_the_start(site, client, seconds):
    """It finds sessions of others, whose deadlines are in the past or far away by its clock, and asks their agents first."""
    sessions = [Session(client).start(cleanup="idle") for _ in range(2)]
    gateway = SteppedGateway(site)
    gateway.step(seconds)
    with gateway:
        time.sleep(SWEEPS)
        for session in sessions:
            assert session.status()["status"] == "ready"
            assert Session(gateway.client(), session.id).run("1 + 1")["result"] == "2"
    for session in sessions:
        session.end()


@pytest.mark.parametrize("seconds", (HOUR, -HOUR))
def test_deadline_and_idle_hold_across_a_step(site, stepped, record_property, seconds):
    by_deadline, by_idle = Session(stepped.client()), Session(stepped.client())
    by_deadline.create(cleanup="idle", timeout_seconds=8)
    by_idle.create(cleanup="idle", idle_timeout_seconds=6)
    watch = Stopwatch()
    by_deadline.wait_ready()
    by_idle.wait_ready()
    by_idle.run("1")
    idle = Stopwatch()
    stepped.step(seconds)
    ends = {}

    def both():
        for session, since in ((by_deadline, watch), (by_idle, idle)):
            if session not in ends and site.node().pod(session.id) is None:
                ends[session] = since.seconds
        return len(ends) == 2
    until(both, 80, "both have ended", every=0.05)
    record_property(f"F19 step of {seconds} s: deadline of 8 s and idle of 6 s took, s", [round(ends[by_deadline], 2), round(ends[by_idle], 2)])
    assert ends[by_deadline] > 6 and ends[by_idle] > 4, "ended early"


@pytest.mark.parametrize("begin, placed", ((0, HOUR), (2 * HOUR, HOUR)), ids=("forward", "back"))
def test_a_deadline_travels_to_the_cloud_whatever_the_clocks_say(sites, record_property, begin, placed):
    """The gateway's clock has just stepped, and is an hour off, when it places a session there; and is right again while that lives. (Never
    behind: to one who lives before it was made, the cloud's certificate is not valid.)"""
    gateway = SteppedGateway(sites)
    gateway.step(begin)
    with gateway:
        until(lambda: gateway.client().get("/api/v1/sites").json()["items"][1]["state"] == "open", 60, "it reaches the cloud")
        gateway.step(placed)
        session = Session(gateway.client())
        session.create(placement="remote", cleanup="idle", timeout_seconds=8)
        watch = Stopwatch()
        session.wait_ready()
        gateway.step(0)
        assert session.run("1 + 1")["result"] == "2"
        until(lambda: not sites.cloud_node().pods(session.id), 80, "its pod is gone", every=0.05)
        record_property(f"F19 clock off by {placed} s, before by {begin} s: deadline of 8 s in the cloud took, s", round(watch.seconds, 2))
        assert watch.seconds > 6, "ended early"
        assert session.wait_ended()["reason"] == "deadline"


def test_everything_stands_still_for_a_while(site, client, record_property):
    """As when a machine is suspended: gateways, node and agents do nothing for 5 s, and then go on as if nothing was."""
    with RunCounter(site) as counter:
        session = Session(client).start(cleanup="idle")
        execution = session.submit(counted(until_told() + "print('end')"), timeout_seconds=120)
        counter.watch(session.id)
        until(lambda: counter.seen(session.id), 60, "it runs")
        stopped = [entry["pid"] for entry in site.gateways] + [site.entry("node")["pid"], site.entry("redis")["pid"]]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(5)
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        watch = Stopwatch()
        until(lambda: session.status_reply().status == 200, 60, "it answers", every=0.05)
        record_property("F19 first answer after standing still, s", round(watch.seconds, 2))
        time.sleep(SWEEPS)
        assert session.status()["status"] == "executing"
        tell(site.state_dir, session.id)
        counter.check_once(session.id, session.final(execution))
        session.end()
