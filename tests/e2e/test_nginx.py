"""nginx in front: one gateway for one session, and errors that look like ours."""
import contextlib
import os
import signal
import uuid

import yaml
from harness import problems, processes
from harness.background import together
from harness.client import Client, raw
from harness.runs import tell, until_told
from harness.session import Session, new_id
from harness.wait import until


def test_every_path_of_a_session_goes_to_the_same_gateway(site, client):
    names = [new_id("aff") for _ in range(12)]
    asked = {}
    for name in names:
        calls = [("GET", f"/{name}/status", None, {}), ("GET", f"/{name}/status?wait=0", None, {}), ("GET", f"/{name}", None, {}),
                 ("DELETE", f"/{name}", None, {}), ("GET", f"/api/v1/sessions/{name}", None, {}),
                 ("DELETE", f"/api/v1/sessions/{name}", None, {}), ("GET", f"/{name}/result?wait=0", None, {}),
                 ("GET", f"/api/v1/sessions/{name}/result", None, {}), ("GET", f"/{name}/executions/x", None, {}),
                 ("GET", f"/{name}/events", None, {}), ("POST", f"/{name}/extend", {"timeout_seconds": 5}, {}),
                 ("POST", f"/{name}/exec/no-language", {"code": "1"}, {}),
                 ("POST", "/api/v1/sessions", {"timeout_seconds": -1}, {"X-Session-Id": name})]
        for method, path, body, headers in calls:
            request = uuid.uuid4().hex
            client.send(method, path, json_body=body, headers=dict(headers, **{"X-Request-Id": request}))
            asked[request] = (name, method, path)
    routes = site.routed(asked)
    by_session = {}
    for request, gateway in routes.items():
        by_session.setdefault(asked[request][0], {}).setdefault(gateway, []).append(asked[request][1:])
    for name, gateways in by_session.items():
        assert len(gateways) == 1, f"{name} went to several gateways: {gateways}"
    assert len({gateway for gateways in by_session.values() for gateway in gateways}) == len(site.gateways), \
        "twelve sessions did not reach all gateways"


def test_a_minted_session_stays_with_the_gateway_that_made_it(site, client):
    create, poll = uuid.uuid4().hex, uuid.uuid4().hex
    name = client.post("/api/v1/sessions", {}, headers={"X-Request-Id": create}).expect(201).json()["session_id"]
    client.get(f"/{name}/status", headers={"X-Request-Id": poll}).expect(200)
    routes = site.routed([create, poll])
    assert routes[create] == routes[poll]
    Session(client, name).end()


def test_any_gateway_serves_any_session(site, make_session):
    session = make_session(cleanup="idle")
    for number, entry in enumerate(site.gateways):
        direct = Session(site.client_of(entry["name"]), session.id)
        assert direct.run(f"print({number})")["stdout"] == f"{number}\n"
    listed = session.client.get(f"/{session.id}/executions").json()["items"]
    assert len(listed) == len(site.gateways)


def test_two_ids_in_fields_are_refused(client):
    name, other = new_id(), new_id()
    for line in (f"GET /{name}/status", f"POST /{name}", "POST /api/v1/sessions", "POST /api/run"):
        fields = f"Host: x\r\nX-Session-Id: {name}\r\nX-Session-Id: {other}\r\nContent-Length: 0\r\n\r\n"
        reply, = raw(client.url, f"{line} HTTP/1.1\r\n{fields}".encode())
        problems.check(reply, 400)
        assert "more than one X-Session-Id" in reply.json()["detail"], reply


