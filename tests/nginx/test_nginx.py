"""What clients and gateways may rely on from the front door."""
import http.client
import json
import socket
import subprocess
import time
from collections import Counter

import pytest
from conftest import TREE

SESSION_PATHS = ["/{}", "/{}/status", "/{}/result?wait=1", "/{}/exec/python", "/{}/files/list", "/{}/events", "/{}?x=/y",
                 "/api/v1/sessions/{}", "/api/v1/sessions/{}/executions", "/api/v1/sessions/{}/execute",
                 "/api/run/{}", "/{}/files/upload", "/{}/contexts/c1"]


def problem(answer, body, status, code):
    assert answer.status == status
    assert answer.getheader("Content-Type") == "application/problem+json"
    assert (body["status"], body["code"]) == (status, code)
    assert body["title"] and body["detail"] and body["request_id"]
    return body


def test_configuration_is_valid(front):
    assert subprocess.run(["nginx", "-t", "-q", "-e", "/dev/null", "-c", front.configuration]).returncode == 0


def test_same_id_meets_the_same_gateway_on_every_path(front):
    owners = Counter()
    for number in range(24):
        session = f"session-{number}"
        met = set()
        for form in SESSION_PATHS:
            _, seen = front.ask("GET", form.format(session))
            met.add(seen["gateway"])
            assert seen["target"] == form.format(session)
            assert "x-session-id" not in seen["fields"]
        _, seen = front.ask("POST", "/api/v1/sessions", {"X-Session-Id": session})
        met.add(seen["gateway"])
        assert len(met) == 1
        owners[met.pop()] += 1
    assert len(owners) == 3


def test_minted_id_is_marked_and_spread(front):
    met, ids = set(), set()
    for _ in range(30):
        _, seen = front.ask("POST", "/api/v1/sessions")
        session = seen["fields"]["spillway-minted-id"]
        assert len(session) == 33 and session[0] == "s"
        ids.add(session)
        _, again = front.ask("GET", f"/{session}/status")
        assert again["gateway"] == seen["gateway"]
        met.add(seen["gateway"])
    assert len(ids) == 30 and len(met) == 3


def test_idempotency_key_keeps_its_gateway(front):
    for key in ("k1", "k2", "k3", "k4"):
        met = {front.ask("POST", "/api/v1/sessions", {"Idempotency-Key": key})[1]["gateway"] for _ in range(5)}
        assert len(met) == 1


@pytest.mark.parametrize("value", ["UPPER", "a b", "-x", "api", "x" * 64, "a/../b"])
def test_a_clients_own_id_arrives_untouched(front, value):
    _, seen = front.ask("POST", "/api/v1/sessions", {"X-Session-Id": value})
    assert seen["fields"]["x-session-id"] == value
    _, seen = front.ask("GET", "/mine/status", {"X-Session-Id": value})
    assert seen["fields"]["x-session-id"] == value


def test_two_ids_of_a_client_both_arrive(front):
    """The gateway refuses them; it must see them for that."""
    front.ask("GET", "/x/status", [("X-Session-Id", "x"), ("X-Session-Id", "y")])
    seen = next(request for gateway in front.gateways for request in gateway.seen)
    assert [value for name, value in seen.rows if name == "x-session-id"] == ["x", "y"]


@pytest.mark.parametrize("path", ["/api/v1/health", "/healthz", "/docs", "/openapi.json", "/sessions/x", "/execute/y", "/status"])
def test_reserved_words_are_no_ids(front, path):
    met = {front.ask("GET", path)[1]["gateway"] for _ in range(40)}
    assert len(met) == 3, "the word was taken for an id"


@pytest.mark.parametrize("target", ["//x/status", "/x//status", "/a%62c/status", "/x/./status", "/x/../y/status", "/x/status?a=%2e%2E/",
                                    "/x/files/download/a%2Fb%20%C3%A9", "/x/files/download/%252e%252e%25", "/x/files/download/a//b/./c",
                                    "/x/files/delete/..%2f..%2fmetrics", "/x/files/delete/a%5C%3Fb", "/api/v1/sessions/x/files/download/%F0%9F%98%80"])
def test_nothing_is_rewritten(front, target):
    _, seen = front.ask("GET", target)
    assert seen["target"] == target


def test_http_1_0_needs_no_host(front):
    """As some health checks ask; what the gateway gets is HTTP/1.1 and has one."""
    with socket.create_connection(("127.0.0.1", front.port), 20) as connection, connection.makefile("rb") as stream:
        connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        answer = stream.read()
    assert answer.startswith(b"HTTP/1.1 200") and b'"host": "spillway"' in answer


def test_forged_fields_are_removed(front):
    forged = {"Spillway-Minted-Id": "mine", "Spillway-Tenant": "root", "Spillway-Hop": "1", "spillway-epoch": "0",
              "Spillway_Hop": "2", "X-Forwarded-For": "10.0.0.1", "Connection": "Spillway-Minted-Id"}
    _, seen = front.ask("POST", "/api/v1/sessions", forged)
    spillway = {name: value for name, value in seen["fields"].items() if name.startswith("spillway")}
    assert list(spillway) == ["spillway-minted-id"] and spillway["spillway-minted-id"] != "mine"
    assert seen["fields"]["x-forwarded-for"] == "127.0.0.1"


def test_every_trusted_field_is_removed(front):
    names = [line.split('"')[1] for line in (TREE / "gateway/trusted_headers.def").read_text().splitlines() if line.startswith("X(")]
    _, seen = front.ask("GET", "/x/status", {name: "forged" for name in names})
    assert "forged" not in seen["fields"].values()


