"""A gateway whose clock is wrong: by the API server's, sessions end when they should."""
import calendar
import time

import pytest

HOUR = 3600


def seconds_left(world, name):
    """By the API server's clock, as everybody else sees it."""
    text = world.cluster.deadline(name)
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) - world.cluster.now()


@pytest.fixture(params=[HOUR, -HOUR], ids=["slow", "fast"])
def gateway(world, request):
    """By an hour, from the start."""
    world.cluster.ahead = request.param
    return world.gateway()


def test_a_deadline_is_one_for_everybody(world, gateway):
    agent = world.ready(gateway, "s", timeout_seconds=600)
    assert 590 < seconds_left(world, "s") < 610
    assert 590_000 < agent.deadline_ms <= 600_000
    assert gateway.post("/s/extend", {"timeout_seconds": 1200}).status == 200
    assert 1190 < seconds_left(world, "s") < 1210
    assert 1_190_000 < agent.deadline_ms <= 1_200_000


def test_one_that_others_moved_is_told_as_they_meant_it(world, gateway, wait):
    agent = world.ready(gateway, "s", timeout_seconds=600)
    for seconds in (1200, 300):
        world.cluster.set_deadline("s", seconds)
        wait(lambda: gateway.get("/s/status").json["expires_at"] == world.cluster.deadline("s"), "the gateway to know")
        agent.change()
        wait(lambda: abs(agent.deadline_ms - seconds * 1000) < 30_000, "the agent to be told")
    assert all(call.json()["deadline_ms"] < 1_201_000 for call in agent.calls("POST", "/v1/deadline"))


def test_a_clock_that_becomes_wrong(world, wait):
    """It agreed; then the gateway's clock is an hour behind, and the next answer of the API server tells."""
    gateway = world.gateway()
    agent = world.ready(gateway, "s", timeout_seconds=600)
    world.cluster.ahead = HOUR
    world.ready(gateway, "another")  # any call
    world.cluster.set_deadline("s", 900)
    wait(lambda: gateway.get("/s/status").json["expires_at"] == world.cluster.deadline("s"), "the gateway to know")
    agent.change()
    wait(lambda: agent.deadline_ms != 600_000 and agent.calls("POST", "/v1/deadline"), "the agent to be told")
    assert agent.deadline_ms < 901_000
