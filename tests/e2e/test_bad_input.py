"""Everything malformed is refused with a problem that names the cause, and costs a neighbour nothing."""
import http.client
import json
import threading
import time
import urllib.parse

import pytest
from harness import problems
from harness.client import raw
from harness.session import Session, new_id

RESERVED = ["api", "metrics", "healthz", "docs", "sessions", "exec", "files", "result", "run", "v1", "admin", "watermark"]


@pytest.fixture(scope="module", autouse=True)
def neighbour(shared_site):
    """A session that is asked all the time while bad input arrives; its answers must stay right."""
    session = Session(shared_site.client)
    shared_site.kept.add(session.id)
    session.start(cleanup="idle", idle_timeout_seconds=600)
    mark = new_id("mark")
    execution = session.run(f"print('{mark}')")["execution_id"]
    stop, wrong, asked = threading.Event(), [], [0]

    def watch():
        while not stop.is_set():
            try:
                answer = session.result(execution)
                if answer["stdout"] != mark + "\n" or answer["session_id"] != session.id:
                    wrong.append(answer)
            except Exception as error:
                wrong.append(repr(error))
            asked[0] += 1
            time.sleep(0.02)

    thread = threading.Thread(target=watch)
    thread.start()
    yield session
    stop.set()
    thread.join()
    shared_site.kept.discard(session.id)
    session.end()
    assert asked[0] > 0 and not wrong, wrong[:5]


@pytest.mark.parametrize("name", ["-a", "a-", "A", "aB", "a.b", "a_b", "a" * 64, "ü", "%61", "a%2fb", "a%00b", "a b".replace(" ", "+"),
                                  "..", ".", "a;b", "a,b", "a@b", "a~b"])
def test_malformed_session_ids(client, name):
    for method, path in (("POST", f"/{name}"), ("GET", f"/{name}/status"), ("POST", f"/{name}/exec/python"),
                         ("GET", f"/api/v1/sessions/{name}"), ("DELETE", f"/{name}")):
        path = path.encode().decode("latin-1") if name.isascii() else "".join(
            char if char.isascii() else "".join(f"%{byte:02x}" for byte in char.encode()) for char in path)
        reply = client.send(method, path, json_body={"code": "1"} if method == "POST" else None)
        problems.check(reply, 400, "invalid_id", "bad_request")


@pytest.mark.parametrize("name", ["", "-a", "A", "a.b", "a" * 64, "a/b", "../a", "a\u0000b", "a\r\nX: y", "ü"])
def test_malformed_session_ids_in_the_body(client, name):
    problems.check(client.post("/api/v1/sessions", {"session_id": name}), 400, "invalid_id", "bad_json", "invalid_argument")


@pytest.mark.parametrize("name", ["-a", "A", "a.b", "a" * 64, "a/b"])
def test_malformed_session_ids_in_the_header(client, name):
    problems.check(client.post("/api/v1/sessions", {}, headers={"X-Session-Id": name}), 400, "invalid_id")


@pytest.mark.parametrize("name", RESERVED)
def test_reserved_words_are_no_ids(client, name):
    problems.check(client.post("/api/v1/sessions", {"session_id": name}), 400, "reserved_id")
    problems.check(client.get(f"/{name}/nothing-here"), 404)


@pytest.mark.parametrize("path", ["//status", "/a//status", "/a/./status", "/a/../status", "/%2e%2e/status", "/a/exec//python",
                                  "/api/v1/sessions//", "/a/exec/%70ython"])
def test_confusing_paths_are_refused_not_cleaned(site, path):
    reply = raw(site.url, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())[0]
    problems.check(reply, 400, "bad_request", "invalid_id")


def deep(levels):
    return b'{"metadata":' + b"[" * levels + b"]" * levels + b"}"


JSON_BODIES = {
    "empty text": b"", "half": b'{"timeout_seconds":', "list": b"[]", "number": b"7", "text": b'"x"', "null": b"null",
    "behind": b"{} {}", "comment": b"{/* */}", "comma": b'{"metadata":{},}', "not a number": b'{"timeout_seconds":NaN}',
    "infinity": b'{"timeout_seconds":Infinity}', "same key twice": b'{"timeout_seconds":5,"timeout_seconds":6}',
    "lone surrogate": b'{"metadata":{"a":"\\ud800"}}', "not UTF-8": b'{"metadata":{"a":"\xff"}}',
    "NUL": b'{"metadata":{"a":"\\u0000"}}', "deep": deep(2000), "unknown member": b'{"tiemout_seconds":5}',
}