@pytest.mark.parametrize("path", ["/metrics", "/debug/sessions", "/internal/x", "/x/../metrics", "/%6detrics", "/@404", "/@502"])
def test_admin_paths_are_not_public(front, path):
    answer, body = front.ask("GET", path)
    if path.startswith("/@") and answer.status == 200:
        pytest.fail("an internal path is served")
    problem(answer, body, 404, "not_found")
    assert not any(gateway.seen for gateway in front.gateways)


@pytest.mark.parametrize("size", [100, 100_000, 1_500_000])
@pytest.mark.parametrize("path", ["/x/exec/python", "/x/exec/python?wait=5", "/api/v1/sessions/x/execute", "/x/files/upload", "/x/contexts", "/x"])
def test_an_early_answer_arrives_and_the_connection_goes_on_or_says_close(front, path, size):
    for gateway in front.gateways:
        gateway.mode = "early"
    connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=30)
    for _ in range(3):
        connection.request("POST", path, body=b"x" * size)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (409, b"{}")
    connection.close()


def test_a_dead_gateway_is_passed_over(front):
    front.gateways[0].close()
    for number in range(20):
        started = time.monotonic()
        method = "POST" if number % 2 else "GET"
        answer, seen = front.ask(method, f"/s{number}/exec/python" if number % 2 else f"/s{number}/status", body=b"x")
        assert answer.status == 200 and seen["gateway"] != "a"
        assert time.monotonic() - started < 1.5


@pytest.mark.parametrize("path", ["/x/exec/python", "/api/v1/sessions/x/execute", "/x/process/kill/7", "/x/files/delete/f",
                                  "/api/run/sync", "/x/files/upload", "/x/executions/e/stdin"])
def test_a_sent_post_is_never_repeated(front, path):
    for gateway in front.gateways:
        gateway.mode = "close"
    answer, body = front.ask("POST", path, body=b"{}")
    problem(answer, body, 502, "upstream_failed")
    assert sum(len(gateway.seen) for gateway in front.gateways) == 1


@pytest.mark.parametrize("method,path", [("GET", "/x/status"), ("POST", "/x"), ("POST", "/api/v1/sessions")])
def test_a_broken_get_and_create_are_repeated(front, method, path):
    broken = 0
    for owner in front.gateways:
        front.calm()
        owner.mode = "close"
        answer, _ = front.ask(method, path, {"X-Session-Id": "x"})
        assert answer.status == 200
        arrived = [request for gateway in front.gateways for request in gateway.seen]
        assert {request.fields["x-session-id"] for request in arrived} == {"x"}
        broken += len(arrived) - 1
    assert broken == 1  # the one that owns the id


def test_a_hanging_gateway_is_passed_over_within_ten_seconds(front):
    owner = next(gateway for gateway in front.gateways if gateway.name == front.ask("GET", "/x/status")[1]["gateway"])
    owner.mode = "hang"
    started = time.monotonic()
    answer, seen = front.ask("GET", "/x/status")
    assert answer.status == 200 and seen["gateway"] != owner.name
    assert 7 < time.monotonic() - started < 10


def test_no_gateway_at_all_is_503(front):
    for gateway in front.gateways:
        gateway.close()
    for method, path in (("GET", "/x/status"), ("POST", "/x/exec/python"), ("GET", "/x/result?wait=5")):
        answer, body = front.ask(method, path, body=b"1")
        problem(answer, body, 503, "unavailable")
        assert answer.getheader("Retry-After") == "2" and body["retry_after"] == 2
        assert body["session_id"] == "x" and body["instance"].startswith("/x/")


def test_a_broken_read_without_a_gateway_left_is_503(front):
    for gateway in front.gateways:
        gateway.mode = "close"
    answer, body = front.ask("GET", "/x/result?wait=5")
    problem(answer, body, 503, "unavailable")


def test_nginx_errors_are_problems(front):
    answer, body = front.ask("POST", "/x/exec/python", {"Content-Length": str(3 << 20)})
    problem(answer, body, 413, "payload_too_large")
    answer, body = front.ask("GET", "/x/status", {"X-Big": "x" * 40000})
    problem(answer, body, 431, "headers_too_large")
    answer, body = front.ask("GET", "/" + "x" * 40000)
    problem(answer, body, 414, "target_too_long")
    answer, body = front.ask("POST", "/x", {"Transfer-Encoding": "gzip"})
    problem(answer, body, 501, "not_implemented")


@pytest.mark.parametrize("data,status", [
    (b"GET / HTTP/1.1\r\n\r\n", 400), (b"G@T / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400), (b"GET /../x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"TRACE /x HTTP/1.1\r\nHost: a\r\n\r\n", 405), (b"GET /x HTTP/2.1\r\nHost: a\r\n\r\n", 505),
    (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400)])
def test_malformed_requests_are_problems(front, data, status):
    head, _, body = front.raw(data).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"application/problem+json" in head and b"nginx/" not in head
    assert json.loads(body)["status"] == status


def test_a_gateways_own_errors_pass_through(front):
    for status in (400, 404, 409, 413, 418, 500, 502, 503, 504):
        for gateway in front.gateways:
            gateway.mode = (status, b'{"mine":true}')
        answer, body = front.ask("GET", "/x/status")
        assert answer.status == status and body == {"mine": True}


def test_limits_of_bodies(front):
    answer, seen = front.ask("POST", "/x/exec/python", body=b"x" * (1 << 20))
    assert answer.status == 200 and seen["body_bytes"] == 1 << 20
    answer, seen = front.ask("POST", "/x/files/upload", body=b"x" * (10 << 20))
    assert answer.status == 200 and seen["body_bytes"] == 10 << 20
