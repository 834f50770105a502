"""A14: a pod that answers with hostile HTTP and JSON. It spoils its own session, and nothing else."""
import http.client
import itertools
import json
import threading
import time

import pytest
from scripted.agent import UNSET

OK = b"HTTP/1.1 200 OK\r\n"
ANSWERS = {
    "a head of 64 KiB": OK + b"X-A: " + b"a" * 65536 + b"\r\nContent-Length: 2\r\n\r\n{}",
    "a thousand fields": OK + b"".join(b"X-%d: a\r\n" % n for n in range(1000)) + b"Content-Length: 2\r\n\r\n{}",
    "a flood of 1xx": b"HTTP/1.1 102 Processing\r\n\r\n" * 1000 + OK + b"Content-Length: 2\r\n\r\n{}",
    "switching protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "a negative length": OK + b"Content-Length: -2\r\n\r\n{}",
    "a length that is none": OK + b"Content-Length: 0x2\r\n\r\n{}",
    "a length beyond 64 bits": OK + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
    "length and chunks": OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "an obs-fold": OK + b"X-A: a\r\n  b\r\nContent-Length: 2\r\n\r\n{}",
    "a field with NUL": OK + b"X-A: a\0b\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/0.9": b"{}",
    "HTTP/2": b"\0\0\x12\x04\0\0\0\0\0" * 4,
    "status 0": b"HTTP/1.1 000 Nothing\r\nContent-Length: 2\r\n\r\n{}",
    "status 9999": b"HTTP/1.1 9999 Much\r\nContent-Length: 2\r\n\r\n{}",
    "nothing": b"",
    "half a head": OK + b"Content-Le",
}


def raw(path, data):
    """Sends these bytes as the answer, and closes."""
    def rule(request, connection):
        if request.path != path:
            return UNSET
        connection.sendall(data)
        return None
    return rule


@pytest.fixture
def pair(world):
    """A gateway, the agent that turns hostile, and a check that the neighbour's session is as ever."""
    gateway = world.gateway()
    agent = world.ready(gateway, "bad", cleanup="idle")
    good = world.ready(gateway, "good", cleanup="idle")
    gateway.post("/good/exec/python", {"code": "fine", "execution_id": "one"})
    counter = itertools.count()

    def neighbour():
        name = f"n{next(counter)}"
        assert gateway.post("/good/exec/python", {"code": name, "execution_id": name}).status == 202
        assert gateway.get(f"/good/result?execution_id={name}").json["stdout"] == name
        assert gateway.get("/good/status").json["status"] in ("ready", "executing")
        assert good.ran.count(name) == 1
    return gateway, agent, neighbour


@pytest.mark.parametrize("what", ANSWERS)
def test_what_is_no_http_is_502_for_that_session_alone(pair, what):
    gateway, agent, neighbour = pair
    calls = [("GET", "/bad/result", "/v1/result"), ("POST", "/bad/exec/python", "/v1/exec/python"), ("GET", "/bad/executions", "/v1/executions"),
             ("POST", "/bad/extend", "/v1/deadline")]
    for method, target, path in calls:
        agent.rules[:] = [raw(path, ANSWERS[what])]
        body = {"POST /bad/exec/python": {"code": "x"}, "POST /bad/extend": {"timeout_seconds": 7200}}.get(f"{method} {target}")
        answer = gateway.ask(method, target, body)
        assert (answer.status, answer.json["status"]) == (502, 502), (target, answer.body)
        neighbour()


def test_a_body_that_ends_early_is_cut_not_completed(pair):
    gateway, agent, neighbour = pair
    for body in (b"Content-Length: 100\r\n\r\n{}", b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}", b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n"):
        agent.rules[:] = [raw("/v1/result", OK + body)]
        try:
            assert gateway.get("/bad/result").status == 502
        except (http.client.IncompleteRead, ConnectionResetError, http.client.RemoteDisconnected):
            pass
        neighbour()


def test_a_second_answer_reaches_nobody(pair):
    gateway, agent, neighbour = pair
    second = OK + b'Content-Length: 19\r\n\r\n{"stdout":"planted"}'
    agent.rules[:] = [raw("/v1/result", OK + b"Content-Length: 2\r\n\r\n{}" + second)]
    assert gateway.get("/bad/result").body == b"{}"
    agent.rules.clear()
    for _ in range(5):
        assert b"planted" not in gateway.get("/bad/executions").body
    neighbour()


