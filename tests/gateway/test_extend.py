"""Moving the deadline: whatever fails on the way, the pod, the agent and the answer agree, or the old deadline stands."""
import threading
import time

from scripted.agent import UNSET
from scripted.cluster import status
from scripted.http import problem


def agent_says(path, answer):
    return lambda request, connection: answer() if request.path == path else UNSET


def patches(answer, times=1000):
    """The API server answers that many patches of pods like this."""
    left = [times]

    def rule(request):
        if request.method != "PATCH" or not left[0]:
            return None
        left[0] -= 1
        return answer()
    return rule


def test_longer_reaches_the_agent_and_the_pod(world):
    gateway = world.gateway()
    agent = world.ready(gateway, "s", timeout_seconds=60)
    answer = gateway.post("/s/extend", {"timeout_seconds": 600})
    assert answer.status == 200
    assert answer.json["expires_at"] == world.cluster.deadline("s")
    assert 590_000 < agent.deadline_ms <= 600_000
    assert world.cluster.calls("PATCH", "/pods/s")[-1].json()["metadata"]["uid"] == world.cluster.pods["s"]["metadata"]["uid"]


def test_an_agent_that_refuses_leaves_the_old_deadline_in_force(world):
    gateway = world.gateway()
    agent = world.ready(gateway, "s", timeout_seconds=60)
    before = world.cluster.deadline("s")
    for refusal in (lambda: problem(503, "unavailable"), lambda: None):
        agent.rules[:] = [agent_says("/v1/deadline", refusal)]
        assert gateway.post("/s/extend", {"timeout_seconds": 600}).status in (502, 503)
        assert world.cluster.deadline("s") == before == gateway.get("/s/status").json["expires_at"]


def test_an_api_server_that_refuses_leaves_the_old_deadline_in_force(world):
    gateway = world.gateway()
    agent = world.ready(gateway, "s", timeout_seconds=60)
    before = world.cluster.deadline("s")
    world.cluster.rules.append(patches(lambda: status(500, "InternalError")))
    assert gateway.post("/s/extend", {"timeout_seconds": 600}).status == 503
    assert gateway.get("/s/status").json["expires_at"] == before
    assert agent.deadline_ms > 60_000  # later than what is promised, which hurts nobody


def test_it_is_tried_again_until_both_agree(world):
    gateway = world.gateway()
    agent = world.ready(gateway, "s", timeout_seconds=60)
    world.cluster.rules += [patches(lambda: status(500, "InternalError"), 1), patches(lambda: status(409, "Conflict"), 1)]
    answer = gateway.post("/s/extend", {"timeout_seconds": 600})
    assert answer.status == 200
    assert answer.json["expires_at"] == world.cluster.deadline("s")
    assert agent.deadline_ms > 590_000


def test_another_incarnations_pod_is_left_alone(world):
    gateway = world.gateway()
    world.ready(gateway, "s", timeout_seconds=60)
    before = world.cluster.deadline("s")
    world.cluster.silent = True  # the gateway does not know yet
    world.cluster.pods["s"]["metadata"]["uid"] = "somebody-elses"
    answer = gateway.post("/s/extend", {"timeout_seconds": 600})
    assert (answer.status, answer.code) == (409, "session_ended")
    assert world.cluster.deadline("s") == before


def test_shorter_counts_even_if_the_agent_does_not_hear_it(world, wait):
    gateway = world.gateway()
    agent = world.ready(gateway, "s", timeout_seconds=600)
    agent.rules.append(agent_says("/v1/deadline", lambda: problem(503, "unavailable")))
    answer = gateway.post("/s/extend", {"timeout_seconds": 2})
    assert (answer.status, answer.json["expires_at"]) == (200, world.cluster.deadline("s"))
    wait(lambda: "s" not in world.cluster.pods, "the end")
    assert gateway.get("/s/status").json["reason"] == "deadline"


def test_a_shorter_deadline_is_told_again_until_the_agent_hears(world, wait):
    gateway = world.gateway()
    agent = world.ready(gateway, "s", timeout_seconds=600)
    deaf = [2]

    def rule(request, _):
        if request.path != "/v1/deadline" or deaf[0] == 0:
            return UNSET
        deaf[0] -= 1
        return problem(503, "unavailable")
    agent.rules.append(rule)
    assert gateway.post("/s/extend", {"timeout_seconds": 60}).status == 200
    wait(lambda: agent.deadline_ms <= 60_000, "the agent to be told")
    assert agent.deadline_ms > 30_000
    told = len(agent.calls("POST", "/v1/deadline"))
    assert told == 3
    agent.change()
    time.sleep(2.5)  # two more chances to say it
    assert len(agent.calls("POST", "/v1/deadline")) == told, "one that has heard is left alone"


def test_a_shorter_deadline_of_another_gateway_reaches_the_agent(world, wait):
    gateway = world.gateway()
    agent = world.ready(gateway, "s", timeout_seconds=600)
    world.cluster.set_deadline("s", 60)  # by a gateway that died before it could tell the agent
    wait(lambda: gateway.get("/s/status").json["expires_at"] == world.cluster.deadline("s"), "the gateway to know")
    agent.change()
    wait(lambda: agent.deadline_ms <= 60_000, "the agent to be told")


def test_an_agent_that_would_end_before_its_pod_is_told(world, wait):
    gateway = world.gateway()
    agent = world.ready(gateway, "s", timeout_seconds=60)
    world.cluster.set_deadline("s", 900)  # by a gateway that died before it could tell the agent
    wait(lambda: gateway.get("/s/status").json["expires_at"] == world.cluster.deadline("s"), "the gateway to know")
    agent.change()
    wait(lambda: agent.deadline_ms > 800_000, "the agent to be told")


def test_a_watch_that_lags_does_not_end_what_was_extended(world, wait):
    gateway = world.gateway()
    agent = world.ready(gateway, "s", timeout_seconds=3)
    world.cluster.silent = True
    world.cluster.set_deadline("s", 900)
    looks = len(world.cluster.calls("GET", "/pods/s"))
    wait(lambda: len(world.cluster.calls("GET", "/pods/s")) > looks or agent.quiesced, "the gateway to look")
    time.sleep(0.2)
    assert not agent.quiesced
    assert gateway.get("/s/status").json["expires_at"] == world.cluster.deadline("s")


def test_an_api_server_that_hangs_is_not_waited_for_longer_than_the_front_door_does(world):
    gateway = world.gateway()
    world.ready(gateway, "s", timeout_seconds=60)
    silence = threading.Event()
    world.cluster.rules.append(lambda request: silence.wait(60) and None if request.method == "PATCH" else None)
    try:
        answer = gateway.post("/s/extend", {"timeout_seconds": 600})
    finally:
        silence.set()
    # nginx would have given up first, and have said less.
    assert (answer.status, answer.code) == (504, "deadline_exceeded")
    assert "expires_at" in answer.json["detail"]
    assert len(world.cluster.calls("PATCH", "/pods/s")) == 1
