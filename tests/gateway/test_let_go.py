"""Executions that the agent let go, and whose record the store does not keep any more."""


def let_one_go(world, wait, gateway, cleanup):
    """A session in which `one` ran, was stored, let go, and expired in the store; `two` is the newest."""
    agent = world.ready(gateway, "past", cleanup=cleanup)
    for name in ("one", "two"):
        assert gateway.post("/past/exec/python", {"code": name, "execution_id": name}).status == 202
        wait(lambda: agent.executions[name]["stored"], "the result to be stored")
    agent.let_go("one")
    assert world.redis.ask("DEL", "spillway:{past}:x:one") == 1
    return agent


def test_while_the_session_lives_it_is_lost_and_never_runs_again(world, wait):
    # Without a memory of its own the gateway must ask.
    gateway = world.gateway(**{"limits.record_cache": "0"})
    agent = let_one_go(world, wait, gateway, "idle")
    answer = gateway.get("/past/result?execution_id=one")
    assert (answer.status, answer.json["status"], answer.json["execution_id"]) == (200, "lost", "one")
    again = gateway.post("/past/exec/python", {"code": "one", "execution_id": "one"})
    assert (again.status, again.json["status"]) == (202, "completed")
    other = gateway.post("/past/exec/python", {"code": "other", "execution_id": "one"})
    assert (other.status, other.code) == (409, "execution_conflict")
    assert gateway.get("/past/events?execution_id=one").status == 200
    assert agent.ran == ["one", "two"]


def end(world, wait, gateway):
    gateway.delete("/past")
    wait(lambda: gateway.get("/past/status").json["status"] == "stopped" and "past" not in world.cluster.pods, "the end")


def test_after_an_agreed_end_it_is_lost_and_never_runs_again(world, wait):
    first, second = (world.gateway(**{"limits.record_cache": "0"}) for _ in range(2))
    let_one_go(world, wait, first, "completion")
    end(world, wait, first)
    for gateway in (first, second):
        answer = gateway.get("/past/result?execution_id=one")
        assert (answer.status, answer.json["status"]) == (200, "lost")
        again = gateway.post("/past/exec/python", {"code": "one", "execution_id": "one"})
        assert (again.status, again.json["status"]) == (200, "lost")
    assert not world.cluster.pods
    # What never ran is new, since the agent's word is complete.
    assert first.post("/past/exec/python", {"code": "new", "execution_id": "three"}).status == 202
    assert world.cluster.agents["past"].ran == ["three"]


def test_an_agent_that_does_not_tell_them_all_makes_unknown_ids_unsure(world, wait):
    gateway = world.gateway(**{"limits.record_cache": "0"})
    agent = let_one_go(world, wait, gateway, "completion")
    agent.told_let_go = "0123456789ab cdef"
    end(world, wait, gateway)
    answer = gateway.post("/past/exec/python", {"code": "one", "execution_id": "one"})
    assert (answer.status, answer.code) == (409, "session_ended")
    assert not world.cluster.pods
