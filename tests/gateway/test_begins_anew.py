"""An execution that finds its completion session ended begins a new one; an id that ran there is that execution."""
import pytest
from scripted.remote import full
from test_several_sites import wait_heard


def quiesced(world, first):
    """A completion session whose agent has agreed to end, and a second gateway, which has not heard of that."""
    agent = world.ready(first, "s", cleanup="completion")
    second = world.gateway()
    assert first.post("/s/exec/python", {"code": "old", "execution_id": "old"}).status == 202
    return agent, second


def test_code_for_a_session_that_has_just_ended_runs_in_a_new_one(world, wait):
    first = world.gateway()
    agent, second = quiesced(world, first)
    wait(lambda: agent.executions["old"]["stored"], "the result to be stored")
    agent.quiesced = True  # nobody has said so, not even to the gateway that tends it: that one may be dead
    answer = second.post("/s/exec/python", {"code": "new", "execution_id": "new"})
    assert (answer.status, answer.fields["Spillway-Execution-Id"]) == (202, "new")
    assert agent.ran == ["old"]
    assert world.cluster.agents["s"] is not agent
    assert world.cluster.agents["s"].ran == ["new"]
    # What ran before the end was told is known, not run again.
    again = second.post("/s/exec/python", {"code": "old", "execution_id": "old"})
    assert (again.status, again.json["stdout"]) == (200, "old")
    assert world.cluster.agents["s"].ran == ["new"]


def test_an_idle_session_that_has_just_ended_is_not_begun_anew(world):
    first = world.gateway()
    agent = world.ready(first, "s", cleanup="idle")
    second = world.gateway()
    agent.quiesced = True
    answer = second.post("/s/exec/python", {"code": "new"})
    assert (answer.status, answer.code) == (409, "session_ended")
    assert world.cluster.agents["s"] is agent


@pytest.mark.parametrize("living", [False, True], ids=["ended", "begun anew"])
def test_another_body_under_an_earlier_sessions_id_is_a_conflict(world, wait, living):
    first = world.gateway()
    agent, second = quiesced(world, first)
    wait(lambda: agent.executions["old"]["stored"], "the result to be stored")
    first.delete("/s")
    wait(lambda: first.get("/s/status").json["status"] == "stopped" and not world.cluster.pods, "the end")
    if living:
        assert second.post("/s/exec/python", {"code": "x", "execution_id": "x"}).status == 202
    for gateway in (first, second):
        for body in ({"code": "old", "execution_id": "old"}, {"execution_id": "old", "code": "old"}):
            same = gateway.post("/s/exec/python", body)
            assert (same.status, same.json["stdout"]) == (200, "old")
            assert "fingerprint" not in same.json
        keyed = gateway.post("/s/exec/python", {"code": "old"}, fields={"Idempotency-Key": "old"})
        assert (keyed.status, keyed.json["execution_id"]) == (200, "old")
        for body in ({"code": "other", "execution_id": "old"}, {"code": "old", "args": ["1"], "execution_id": "old"}):
            other = gateway.post("/s/exec/python", body)
            assert (other.status, other.code) == (409, "execution_conflict")
    assert agent.ran == ["old"]
    assert world.cluster.agents["s"].ran == (["x"] if living else ["old"])


def test_what_ran_before_is_known_behind_a_move_that_failed(world, wait):
    """The pod that told of the earlier life is gone, and so is the gateway that made it."""
    cloud = world.remote("cloud")
    gateway = world.gateway()
    wait_heard(world, wait, gateway)
    agent = world.ready(gateway, "s", cleanup="completion")
    assert gateway.post("/s/exec/python", {"code": "old", "execution_id": "old"}).status == 202
    wait(lambda: agent.executions["old"]["stored"], "the result to be stored")
    gateway.delete("/s")
    wait(lambda: gateway.get("/s/status").json["status"] == "stopped" and not world.cluster.pods, "the end")
    world.cluster.binds = False
    cloud.rules.append(lambda request: full() if request.method == "POST" else None)
    assert gateway.post("/s", {"cleanup": "completion"}).json["placement"]["kind"] == "local"
    wait(lambda: world.redis.ask("EXISTS", "spillway:{s}:t") == 0, "its earlier tombstone to go")
    with world.cluster.lock:
        world.cluster.patch(world.cluster.pods["s"], {"status": {"phase": "Failed", "reason": "Evicted"}})
    wait(lambda: gateway.get("/s/status").json["status"] == "error", "the move to fail")
    assert cloud.created() == ["s"] and not world.cluster.pods
    wait(lambda: world.redis.ask("EXISTS", "spillway:{s}:t") == 1, "its end to be told")
    gateway.process.kill()
    gateway.process.wait()
    world.gateways.remove(gateway)
    world.cluster.binds = True
    again = world.gateway().post("/s/exec/python", {"code": "old", "execution_id": "old"})
    assert (again.status, again.json["stdout"]) == (200, "old")
