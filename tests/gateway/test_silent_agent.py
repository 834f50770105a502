"""A gateway that took a session over and whose calls its agent does not answer: it knows nothing of what ran there, and says so. "Nothing
was submitted" and "there is no such execution" would be guesses."""
import pytest

ASKED = [("GET", "/s/result"), ("GET", "/s/result?execution_id=old"), ("GET", "/s/executions"), ("GET", "/s/executions/old"),
         ("DELETE", "/s/executions/old"), ("POST", "/s/executions/old/stdin"), ("GET", "/s/events"), ("GET", "/s/events?execution_id=old")]


@pytest.fixture
def heir(world):
    """Another gateway ran `old` in the session `s`; this one comes when the way to its agent is cut."""
    first = world.gateway()
    agent = world.ready(first, "s", cleanup="idle")
    assert first.post("/s/exec/python", {"code": "x", "execution_id": "old"}).status == 202
    agent.rules.append(lambda request, connection: connection.close())
    return world.gateway()


@pytest.mark.parametrize("method, target", ASKED)
def test_what_nobody_can_know_is_not_said(heir, method, target):
    answer = heir.ask(method, target, b"" if method == "POST" else None)
    assert (answer.status, answer.code) == (503, "unavailable"), answer.body


def test_it_is_known_again_when_the_agent_answers(world, heir, wait):
    assert heir.get("/s/executions").status == 503
    world.cluster.agents["s"].rules.clear()
    wait(lambda: heir.get("/s/executions").status == 200, "the agent to be heard")
    assert [item["execution_id"] for item in heir.get("/s/executions").json["items"]] == ["old"]
    assert heir.get("/s/result").json["stdout"] == "x"


def test_a_session_that_is_being_made_has_nothing_yet(world):
    """Its pod is not there yet: that nothing was submitted is certain."""
    world.cluster.binds = False
    first, second = world.gateway(), world.gateway()
    assert first.post("/s", {"cleanup": "idle"}).status == 201
    for gateway in (first, second):
        assert gateway.get("/s/result").json["status"] == "pending"
        assert gateway.get("/s/executions").json["items"] == []