@pytest.mark.parametrize("case", [case for case in JSON_BODIES if case != "empty text"])
def test_bad_json_on_create(client, case):
    reply = client.post(f"/{new_id()}", body=JSON_BODIES[case], headers={"Content-Type": "application/json"})
    problems.check(reply, 400, "bad_json", "invalid_argument")


@pytest.mark.parametrize("case", [case for case in JSON_BODIES if case not in ("unknown member",)])
def test_bad_json_on_exec(client, neighbour, case):
    reply = client.post(f"/{neighbour.id}/exec/python", body=JSON_BODIES[case], headers={"Content-Type": "application/json"})
    problems.check(reply, 400, "bad_json", "invalid_argument", "bad_request")


WRONG_VALUES = [
    {"timeout_seconds": 0}, {"timeout_seconds": -1}, {"timeout_seconds": 1e308}, {"timeout_seconds": "5"},
    {"timeout_seconds": True}, {"timeout_seconds": None, "idle_timeout_seconds": 0}, {"timeout_seconds": 10 ** 30},
    {"timeout_seconds": 86401}, {"idle_timeout_seconds": -5}, {"idle_timeout_seconds": 1e308}, {"idle_timeout_seconds": []},
    {"cleanup": "never"}, {"cleanup": 1}, {"placement": 5}, {"environment": "no-such-environment"}, {"environment": 5},
    {"resources": {"cpu": "many"}}, {"resources": {"cpu": "-1"}}, {"resources": {"memory": "1e308"}}, {"resources": {"memory": "100Ti"}},
    {"resources": []}, {"resources": {"gpu": 1}}, {"env": {"A": 1}}, {"env": {"A=B": "x"}}, {"env": {"": "x"}}, {"env": ["A=B"]},
    {"env": {"A": "x\u0000y"}}, {"metadata": "x"}, {"metadata": {"a": {"b": {"c": 1}}}, "env": 7}, {"session_id": 7}, {"runtime_class": 7},
    {"runtime_class": "a b"},
]


@pytest.mark.parametrize("body", WRONG_VALUES, ids=lambda body: json.dumps(body)[:60])
def test_wrong_values_on_create(site, client, body):
    name = new_id()
    reply = client.post(f"/{name}", body)
    problem = problems.check(reply, 400)
    assert problem["code"] in ("invalid_argument", "limit_exceeded", "unknown_environment", "bad_json", "invalid_id"), problem
    assert problem.get("detail"), problem
    assert site.node().pod(name) is None


@pytest.mark.parametrize("body", [
    {"code": 5}, {"code": None}, {}, {"code": "1", "timeout_seconds": 0}, {"code": "1", "timeout_seconds": -1},
    {"code": "1", "timeout_seconds": 1e308}, {"code": "1", "timeout_seconds": "5"}, {"code": "1", "timeout_seconds": 301},
    {"code": "1", "stdin": 5}, {"code": "1", "stdin_open": "yes"}, {"code": "1", "args": "x"}, {"code": "1", "args": [1]},
    {"code": "1", "env": {"A": 1}}, {"code": "1", "execution_id": "a/b"}, {"code": "1", "execution_id": "x" * 65},
    {"code": "1", "execution_id": ""}, {"code": "1", "execution_id": 5}, {"code": "1", "cwd": "/no/such/folder"}, {"code": "1", "cwd": 5},
    {"code": "1", "filename": "../x"}, {"code": "1", "filename": "a/../../x"}, {"code": "1", "unknown": 1},
], ids=lambda body: json.dumps(body)[:60])
def test_wrong_values_on_exec(client, neighbour, body):
    problem = problems.check(client.post(f"/{neighbour.id}/exec/python", body), 400)
    assert problem["code"] in ("invalid_argument", "limit_exceeded", "bad_json", "invalid_id"), problem
    assert problem.get("detail"), problem


@pytest.mark.parametrize("member", ["context", "stdin_file"])
def test_what_an_execution_names_and_is_not_there_is_said_not_ignored(client, neighbour, member):
    reply = client.post(f"/{neighbour.id}/exec/python", {"code": "1", member: "no-such"})
    problem = problems.check(reply, 404, "context_not_found", "file_not_found")
    assert member.split("_", maxsplit=1)[0] in problem["detail"]
    assert problem["instance"] == f"/{neighbour.id}/exec/python", "the agent's path is nobody's business"


@pytest.mark.parametrize("language", ["cobol", "Python", "python4", "+", "..", "%70ython", "a" * 300, "python%00"])
def test_unknown_languages(client, neighbour, language):
    problems.check(client.post(f"/{neighbour.id}/exec/{language}", {"code": "1"}), 400, "unknown_language", "bad_request")


