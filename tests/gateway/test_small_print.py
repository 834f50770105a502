"""What a client reads between the lines: types of bodies, paths that browsers ask for, where an ended session was."""
import socket

import pytest
from scripted.agent import UNSET
from scripted.cluster import status


def ended(world, wait, gateway):
    """A session that ran `one` and was deleted; its agent is gone."""
    agent = world.ready(gateway, "s", cleanup="completion")
    assert gateway.post("/s/exec/python", {"code": "1", "execution_id": "one"}).status == 202
    wait(lambda: agent.executions["one"]["stored"], "the result to be stored")
    answer = gateway.delete("/s")
    assert (answer.status, answer.fields["Spillway-Site"]) == (202, "local")
    wait(lambda: gateway.get("/s/status").json["status"] == "stopped" and not world.cluster.pods, "the end")


def test_an_ended_session_says_where_it_was(world, wait):
    gateway = world.gateway()
    ended(world, wait, gateway)
    for other in (gateway, world.gateway()):  # that one knows it from the store only
        for path in ("/s/status", "/s/result", "/s/executions", "/s/executions/one"):
            answer = other.get(path)
            assert answer.status == 200
            assert (answer.fields["Spillway-Site"], answer.fields["Spillway-Placement"]) == ("local", "local; reason=local_room"), path
        assert other.get("/s/files/list").fields["Spillway-Site"] == "local"
        stored = other.post("/s/exec/python", {"code": "1", "execution_id": "one"})
        assert (stored.status, stored.fields["Spillway-Site"]) == (200, "local")
    assert "Spillway-Site" not in gateway.get("/nobody/status").fields


def test_a_cancel_of_what_had_ended_is_answered_as_one_of_what_runs(world, wait):
    gateway = world.gateway()
    ended(world, wait, gateway)
    answer = gateway.delete("/s/executions/one")
    assert (answer.status, answer.json) == (200, {"execution_id": "one", "status": "completed", "result": "/s/result?execution_id=one"})


def test_a_run_repeated_after_the_end_gives_as_much_as_its_agent_did(world, wait):
    patient = {"redis.timeout": "10s"}  # the store takes its time for a long one on a busy machine
    gateway, another = world.gateway(**patient), world.gateway(**patient)
    agent = world.ready(gateway, "s", cleanup="completion")
    body = {"code": "x" * 300_000, "execution_id": "long"}
    assert gateway.post("/s/exec/python", body).status == 202
    wait(lambda: agent.executions["long"]["stored"], "the result to be stored")
    gateway.delete("/s")
    wait(lambda: gateway.get("/s/status").json["status"] == "stopped", "the end")
    for one in (gateway, another):
        answer = one.post("/s/exec/python", body)
        assert answer.status == 200, answer.json["detail"]
        assert len(answer.json["stdout"]) == 300_000


@pytest.mark.parametrize("path", ["/favicon.ico", "/robots.txt", "/api.json", "/metrics.txt"])
def test_a_reserved_word_with_a_suffix_is_no_id(world, path):
    gateway = world.gateway()
    assert (gateway.get(path).status, gateway.post(path).status) == (404, 404)


@pytest.mark.parametrize("form", ["/s", "/api/v1/sessions/s"])
def test_bodies_that_are_json_say_so(world, form):
    gateway = world.gateway()
    world.ready(gateway, "s")
    for path, body in ((f"{form}/extend", b'{"timeout_seconds":60}'), (f"{form}/contexts", b"{}"), (form if form == "/s" else "/api/v1/sessions", b"{}")):
        for kind in ("text/plain", "application/jsonx", "application/json; charset=utf-16"):
            answer = gateway.post(path, body, fields={"Content-Type": kind})
            assert (answer.status, answer.code) == (415, "unsupported_media_type"), path
    for kind in ("application/json;charset=utf-8", "Application/JSON", "application/x-www-form-urlencoded"):
        assert gateway.post(f"{form}/extend", b'{"timeout_seconds":60}', fields={"Content-Type": kind}).status == 200


