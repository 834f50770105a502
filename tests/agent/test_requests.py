"""What is refused, and that the same id is the same execution."""
import pytest

from box import Box


@pytest.mark.parametrize("members,status,code,word", [
    ({"timeout_seconds": 0}, 400, "invalid_argument", "timeout_seconds"),
    ({"timeout_seconds": -1}, 400, "invalid_argument", "timeout_seconds"),
    ({"timeout_seconds": "5"}, 400, "invalid_argument", "timeout_seconds"),
    ({"timeout_seconds": True}, 400, "invalid_argument", "timeout_seconds"),
    ({"timeout_seconds": 1e308}, 400, "limit_exceeded", "300"),
    ({"timeout_seconds": 300.5}, 400, "limit_exceeded", "300"),
    ({"timeout_seconds": 10**30}, 400, None, ""),
    ({"nonsense": 1}, 400, "invalid_argument", "nonsense"),
    ({"context": "a"}, 404, "context_not_found", "a"),
    ({"context": "a/b"}, 400, "invalid_id", "context"),
    ({"context": "a", "stdin_open": True}, 400, "invalid_argument", "stdin_open"),
    ({"stdin_file": "no-such"}, 404, "file_not_found", "stdin_file"),
    ({"stdin_file": ""}, 400, "invalid_argument", "stdin_file"),
    ({"stdin_file": "/etc/passwd"}, 400, "invalid_argument", "stdin_file"),
    ({"stdin_file": "../etc/passwd"}, 400, "invalid_argument", "stdin_file"),
    ({"stdin_file": "a\0b"}, 400, None, ""),
    ({"stdin_file": 1}, 400, "invalid_argument", "stdin_file"),
    ({"stdin_file": "a", "stdin": ""}, 400, "invalid_argument", "stdin_file"),
    ({"stdin_file": "a", "stdin_open": True}, 400, "invalid_argument", "stdin_file"),
    ({"event": {}}, 400, "invalid_argument", "event"),
    ({"code": 5}, 400, "invalid_argument", "code"),
    ({"args": "x"}, 400, "invalid_argument", "args"),
    ({"args": [1]}, 400, "invalid_argument", "args"),
    ({"args": ["x"] * 257}, 400, "limit_exceeded", "256"),
    ({"args": ["x" * 70000]}, 400, "limit_exceeded", "65536"),
    ({"env": {"A=B": "x"}}, 400, "invalid_argument", "env"),
    ({"env": {"": "x"}}, 400, "invalid_argument", "env"),
    ({"env": {"SPILLWAY_X": "x"}}, 400, "invalid_argument", "SPILLWAY_"),
    ({"env": {"A": 1}}, 400, "invalid_argument", "env"),
    ({"env": {"A": "x\0y"}}, 400, None, ""),
    ({"filename": "../x"}, 400, "invalid_argument", "filename"),
    ({"filename": ".."}, 400, "invalid_argument", "filename"),
    ({"filename": "-c"}, 400, "invalid_argument", "filename"),
    ({"cwd": "/nowhere"}, 400, "invalid_argument", "cwd"),
    ({"execution_id": "a/b"}, 400, "invalid_id", "execution_id"),
    ({"execution_id": "x" * 65}, 400, "invalid_id", "execution_id"),
    ({"execution_id": ""}, 400, "invalid_id", "execution_id"),
    ({"stdin": 1}, 400, "invalid_argument", "stdin"),
    ({"stdin_open": 1}, 400, "invalid_argument", "stdin_open"),
    ({"stdin": "x" * 1048577}, 413, "payload_too_large", "1048576"),
    ({"code": "x" * 1048577}, 413, "payload_too_large", "1048576"),
])
def test_refused(box, members, status, code, word):
    before = box.activity()["executions"]
    r = box.call("POST", "/v1/exec/bash", {"code": "true", **members})
    assert r.status == status, r
    assert code is None or r.json["code"] == code
    assert word in r.json["detail"]
    assert box.activity()["executions"] == before


@pytest.mark.parametrize("body,status", [
    (b"", 400), (b"[]", 400), (b"{", 400), (b'{"code":"a","code":"b"}', 400), (b'{"code":NaN}', 400), (b"[" * 5000, 400),
    (b'{"code":"\xff"}', 400), (b'{"code":"\\ud800"}', 400), (b'{"args":[]}', 400), (b"x" * (5 * 1024 * 1024), 413),
])
def test_bad_bodies(box, body, status):
    r = box.call("POST", "/v1/exec/bash", body, {"Content-Type": "application/json"})
    assert r.status == status, r


@pytest.mark.parametrize("content_type,status", [(None, 415), ("text/html", 415), ("application/jsonp", 415),
                                                 ("APPLICATION/JSON; charset=utf-8", 202), ("application/json; charset=utf-16", 415),
                                                 ("text/plain; charset=iso-8859-1", 415), ('text/plain;charset="UTF-8"', 202)])
