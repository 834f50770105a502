"""Code for an agent that hangs: an answer comes before nginx would end the wait, and says whether anything was submitted."""
import concurrent.futures
import threading

from scripted.agent import UNSET

FRONT_EXEC = 30  # s, of gateway/timeouts.def: when nginx ends the wait


def test_code_that_is_not_acknowledged_is_answered(world):
    """As it comes, as text, and held because its session may just be ending; all at once, as each waits."""
    gateway = world.gateway()
    agents = {"idle": world.ready(gateway, "idle", cleanup="idle"), "completion": world.ready(gateway, "completion", cleanup="completion")}
    end = threading.Event()

    def rule(request, _):
        if not request.path.startswith("/v1/exec/"):
            return UNSET
        end.wait(60)
        return None
    for agent in agents.values():
        agent.rules.append(rule)
    asked = [("/idle/exec/python", b'{"code":"1","execution_id":"one"}', "application/json"), ("/idle/exec/python", b"1", "text/plain"),
             ("/completion/exec/python", b'{"code":"1"}', "application/json")]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda each: gateway.ask("POST", each[0], each[1], {"Content-Type": each[2]}, timeout=FRONT_EXEC), asked))
    end.set()
    for answer in answers:
        assert (answer.status, answer.code) == (504, "deadline_exceeded")
        assert "runs once at most" in answer.json["detail"]
    assert [len(agents[name].calls("POST", "/v1/exec/python")) for name in agents] == [2, 1], "never sent a second time"


def test_an_agent_that_is_not_there_has_nothing(world):
    gateway = world.gateway()
    for cleanup in ("idle", "completion"):
        agent = world.ready(gateway, cleanup, cleanup=cleanup)
        agent.server.close()
        answer = gateway.post(f"/{cleanup}/exec/python", {"code": "1"}, timeout=FRONT_EXEC)
        assert (answer.status, answer.code) == (503, "unavailable")
        assert "nothing was submitted" in answer.json["detail"] and int(answer.fields["Retry-After"]) > 0
        assert agent.ran == []