def test_code_in_another_charset_is_refused_before_a_session_is_made(world):
    gateway = world.gateway()
    for kind in ("text/plain; charset=iso-8859-1", "text/plain;charset=\"utf-16\"", "application/json; charset=latin1"):
        answer = gateway.post("/new/exec/python", "print('\u00e9')".encode("latin1"), fields={"Content-Type": kind})
        assert (answer.status, answer.code) == (415, "unsupported_media_type"), kind
        assert "UTF-8" in answer.json["detail"]
    assert not world.cluster.pods


@pytest.mark.parametrize("path", ["/s", "/s/exec/python", "/s/files/upload", "/s/extend", "/api/run"])
def test_packed_bodies_are_refused(world, path):
    gateway = world.gateway()
    world.ready(gateway, "s")
    answer = gateway.post(path, b"x", fields={"Content-Encoding": "gzip"})
    assert (answer.status, answer.code) == (415, "unsupported_media_type")
    assert gateway.post("/s/extend", {"timeout_seconds": 60}, fields={"Content-Encoding": "identity"}).status == 200


@pytest.mark.parametrize("form", ["/s", "/api/v1/sessions/s"])
def test_the_synchronous_call_has_both_forms(world, form):
    gateway = world.gateway()
    answer = gateway.post(f"{form}/execute", {"code": "1", "execution_id": "one"})
    assert (answer.status, answer.fields["Spillway-Execution-Id"]) == (202, "one")


def test_the_session_of_a_refused_run_goes_soon(world, wait):
    """As long as an idle session may stay it would hold a place that nobody can ever use."""
    gateway = world.gateway(**{"limits.ready_wait": "1s", "limits.idle": "1h"})

    def refuses(request, _):
        return (400, {"code": "invalid_argument", "status": 400}) if request.path.startswith("/v1/exec/") else UNSET
    world.cluster.agent_rules.append(refuses)
    answer = gateway.post("/api/run", {"code": "1", "nonsense": 1})
    assert (answer.status, answer.code) == (400, "invalid_argument")
    wait(lambda: not world.cluster.pods, "its pod to go")


def test_two_keys_for_one_request_are_refused(world):
    """The front door hashes by one of them; ours might be the other."""
    gateway = world.gateway()
    with socket.create_connection(("127.0.0.1", gateway.ports["port"])) as connection:
        connection.sendall(b"POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nIdempotency-Key: a\r\nIdempotency-Key: a\r\n"
                           b"Connection: close\r\nContent-Length: 0\r\n\r\n")
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 ") and b'"code":"invalid_id"' in answer
    assert not world.cluster.pods


def test_where_a_sandbox_is_is_nobodys_business(world):
    gateway = world.gateway()
    agent = world.ready(gateway, "s")
    agent.server.close()
    for method, path in (("GET", "/s/files/list"), ("GET", "/s/result"), ("POST", "/s/exec/python"), ("GET", "/s/processes"), ("DELETE", "/s/contexts/c")):
        answer = gateway.ask(method, path, b'{"code":"1"}' if method == "POST" else None)
        assert answer.status in (502, 503), path
        assert "sandbox" in answer.json["detail"] and "127." not in answer.json["detail"], answer.json


def test_what_the_cluster_says_of_its_own_insides_is_nobodys_business(world, wait):
    gateway = world.gateway()
    words = 'failed calling webhook "a.b": Post "https://10.9.8.7:443/": connection refused'
    world.cluster.rules.append(lambda request: status(503, "ServiceUnavailable", words) if request.method == "POST" else None)
    answer = gateway.post("/s")
    assert (answer.status, answer.code) == (503, "unavailable")
    assert "10.9.8.7" not in answer.body.decode()
    wait(lambda: any("10.9.8.7" in line for line in gateway.log), "operators to be told")