@pytest.mark.parametrize("language", ["cobol", "a" * 300, "", "c++++", 7])
def test_unknown_languages_in_the_body(client, language):
    reply = client.post("/api/run/sync", {"language": language, "code": "print(1)"})
    problems.check(reply, 400, "unknown_language", "invalid_argument")


@pytest.mark.parametrize("kind", ["application/xml", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded",
                                  "text/html", "json", ""])
def test_other_content_types(client, neighbour, kind):
    reply = client.post(f"/{neighbour.id}/exec/python", body=b"print(1)", headers={"Content-Type": kind})
    problems.check(reply, 415, "unsupported_media_type")


def test_code_over_the_limit(client, neighbour):
    big = "#" * (1024 * 1024 + 1)
    problems.check(client.post(f"/{neighbour.id}/exec/python", {"code": big}), 413, "payload_too_large")
    reply = client.post(f"/{neighbour.id}/exec/python", body=big.encode(), headers={"Content-Type": "text/plain"})
    problems.check(reply, 413, "payload_too_large")
    ok = client.post(f"/{neighbour.id}/exec/python", {"code": "#" * (1024 * 1024 - 20) + "\nprint(3)"}, params={"wait": 20})
    assert ok.expect(200).json()["stdout"] == "3\n"


def test_create_body_over_the_limit(client):
    reply = client.post(f"/{new_id()}", {"metadata": {"a": "x" * 70000}})
    problems.check(reply, 413, "payload_too_large")


def test_announced_five_gigabytes_are_refused_unread(site, neighbour):
    head = f"POST /{neighbour.id}/exec/python HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 5368709120\r\n\r\n"
    problems.check(raw(site.url, head.encode() + b"x" * 1000)[0], 413, "payload_too_large")


@pytest.mark.parametrize("parameters", [{"wait": 31}, {"wait": 10 ** 9}, {"limit": 1048577}])
def test_wait_and_limit_above_the_maximum_are_refused_with_it(client, neighbour, parameters):
    problem = problems.check(client.get(f"/{neighbour.id}/result", params=parameters), 400, "limit_exceeded")
    assert "30" in problem["detail"] or "1048576" in problem["detail"], problem


@pytest.mark.parametrize("parameters", [{"wait": -1}, {"wait": "x"}, {"wait": "1e3"}, {"stdout_offset": -1}, {"stdout_offset": "x"},
                                        {"limit": 0}, {"limit": -1}, {"encoding": "rot13"}, {"execution_id": "a/b"},
                                        {"stdout_offset": 10 ** 30}])
def test_wrong_parameters_of_a_result(client, neighbour, parameters):
    problems.check(client.get(f"/{neighbour.id}/result", params=parameters), 400, "invalid_argument", "limit_exceeded",
                   "invalid_id", "bad_request")


def test_offset_behind_the_end(client, neighbour):
    problems.check(client.get(f"/{neighbour.id}/result", params={"stdout_offset": 10 ** 6}), 416, "offset_beyond_end")


def test_wait_above_the_maximum_on_status_and_exec(client, neighbour):
    problems.check(client.get(f"/{neighbour.id}/status", params={"wait": 31}), 400, "limit_exceeded")
    problems.check(client.post(f"/{neighbour.id}/exec/python", {"code": "1"}, params={"wait": 31}), 400, "limit_exceeded")
    problems.check(client.get(f"/{neighbour.id}/status", params={"wait": 1, "until": "doomsday"}), 400, "invalid_argument")


def test_unknown_calls_and_methods(client, neighbour):
    problems.check(client.get(f"/{neighbour.id}/no-such-call"), 404, "not_found")
    reply = client.send("PUT", f"/{neighbour.id}/status")
    problems.check(reply, 405, "method_not_allowed")
    assert "GET" in reply.header("Allow")
    problems.check(client.send("PATCH", f"/{neighbour.id}/status"), 405, "method_not_allowed")
    problems.check(client.send("BREW", f"/{neighbour.id}/status"), 400, "bad_request")  # not HTTP's


def test_a_refusal_before_the_body_keeps_the_connection_or_says_close(site, neighbour):
    """Head and body come apart, as most clients send them; the next request on the same connection must be answered."""
    parts = urllib.parse.urlsplit(site.url)
    for _ in range(5):
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
        connection.request("POST", f"/{neighbour.id}/exec/cobol", body=b'{"code":"1"}', headers={"Content-Type": "application/json"})
        first = connection.getresponse()
        assert first.status == 400 and first.read()
        if not first.will_close:
            connection.request("GET", f"/{neighbour.id}/status")
            assert connection.getresponse().status == 200
        connection.close()