def test_fields_that_would_act_on_the_client_or_nginx_are_taken_out(pair):
    gateway, agent, _ = pair
    fields = b"Set-Cookie: a=b\r\nX-Accel-Redirect: /internal\r\nX-Accel-Buffering: no\r\nConnection: X-Secret\r\nX-Secret: 1\r\n"
    agent.rules[:] = [raw("/v1/result", OK + fields + b"Content-Length: 2\r\n\r\n{}")]
    answer = gateway.get("/bad/result")
    assert not {name.lower() for name in answer.fields} & {"set-cookie", "x-accel-redirect", "x-accel-buffering", "x-secret"}


def test_an_agent_that_hangs_is_504_and_holds_up_nobody(pair):
    gateway, agent, neighbour = pair
    release = threading.Event()

    def hang(request, connection):
        if request.path not in ("/v1/result", "/v1/executions"):
            return UNSET
        if request.path == "/v1/executions" or "half" in request.target:
            connection.sendall(OK + b"Content-Length: 100\r\n\r\n{")  # and no more
        release.wait(60)
    agent.rules[:] = [hang]
    # A result goes through as it comes: its head is out already. A list is read here before any of it goes out.
    expected = {"/bad/result": 504, "/bad/result?execution_id=half": "cut", "/bad/executions": 504}
    ends = {}

    def ask(target):
        try:
            ends[target] = gateway.get(target).status
        except (http.client.HTTPException, OSError):
            ends[target] = "cut"
    threads = [threading.Thread(target=ask, args=(target,)) for target in expected]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        neighbour()
    release.set()
    assert ends == expected


def test_a_reply_without_end_is_not_collected_for_ever(pair, wait):
    gateway, agent, neighbour = pair
    sent = [0]

    def flood(request, connection):
        if request.path != "/v1/activity":
            return UNSET
        connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
            sent[0] += 65536
    agent.rules[:] = [flood]
    agent.change()
    wait(lambda: sent[0] > 0, "the flood to begin")
    for _ in range(10):
        neighbour()
    assert gateway.get("/bad/status").status == 200


def test_numbers_that_no_agent_says_change_nothing(pair, wait):
    gateway, agent, neighbour = pair
    before = gateway.get("/bad/status").json
    asked = [0]
    words = iter([("idle_ms", "-9223372036854775808"), ("deadline_ms", "9223372036854775807"), ("idle_ms", "9223372036854775807"),
                  ("running", "-9223372036854775808"), ("unstored", '"x"'), ("seq", "1e308"), ("executions", "NaN"), ("last_end_ms", "[]")])

    def lie(request, connection):
        if request.path != "/v1/activity":
            return UNSET
        name, number = next(words, ("tended_ms", "-1"))
        text = json.dumps({**agent.activity(), name: "@"}).replace('"@"', number)
        asked[0] += 1
        return 200, text.encode()
    agent.rules[:] = [lie]
    agent.change()
    wait(lambda: asked[0] >= 8, "lies to be told", 60)
    neighbour()
    after = gateway.get("/bad/status").json
    assert (after["status"], after["expires_at"]) == (before["status"], before["expires_at"])
    agent.rules.clear()
    assert gateway.post("/bad/exec/python", {"code": "x", "execution_id": "honest"}).status == 202
    wait(lambda: agent.executions["honest"]["stored"], "the result to be stored")


def test_an_agent_that_never_waits_is_not_asked_without_end(pair, wait):
    gateway, agent, neighbour = pair
    asked = [0]

    def hasten(request, connection):
        if request.path != "/v1/activity":
            return UNSET
        asked[0] += 1
        agent.seq += 1
        return 200, agent.activity()
    agent.rules[:] = [hasten]
    agent.change()
    wait(lambda: asked[0] >= 60, "the gateway to ask")
    neighbour()
    # The 60 are what may come at once; then 50 a second, however quick the agent is.
    before, begin = asked[0], time.monotonic()
    while time.monotonic() < begin + 2:
        neighbour()
    assert (asked[0] - before) / (time.monotonic() - begin) < 150


@pytest.mark.parametrize("items", [[1], [None], [{"execution_id": "../.."}], [{"execution_id": 7}], "x", {}])
def test_a_list_that_is_none_ends_the_session_without_it(pair, wait, items):
    gateway, agent, neighbour = pair
    gateway.post("/bad/exec/python", {"code": "x", "execution_id": "one"})
    wait(lambda: agent.executions["one"]["stored"], "the result to be stored")
    agent.rules[:] = [lambda request, connection: (200, {"items": items}) if request.path == "/v1/executions" else UNSET]
    assert gateway.delete("/bad").status == 202
    wait(lambda: gateway.get("/bad/status").json["status"] == "stopped", "the end")
    # What this gateway knows is said, and that it may not be all.
    assert [item["execution_id"] for item in gateway.get("/bad/executions").json["items"]] == ["one"]
    assert gateway.post("/bad/exec/python", {"code": "x", "execution_id": "unsure"}).code == "session_ended"
    neighbour()