def test_content_types(box, content_type, status):
    r = box.call("POST", "/v1/exec/bash", b'{"code":"true"}', {"Content-Type": content_type} if content_type else {})
    assert r.status == status, r


def test_text_over_the_limit(box):
    r = box.call("POST", "/v1/exec/bash", b"#" * 1048577, {"Content-Type": "text/plain"})
    assert r.status == 413


def test_unknown_language_names_what_there_is(box):
    r = box.call("POST", "/v1/exec/cobol", {"code": ""})
    assert r.status == 400 and r.json["code"] == "unknown_language" and "python" in r.json["detail"]


def test_unknown_calls(box):
    assert box.call("GET", "/v2/x").status == 404
    r = box.call("PUT", "/v1/result", b"")
    assert r.status == 405 and "GET" in r.fields["Allow"]


@pytest.mark.parametrize("token", [None, "b" * 64, "a" * 63, "a" * 65, ""])
def test_wrong_tokens(box, token):
    for method, target in (("GET", "/v1/activity"), ("POST", "/v1/exec/bash"), ("GET", "/v1/result"), ("GET", "/v9")):
        assert box.call(method, target, token=token).status == 401


def test_not_started_yet():
    with Box(start=False) as box:
        r = box.call("POST", "/v1/exec/bash", {"code": "true"})
        assert r.status == 503 and r.json["code"] == "session_not_ready" and "Retry-After" in r.fields
        assert box.call("POST", "/v1/start", {"epoch": "0" * 32, "deadline_ms": 1000}).status == 409
        assert box.start(env={"FROM_SESSION": "s"})["started"] is True
        box.start(env={"FROM_SESSION": "other"})
        assert box.run("bash", "echo $FROM_SESSION")["stdout"] == "s\n"


def test_same_id_runs_once(box):
    body = {"code": "echo x >> /workspace/once; sleep 0.2; echo ran", "execution_id": "the-one"}
    for _ in range(3):
        r = box.call("POST", "/v1/exec/bash", body)
        assert r.status == 202 and r.json["execution_id"] == "the-one"
    r = box.call("POST", "/v1/exec/bash?wait=10", body)
    assert r.status == 200 and r.json["stdout"] == "ran\n"
    assert box.run("bash", "cat /workspace/once")["stdout"] == "x\n"


def test_same_id_with_another_body_is_a_conflict(box):
    assert box.call("POST", "/v1/exec/bash", {"code": "true", "execution_id": "c1"}).status == 202
    for language, body in (("bash", {"code": "false"}), ("python", {"code": "true"}), ("bash", {"code": "true", "args": ["x"]})):
        r = box.call("POST", f"/v1/exec/{language}", {**body, "execution_id": "c1"})
        assert r.status == 409 and r.json["code"] == "execution_conflict"


def test_order_of_members_makes_no_other_body(box):
    one = b'{"code":"true","args":[],"execution_id":"order-1"}'
    two = b'{ "execution_id" : "order-1", "args":[], "code":"true" }'
    for body in (one, two):
        assert box.call("POST", "/v1/exec/bash", body, {"Content-Type": "application/json"}).status == 202


def test_idempotency_key(box):
    fields = {"Idempotency-Key": "key.1"}
    for _ in range(2):
        r = box.call("POST", "/v1/exec/bash", {"code": "echo k >> /workspace/key"}, fields)
        assert r.status == 202 and r.json["execution_id"] == "key.1"
    assert box.ended("key.1")["status"] == "completed"
    assert box.run("bash", "cat /workspace/key")["stdout"] == "k\n"
    r = box.call("POST", "/v1/exec/bash", {"code": "true", "execution_id": "named"}, fields)
    assert r.json["execution_id"] == "named"
    assert box.call("POST", "/v1/exec/bash", {"code": "true"}, {"Idempotency-Key": "a b"}).status == 400


def test_too_many_at_once(fresh):
    ids = [fresh.submit("bash", "sleep 20") for _ in range(4)]
    r = fresh.call("POST", "/v1/exec/bash", {"code": "true"})
    assert r.status == 429 and r.json["code"] == "too_many_executions" and "4" in r.json["detail"]
    assert fresh.call("DELETE", f"/v1/executions/{ids[0]}").status == 202
    assert fresh.ended(ids[0])["status"] == "killed"
    assert fresh.run("bash", "echo free")["stdout"] == "free\n"


def test_list_and_one(box):
    eid = box.run("bash", "echo a")["execution_id"]
    body = box.call("GET", "/v1/executions").json
    assert body["continue"] is None and body["items"][-1]["execution_id"] == eid and "stdout" not in body["items"][-1]
    assert box.call("GET", f"/v1/executions/{eid}").json["status"] == "completed"
    assert box.call("GET", "/v1/executions/nobody").status == 404
    assert box.call("DELETE", f"/v1/executions/{eid}").status == 200