@pytest.mark.parametrize("how", ["nginx", "gateway"])
def test_a_hundred_and_one_headers(site, neighbour, how):
    fields = "".join(f"X-Field-{number}: x\r\n" for number in range(120))
    request = f"GET /{neighbour.id}/status HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode()
    problems.check(send(site, how, request), 431, "headers_too_large")


@pytest.mark.parametrize("how", ["nginx", "gateway"])
@pytest.mark.parametrize("head, statuses", [
    ("GET /{} HTTP/1.1\r\n\r\n", (400,)),
    ("GET /{} HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", (400,)),
    ("GET /{} HTTP/1.1\r\nHost: a\r\nX: " + "y" * 70000 + "\r\n\r\n", (400, 431)),
    ("GET /{}?" + "y" * 70000 + " HTTP/1.1\r\nHost: a\r\n\r\n", (400, 414, 431)),
    ("POST /{} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}", (400,)),
    ("POST /{} HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{{}}", (400,)),
    ("POST /{} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (400,)),
    ("POST /{} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", (400, 501)),
    ("POST /{} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", (400,)),
    ("GET /{} HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", (400,)),
    ("GET /{} HTTP/1.1\r\nHost: a\r\nX-A\x00: b\r\n\r\n", (400,)),
    ("GET /{} HTTP/3.0\r\nHost: a\r\n\r\n", (400, 505)),
    ("get /{} HTTP/1.1\r\nHost: a\r\n\r\n", (400,)),
    ("CONNECT /{} HTTP/1.1\r\nHost: a\r\n\r\n", (400, 405)),
], ids=lambda value: repr(value)[:50])
def test_malformed_requests_close_the_connection_with_a_problem(site, neighbour, how, head, statuses):
    request = head.format(neighbour.id + "/status").encode("latin-1")
    problem = send(site, how, request)
    assert problem.status in statuses, problem
    problems.check(problem, problem.status)


def send(site, how, request):
    if how == "nginx":
        replies = raw(site.url, request)
    else:
        entry = site.gateways[0]
        replies = raw(entry["url"], request, connect=site.socket_to(entry["url"], entry["pid"]))
    assert replies, "closed without an answer"
    return replies[0]


def test_smuggled_second_request_never_reaches_a_gateway(site, neighbour):
    victim = new_id("smuggled")
    payload = (f"POST /{neighbour.id}/exec/python HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"
               f"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nPOST /{victim} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").encode()
    raw(site.url, payload, answers=2)
    assert site.client.get(f"/{victim}/status").status == 404


def test_pipelined_answers_come_in_order_and_to_the_right_question(site, neighbour):
    other = new_id("nobody")
    one = f"GET /{neighbour.id}/status HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    two = f"GET /{other}/status HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    replies = raw(site.url, (one + two) * 5, answers=10)
    assert [reply.status for reply in replies] == [200, 404] * 5
    assert all(reply.json()["session_id"] == neighbour.id for reply in replies[::2])


def test_line_ends_in_values_never_become_fields(client, neighbour):
    reply = client.get(f"/{neighbour.id}/result", params={"execution_id": "a\r\nX-Injected: yes"})
    assert reply.status == 400 and reply.header("X-Injected") is None
    reply = client.get(f"/{neighbour.id}/status", headers={"X-Request-Id": "abc%0d%0aX-Injected: yes"})
    assert reply.header("X-Injected") is None


def test_a_forged_trusted_field_is_not_believed(client):
    name = new_id()
    reply = client.post(f"/{name}", {}, headers={"Spillway-Tenant": "other", "Spillway-Hop": "9", "Spillway-Minted-Id": "other"})
    assert reply.expect(201).json()["session_id"] == name
    Session(client, name).end()


def test_request_id_is_the_clients_own_or_a_new_one(client):
    name = new_id("nobody")
    assert client.get(f"/{name}/status", headers={"X-Request-Id": "my.own-id"}).json()["request_id"] == "my.own-id"
    other = client.get(f"/{name}/status", headers={"X-Request-Id": "not an id"}).json()["request_id"]
    assert other != "not an id" and len(other) == 32


def test_extend_refuses_what_create_refuses(client, neighbour):
    for value in (0, -1, 1e308, "5", None, True, 10 ** 9):
        problems.check(client.post(f"/{neighbour.id}/extend", {"timeout_seconds": value}), 400, "invalid_argument", "limit_exceeded",
                       "bad_json")
    problems.check(client.post(f"/{neighbour.id}/extend", {}), 400)


def test_the_list_refuses_wrong_parameters(client):
    for parameters in ({"limit": 0}, {"limit": -1}, {"limit": "x"}, {"limit": 10 ** 9}, {"status": "tired"}, {"continue": "%%%"}):
        problems.check(client.get("/api/v1/sessions", params=parameters), 400)
