"""The list of executions by pages, and single ones, while the agent has them and after."""
import time

import pytest
from scripted.agent import UNSET

NAMES = [f"e{n}" for n in range(7)]


@pytest.fixture
def ran(world, wait):
    gateway = world.gateway()
    agent = world.ready(gateway, "s", cleanup="idle")
    for name in NAMES:
        assert gateway.post("/s/exec/python", {"code": name, "execution_id": name}).status == 202
    wait(lambda: all(agent.executions[name]["stored"] for name in NAMES), "all to be stored")
    return gateway, agent


def pages(gateway, limit):
    token, found = "", []
    while True:
        answer = gateway.get(f"/s/executions?limit={limit}" + (f"&continue={token}" if token else "")).json
        assert len(answer["items"]) <= limit
        found.append([item["execution_id"] for item in answer["items"]])
        token = answer["continue"]
        if not token:
            return found


def end(world, wait, gateway):
    gateway.delete("/s")
    wait(lambda: gateway.get("/s/status").json["status"] == "stopped" and not world.cluster.pods, "the end")


def test_pages_give_each_once_and_in_order(world, wait, ran):
    gateway, _ = ran
    for _ in range(2):  # of the agent, then of the tombstone
        assert pages(gateway, 3) == [NAMES[:3], NAMES[3:6], NAMES[6:]]
        assert pages(gateway, 7) == [NAMES]
        assert pages(gateway, 100) == [NAMES]
        for bad in ("limit=0", "limit=1001", "limit=x", "continue=../x"):
            assert gateway.get(f"/s/executions?{bad}").status == 400
        if world.cluster.pods:
            end(world, wait, gateway)


def test_one_whose_pod_was_taken_away_is_read_from_its_record(world, wait, ran):
    gateway, _ = ran
    second = world.gateway()
    world.cluster.remove("s")
    wait(lambda: gateway.get("/s/status").json["status"] == "error", "the loss to be seen")
    for asked in (gateway, second):
        answer = asked.get("/s/executions/e3")
        assert (answer.status, answer.json["status"], answer.json["exit_code"]) == (200, "completed", 0)
        answer = asked.delete("/s/executions/e3")
        assert (answer.status, answer.json["status"], answer.json["execution_id"]) == (200, "completed", "e3")
        assert asked.get("/s/executions/none").code == "execution_not_found"


def test_one_that_the_agent_let_go_is_read_from_its_record_or_lost(world, ran):
    gateway, agent = ran
    agent.let_go("e1")
    for call in (gateway.get, gateway.delete):
        assert call("/s/executions/e1").json["status"] == "completed"
    fresh = world.gateway()  # without a memory of it
    world.redis.ask("DEL", "spillway:{s}:x:e1")
    answer = fresh.get("/s/executions/e1")
    assert (answer.status, answer.json["status"]) == (200, "lost")


def test_what_ended_while_another_was_copied_is_copied_next(world, wait):
    """The agent's word of the second comes before its answer that the first is stored."""
    gateway = world.gateway()
    agent = world.ready(gateway, "s", cleanup="idle")

    def slow(request, _):
        if not request.path.endswith("/one/stored"):
            return UNSET
        gateway.post("/s/exec/python", {"code": "x", "execution_id": "two"})
        answer = agent.stored(request, "one")
        time.sleep(0.5)  # the long-poll is answered meanwhile
        return answer
    agent.rules.append(slow)
    gateway.post("/s/exec/python", {"code": "x", "execution_id": "one"})
    wait(lambda: "two" in agent.executions and agent.executions["two"]["stored"], "both to be stored", 10)