def test_a_removed_gateways_sessions_move_and_nobody_elses(big_site):
    """As an operator takes one out: its line out of nginx's configuration, a reload, SIGTERM. Sessions run on meanwhile."""
    site = big_site
    sessions = [Session(site.client) for _ in range(40)]
    together(lambda session: session.start(cleanup="idle"), sessions, 8)
    executions = [session.submit(until_told() + "print('end')", timeout_seconds=200) for session in sessions[:6]]
    before = owners(site, sessions)
    leaving = site.gateways[1]
    with open(f"{site.state_dir}/local/{leaving['name']}.yaml", encoding="utf-8") as file:
        address = yaml.safe_load(file)["listen"][0]
    with without_line(site, f"server {address} "):
        site.wait_restarted(leaving["name"], site.kill(leaving["name"], signal.SIGTERM))  # the launcher starts it again: nobody asks it
        after = owners(site, sessions)
        moved = {name for name in before if before[name] != after[name]}
        assert moved == {name for name, owner in before.items() if owner == leaving["name"]} and moved
        assert set(after.values()) == {entry["name"] for entry in site.gateways} - {leaving["name"]}
        for session, execution in zip(sessions, executions):
            tell(site.state_dir, session.id)
            assert session.final(execution)["stdout"] == "end\n"
    assert owners(site, sessions) == before
    together(lambda session: session.end(), sessions, 8)


def owners(site, sessions):
    asked = {uuid.uuid4().hex: session for session in sessions}
    for request, session in asked.items():
        reply = site.client.get(f"/{session.id}/status", headers={"X-Request-Id": request})
        assert reply.expect(200).json()["status"] in ("ready", "executing")
    return {asked[request].id: gateway for request, gateway in site.routed(asked).items()}


@contextlib.contextmanager
def without_line(site, start):
    """nginx's configuration without a line, taken by a reload; whole again afterwards."""
    path = f"{site.state_dir}/local/nginx.conf"
    with open(path, encoding="utf-8") as file:
        whole = file.read()
    less = "".join(line for line in whole.splitlines(True) if not line.strip().startswith(start))
    assert less != whole
    try:
        reload(site, path, less)
        yield
    finally:
        reload(site, path, whole)


def reload(site, path, text):
    master = site.entry("nginx")["pid"]
    before = set(processes.descendants(master))
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.kill(master, signal.SIGHUP)
    until(lambda: (now := set(processes.descendants(master))) and not now & before, 60, "nginx has taken its configuration", every=0.05)


def test_admin_paths_are_not_served_in_front(client):
    for path in ("/metrics", "/debug/sessions", "/internal/x", "/debug", "/internal"):
        problems.check(client.get(path), 404, "not_found")


def test_the_admin_listener_serves_metrics(site):
    for entry in site.gateways:
        metrics = site.metrics(entry["name"])
        assert [name for name in metrics.names() if name.startswith("spillway_")], metrics.names()


def test_nginxs_own_errors_are_problems(site):
    url = site.url
    for request, statuses in ((b"GET / HTTP/1.1\r\n\r\n", (400,)), (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", (400,)),
                              (b"GET /a/status HTTP/9.1\r\nHost: a\r\n\r\n", (400, 505)),
                              (b"GET /a HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 50000 + b"\r\n\r\n", (400, 431)),
                              (b"GET /a?" + b"y" * 50000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", (414, 431)),
                              (b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n", (413,)),
                              (b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", (400, 501)),
                              (b"TRACE /a HTTP/1.1\r\nHost: a\r\n\r\n", (400, 405))):
        replies = raw(url, request)
        assert replies, request[:60]
        assert replies[0].status in statuses, replies
        problems.check(replies[0], replies[0].status)
        assert (replies[0].header("Allow") is not None) == (replies[0].status == 405), replies


def test_a_front_door_without_gateways_says_503_and_when_to_come_back(small_site):
    """The launcher lets the dead lie here."""
    dead = [small_site.kill(entry["name"]) for entry in small_site.gateways]
    until(lambda: not any(processes.stat_fields(pid) for pid in dead), 30, "a gateway that is still going may take a connection and break it")
    client = Client(small_site.url)
    reply = client.get("/some/status")
    problems.check(reply, 503, "unavailable", "overloaded")
    problems.check_retry_after(reply)
    reply = client.post("/some/exec/python", {"code": "1"})
    problems.check(reply, 503, "unavailable", "overloaded")
