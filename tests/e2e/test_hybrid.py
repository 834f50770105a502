"""Overflow to the cloud: the same URL, the same ids and the same answers, and back again."""
import os

import pytest
from conftest import shut_both
from harness import problems
from harness.background import together
from harness.hybrid import Hybrid
from harness.session import FINAL, Session, new_id
from harness.wait import until

pytestmark = [pytest.mark.skipif(bool(os.environ.get("SPILLWAY_E2E_KUBERNETES")), reason="two embedded sites"), pytest.mark.usefixtures("emptied")]


# -- the main job --

def test_overflow_and_return(sites):
    sites.wait_open()
    made = []
    while sum(session["placement"]["kind"] == "remote" for _, session in made) < 2:
        assert len(made) < 8, made
        session = Session(sites.client)
        made.append((session, session.create(cleanup="idle")))
        session.wait_ready()
    kinds = [session["placement"]["kind"] for _, session in made]
    assert kinds == ["local"] * kinds.count("local") + ["remote"] * 2 and kinds[0] == "local"
    for session, created in made:
        here = created["placement"]["kind"] == "local"
        assert created["site"] == ("local" if here else "cloud")
        assert (sites.node() if here else sites.cloud_node()).pod(session.id), f"no pod for {created}"
        assert not (sites.cloud_node() if here else sites.node()).pod(session.id), f"two pods for {created}"
        status = session.status()
        assert {key: status[key] for key in ("session_id", "site", "placement", "created_at", "expires_at")} == \
               {key: created[key] for key in ("session_id", "site", "placement", "created_at", "expires_at")}
        assert session.run("import socket; socket.gethostname()")["result"] == repr(session.id)
    assert made[-1][1]["placement"]["reason"].startswith("local_")
    for session, _ in made:
        session.end()
        assert session.status()["status"] == "stopped"
    sites.wait_open()
    back = Session(sites.client)
    created = until(lambda: (lambda answer: answer if answer["placement"]["kind"] == "local" else None)
                    (Session(sites.client).create(cleanup="idle")), 60, "a session stays here again", every=1)
    assert created["site"] == "local"
    assert back.try_create(placement="cloud").expect(201).json()["site"] == "cloud"


def test_fields_say_where(sites):
    far, near = sites.remote_session(), sites.local_session()
    for session, site, kind in ((far, "cloud", "remote"), (near, "local", "local")):
        for reply in (session.status_reply(), session.result_reply(), session.try_exec(code="1", wait=5),
                      sites.client.get(f"/{session.id}/executions")):
            assert reply.header("Spillway-Site") == site, reply.headers
            assert reply.header("Spillway-Placement").startswith(f"{kind}; reason="), reply.headers
            assert reply.header("Spillway-Session-Id") == session.id
            assert len([1 for name, _ in reply.headers if name.lower() == "spillway-site"]) == 1


def test_a_problem_names_the_path_that_was_asked_for(sites):
    far = sites.remote_session()
    for path in (f"/{far.id}/exec/python", f"/api/v1/sessions/{far.id}/exec/python", f"/{far.id}/files/download/none"):
        reply = sites.client.get(path) if path.endswith("none") else sites.client.post(path, {"code": "1", "cwd": "/no/such/folder"})
        assert problems.check(reply, reply.status)["instance"] == path


def test_wishes(sites):
    for wish, site in (("cloud", "cloud"), ("remote", "cloud"), ("local", "local")):
        session = sites.local_session() if wish == "local" else sites.remote_session()
        assert session.status()["site"] == site
    problems.check(sites.client.post(f"/{new_id()}", {"placement": "moon"}), 400, "invalid_argument")
    for wish in ("local", "cloud"):
        problem = problems.check(sites.client.post(f"/{new_id()}", {"placement": wish, "runtime_class": "no-such"}), 400, "unknown_runtime_class")
        assert wish in problem["detail"]


def test_code_for_an_unknown_id_runs_in_the_cloud_when_it_is_full_here(sites):
    for _ in range(sites.slots):
        sites.local_session()
    session = Session(sites.client)
    answer = session.run("import socket; print('far'); socket.gethostname()")
    assert (answer["status"], answer["stdout"], answer["result"]) == ("completed", "far\n", repr(session.id))
    assert session.status()["placement"]["kind"] == "remote"
    ended = session.wait_ended()
    assert (ended["status"], ended["reason"]) == ("stopped", "completion")
    assert session.result()["stdout"] == "far\n", "the result outlives the pod"
    again = session.run("'anew'")
    assert again["result"] == "'anew'"


def test_an_execution_id_stays_one_execution_across_lives_and_sites(sites):
    """Ran in the cloud; the session ended; the same id again, by then with room here: the stored result, no second run."""
    for _ in range(sites.slots):
        sites.local_session()
    session = Session(sites.client)
    first = session.run("import os; os.urandom(8).hex()", execution_id="once")
    assert session.status()["placement"]["kind"] == "remote"
    session.wait_ended()
    again = session.run("import os; os.urandom(8).hex()", execution_id="once")
    assert again["result"] == first["result"]
    sites.empty()
    sites.local_session(session.id)
    assert session.run("1", execution_id="other")["result"] == "1"
    assert session.status()["site"] == "local"
    assert session.run("import os; os.urandom(8).hex()", execution_id="once")["result"] == first["result"]


@pytest.mark.parametrize("before, after", [("cloud", "local"), ("local", "cloud"), ("cloud", "cloud"), ("local", "local")])
def test_results_of_an_earlier_life_are_read_wherever_the_session_lives_by_now(sites, before, after):
    session = Session(sites.client)
    session.create(placement=before)
    session.wait_ready()
    ran = session.run("print('far'); 6 * 7", execution_id="before")
    session.end()

    def reads():
        """By every gateway."""
        for entry in sites.gateways:
            client = sites.client_of(entry["name"])
            result = client.get(f"/{session.id}/result", params={"execution_id": "before", "stdout_offset": 1}).expect(200).json()
            assert (result["result"], result["stdout"], result["stdout_offset"]) == (ran["result"], "ar\n", 1)
            assert client.get(f"/{session.id}/executions/before").expect(200).json()["status"] == "completed"
            events = client.get(f"/{session.id}/events", params={"execution_id": "before"}).expect(200)
            assert events.body.count(b"event: exit") == 1
            assert client.delete(f"/{session.id}/executions/before").expect(200).json()["status"] == "completed"
            for path in (f"/{session.id}/result?execution_id=never", f"/{session.id}/executions/never", f"/{session.id}/events?execution_id=never"):
                problems.check(client.get(path), 404, "execution_not_found")

    again = Session(sites.client, session.id)
    again.create(placement=after)
    again.wait_ready()
    assert again.result()["status"] == "pending", "a new life has its own newest execution"
    reads()
    assert again.run("1", execution_id="now")["result"] == "1"
    reads()
    again.end()
    reads()


@pytest.mark.parametrize("before, after", [("local", "remote"), ("remote", "local"), ("remote", "remote")])
def test_a_new_life_is_used_at_once_wherever_it_is(sites, before, after):
    """Whether a named run ran in the earlier life is asked of a site that may not have heard the new sandbox yet: that is waited for."""
    session = Session(sites.client)
    until(lambda: session.try_create(placement=before).status == 201, 60, "room for the first life", every=0.2)
    session.run("1", execution_id="early")
    session.end()
    until(lambda: session.try_create(placement=after).status == 201, 60, "room for the second life", every=0.2)
    assert session.run("2", execution_id="late")["result"] == "2"
    assert session.status()["placement"]["kind"] == after


# -- transparency --

VARIES = ("_at", "last_execution", "_time", "_id", "_ms", "seq", "pid", "memory_rss", "detail", "name", "type", "etag")


def shape(value, names=()):
    """What stays of an answer when times, ids, numbers of processes and places are taken out."""
    if isinstance(value, dict):
        return {key: shape(item, (*names, key)) for key, item in sorted(value.items())
                if key not in ("site", "placement", "node", "host", "request_id", "instance")}
    if isinstance(value, list):
        return [shape(item, names) for item in value]
    if names and ("pod" in names or names[-1].endswith(VARIES) or (names[-1] == "result" and str(value).startswith("/"))):
        return type(value).__name__
    return value


def answers_to(call):
    reply = call()
    kind = (reply.header("Content-Type") or "").split(";")[0]
    fields = sorted(name.lower() for name, _ in reply.headers if name.lower() not in ("transfer-encoding", "content-length", "connection", "spillway-execution-status"))
    if kind in ("application/json", "application/problem+json"):
        return reply.status, kind, fields, shape(reply.json())
    if kind == "text/event-stream":  # in how many pieces the output came varies
        return reply.status, kind, fields, reply.body.partition(b"{")[0]
    return reply.status, kind, fields, reply.body


def test_the_same_calls_answer_alike(sites):
    near, far = sites.local_session(metadata={"a": 1}, env={"X": "y"}), sites.remote_session(metadata={"a": 1}, env={"X": "y"})
    client = sites.client

    def calls(session):
        one = "one"
        base = f"/{session.id}"
        multipart = (b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f.txt\"\r\n\r\nhello\r\n--b--\r\n")
        typed = {"Content-Type": "multipart/form-data; boundary=b"}
        yield "status", lambda: client.get(f"{base}/status")
        yield "resource form", lambda: client.get(f"/api/v1/sessions/{session.id}")
        yield "no result yet", lambda: client.get(f"{base}/result")
        yield "no execution yet", lambda: client.get(f"{base}/executions")
        yield "run", lambda: client.post(f"{base}/exec/python", {"code": "import os; print(os.environ['X']); 1/0", "execution_id": one},
                                         params={"wait": 10})
        yield "the same again", lambda: client.post(
            f"{base}/exec/python", {"code": "import os; print(os.environ['X']); 1/0", "execution_id": one}, params={"wait": 10})
        yield "another body", lambda: client.post(f"{base}/exec/python", {"code": "2", "execution_id": one})
        yield "text", lambda: client.send("POST", f"{base}/exec/python", body=b"6 * 7", params={"wait": 10},
                                          headers={"Content-Type": "text/plain"})
        yield "other type", lambda: client.send("POST", f"{base}/exec/python", body=b"x", headers={"Content-Type": "image/png"})
        yield "no language", lambda: client.post(f"{base}/exec/klingon", {"code": "1"})
        yield "bad JSON", lambda: client.send("POST", f"{base}/exec/python", body=b"{", headers={"Content-Type": "application/json"})
        yield "synchronous", lambda: client.post(f"/api/v1/sessions/{session.id}/execute", {"code": "print(1)"})
        yield "page", lambda: client.get(f"{base}/result", params={"execution_id": one, "stdout_offset": 1})
        yield "beyond", lambda: client.get(f"{base}/result", params={"execution_id": one, "stdout_offset": 99})
        yield "bad offset", lambda: client.get(f"{base}/result", params={"stdout_offset": "x"})
        yield "unknown execution", lambda: client.get(f"{base}/result", params={"execution_id": "nobody"})
        yield "list", lambda: client.get(f"{base}/executions/{one}")
        yield "cancel what ended", lambda: client.delete(f"{base}/executions/{one}")
        yield "stdin of what ended", lambda: client.send("POST", f"{base}/executions/{one}/stdin", body=b"x")
        yield "extend", lambda: client.post(f"{base}/extend", {"timeout_seconds": 1000})
        yield "extend too far", lambda: client.post(f"{base}/extend", {"timeout_seconds": 10 ** 9})
        yield "upload", lambda: client.send("POST", f"{base}/files/upload", body=multipart, headers=typed)
        yield "upload again", lambda: client.send("POST", f"{base}/files/upload", body=multipart, headers=typed)
        yield "files", lambda: client.get(f"{base}/files/list")
        yield "download", lambda: client.get(f"{base}/files/download/f.txt")
        yield "range", lambda: client.get(f"{base}/files/download/f.txt", headers={"Range": "bytes=1-2"})
        yield "no file", lambda: client.get(f"{base}/files/download/none")
        yield "delete file", lambda: client.delete(f"{base}/files/delete/f.txt")
        yield "no such process", lambda: client.post(f"{base}/process/kill/999999")
        yield "wrong method", lambda: client.send("PUT", f"{base}/result")
        yield "create again", lambda: client.post(f"/{session.id}", {"cleanup": "idle"})
        yield "end", lambda: client.delete(base)
        session.wait_ended()
        yield "status of the ended", lambda: client.get(f"{base}/status")
        yield "end again", lambda: client.delete(base)
        yield "its result", lambda: client.get(f"{base}/result", params={"execution_id": one})
        yield "its events", lambda: client.get(f"{base}/events", params={"execution_id": one})
        yield "its executions", lambda: client.get(f"{base}/executions/{one}")
        yield "cancel in the ended", lambda: client.delete(f"{base}/executions/{one}")
        yield "files of the ended", lambda: client.get(f"{base}/files/list")
        yield "the same again in the ended", lambda: client.post(
            f"{base}/exec/python", {"code": "import os; print(os.environ['X']); 1/0", "execution_id": one}, params={"wait": 10})
        yield "another body in the ended", lambda: client.post(f"{base}/exec/python", {"code": "2", "execution_id": one})
        yield "another language in the ended", lambda: client.post(
            f"{base}/exec/bash", {"code": "import os; print(os.environ['X']); 1/0", "execution_id": one})
        yield "anew in the ended", lambda: client.post(f"{base}/exec/python", {"code": "2", "execution_id": "new"})

    for (what, here), (_, there) in zip(calls(near), calls(far)):
        left, right = answers_to(here), answers_to(there)
        assert left == right, f"{what}:\nhere  {left}\nthere {right}"


def test_partial_output_and_events(sites):
    session = sites.remote_session()
    execution = session.submit("import time\nfor i in range(5):\n    print('line', i, flush=True)\n    time.sleep(0.3)\n")
    assert session.status()["status"] == "executing"
    pieces, final = session.output(execution)
    assert "".join(text for _, text in pieces) == "".join(f"line {i}\n" for i in range(5))
    assert len([1 for status, _ in pieces if status == "running"]) > 1, "seen while it ran"
    assert final["status"] == "completed"


def test_large_bodies_pass_both_ways(sites):
    session = sites.remote_session()
    code = "x = '''" + "a" * 900_000 + "'''\nprint(len(x))"
    assert session.run(code)["stdout"] == "900000\n"
    execution = session.submit("import sys\nfor i in range(9000):\n    sys.stdout.write(f'{i:0100d}')\n")
    pieces, final = session.output(execution)
    assert final["stdout_total"] == 900_000
    assert "".join(text for _, text in pieces) == "".join(f"{i:0100d}" for i in range(9000))
    content = os.urandom(6 * 1024 * 1024)
    body = (b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"big\"\r\n\r\n" + content + b"\r\n--b--\r\n")
    sites.client.send("POST", f"/{session.id}/files/upload", body=body,
                      headers={"Content-Type": "multipart/form-data; boundary=b"}).expect(201)
    assert sites.client.get(f"/{session.id}/files/download/big").expect(200).body == content


def test_every_gateway_serves_it(sites):
    session = sites.remote_session()
    run = session.run("7")
    for entry in sites.gateways:
        client = sites.client_of(entry["name"])
        # A gateway hears of the other site's sessions a moment after that knows.
        until(lambda: client.get(f"/{session.id}/status").expect(200).json()["status"] == "ready", 10, "this gateway hears of the run's end")
        found = client.get(f"/{session.id}/result", params={"execution_id": run["execution_id"]}).expect(200).json()
        assert found["result"] == "7"
        assert Session(client, session.id).run("1 + 1")["result"] == "2"


def test_polls_are_answered_from_memory(sites):
    session = sites.remote_session()
    session.status()
    name = next(iter(set(sites.routed([session.status_reply().header("X-Request-Id") or ""], 20).values())), None) \
        if session.status_reply().header("X-Request-Id") else sites.gateways[0]["name"]
    client = sites.client_of(name)
    client.get(f"/{session.id}/status").expect(200)
    before = sites.metrics(name).total("spillway_remote_calls_total", operation="lookup")
    for _ in range(200):
        assert client.get(f"/{session.id}/status").expect(200).json()["status"] == "ready"
    assert sites.metrics(name).total("spillway_remote_calls_total", operation="lookup") == before


def test_list_and_sites(sites):
    far, near = sites.remote_session(), sites.local_session()
    listed = {session["session_id"]: session for session in sites.client.get("/api/v1/sessions").expect(200).json()["items"]}
    assert {listed[far.id]["site"], listed[near.id]["site"]} == {"cloud", "local"}
    only = sites.client.get("/api/v1/sessions", params={"site": "cloud"}).expect(200).json()
    assert [session["session_id"] for session in only["items"]] == [far.id] and "incomplete" not in only
    found = {site["name"]: site for site in sites.client.get("/api/v1/sites").expect(200).json()["items"]}
    assert (found["local"]["kind"], found["cloud"]["kind"]) == ("local", "remote")
    until(lambda: sites.client.get("/api/v1/sites").json()["items"][1]["sessions"] >= 1, 20, "the cloud's word on our sessions")
    assert found["cloud"]["last_seen"] and found["cloud"]["slots"] is not None
    sites.cut()
    listed = sites.client.get("/api/v1/sessions").expect(200).json()
    assert listed["incomplete"] == ["cloud"]
    assert near.id in [session["session_id"] for session in listed["items"]]


def listed_ids(client, **params):
    """Page by page."""
    found, params = [], {"limit": 1, **params}
    while True:
        page = client.get("/api/v1/sessions", params=params).expect(200).json()
        found += [session["session_id"] for session in page["items"]]
        if not page["continue"]:
            return found
        params["continue"] = page["continue"]


def test_every_gateway_lists_what_has_ended_at_either_site(sites):
    ended = [sites.remote_session(), sites.local_session(), sites.remote_session()]
    living = sites.remote_session()
    theirs = Session(sites.cloud_gateway())  # the cloud's own: not among ours
    theirs.create(cleanup="idle")
    for session in [*ended, theirs]:
        session.end()
    for entry in sites.gateways:
        client = sites.client_of(entry["name"])
        found = listed_ids(client, status="stopped")
        assert {session.id for session in ended} <= set(found) and len(found) == len(set(found))
        assert not {living.id, theirs.id} & set(found)
        assert ended[1].id not in listed_ids(client, status="stopped", site="cloud")
        assert not {session.id for session in ended} & set(listed_ids(client, status="error"))
    # What lives again has not ended, whatever another site remembers of it.
    again = Session(sites.client, ended[0].id)
    again.create(cleanup="idle", placement="local")
    assert again.id not in listed_ids(sites.client_of(sites.gateways[0]["name"]), status="stopped")


def test_why_would_it_go_where(sites):
    name = sites.gateways[0]["name"]
    route = sites.admin(name, "/debug/route?placement=remote").expect(200).json()
    assert route["goes"] == "cloud" and route["reason"] == "wished"


def test_each_sites_watermark_is_asked_for_here(sites):
    far = sites.remote_session()
    for site, slots in (("local", sites.slots), ("cloud", 40)):
        watermark = sites.client.get("/api/v1/watermark", params={"site": site}).expect(200).json()
        assert (watermark["site"], watermark["slots_total"]) == (site, slots)
    problems.check(sites.client.get("/api/v1/watermark", params={"site": "moon"}), 404, "not_found")
    assert sites.admin(sites.gateways[0]["name"], "/debug/watermark").expect(200).json()["site"] == "local"
    routes = [route for gateway in sites.gateways for route in sites.admin(gateway["name"], "/debug/routes").expect(200).json()["items"]]
    assert {route["site"] for route in routes if route["session"] == far.id} == {"cloud"}


# -- who may send what --

def test_one_hop_only(sites):
    cloud = sites.cloud_gateway()
    cloud.get("/internal/v1/capacity", headers=sites.hop()).expect(200)
    problems.check(cloud.get("/internal/v1/capacity", headers=sites.hop(**{"Spillway-Hop": "2"})), 508, "loop_detected")
    problems.check(cloud.get("/internal/v1/capacity", headers=sites.hop(**{"Spillway-Origin": "cloud"})), 508, "loop_detected")
    absent = cloud.post(f"/{new_id()}/exec/python", {"code": "1"}, headers=sites.hop())
    problems.check(absent, 404, "session_not_found")
    assert absent.header("Spillway-Not-Started") == "1", "a forwarded call begins no session"


def test_forged_fields_are_refused(sites):
    session = sites.local_session()
    forged = {"Spillway-Hop": "1", "Spillway-Tenant": "other", "Spillway-Origin": "cloud"}
    # nginx takes them out: the call is the client's own.
    assert sites.client.get(f"/{session.id}/status", headers=forged).expect(200).json()["session_id"] == session.id
    for entry in sites.gateways:
        problems.check(sites.client_of(entry["name"]).get(f"/{session.id}/status", headers=forged), 403, "forbidden")
    problems.check(sites.cloud_gateway().get("/internal/v1/capacity", headers=dict(sites.hop(), Authorization="Spillway wrong-wrong-wrong")),
                   401, "unauthorized")
    problems.check(sites.cloud_gateway().get("/internal/v1/capacity"), 401, "unauthorized")
    assert sites.client.get("/internal/v1/capacity").status == 404
    assert sites.cloud_client().get("/internal/v1/capacity", headers=sites.hop()).status == 404


# -- limits --

def test_deadline_in_the_cloud(sites):
    session = Session(sites.client)
    session.create(placement="remote", cleanup="idle", timeout_seconds=4)
    session.wait_ready()
    execution = session.submit("import time; time.sleep(60)", timeout_seconds=60)
    ended = session.wait_ended()
    assert (ended["status"], ended["reason"]) == ("stopped", "deadline")
    assert not sites.cloud_node().pods(session.id)
    result = session.result(execution)
    assert (result["status"], result["error"]["name"]) == ("killed", "DeadlineExceeded")


def test_deadline_in_a_cloud_that_nobody_reaches(sites):
    """It was told the deadline with the create, and needs nobody for it."""
    session = Session(sites.client)
    session.create(placement="remote", cleanup="idle", timeout_seconds=8)
    session.wait_ready()
    execution = session.submit("import time; print('begun', flush=True); time.sleep(60)", timeout_seconds=60)
    until(lambda: session.result(execution)["stdout"], 20, "output")
    sites.cut()
    assert session.delete().status == 202
    until(lambda: not sites.cloud_node().pods(session.id), 8 + 60, "its pod is gone", every=0.1)
    assert "closed" not in sites.breakers(), "the way is cut all the while"
    sites.heal()
    assert session.wait_ended()["reason"] in ("deadline", "deleted")
    assert session.result(execution)["stdout"] == "begun\n"


# -- the edge --

def test_a_burst_overflows_and_never_overshoots(sites):
    """Three gateways at once: what does not fit here runs in the cloud; nobody is refused, and no pod too many is ever made here."""
    sites.wait_open()
    here, there = sites.node().history(), sites.cloud_node().history()
    try:
        sessions = [Session(sites.client) for _ in range(16)]
        replies = together(lambda session: session.try_create(cleanup="idle"), sessions, 16)
        assert {reply.status for reply in replies} == {201}, [reply for reply in replies if reply.status != 201]
        together(lambda session: session.wait_ready(), sessions, 8)
        ids = {session.id for session in sessions}
        made_here = [name for name in here.uids if name in ids]
        made_there = [name for name in there.uids if name in ids]
        assert 1 <= len(made_here) <= sites.slots, made_here
        assert sorted(made_here + made_there) == sorted(ids), "each session had one pod, at one site"
        assert all(len(history.uids[name]) == 1 for history in (here, there) for name in history.uids if name in ids)
    finally:
        here.close()
        there.close()


@pytest.fixture
def broken_here():
    """Two sites of which the local one cannot start sandboxes: the agent there is no program any more."""
    hybrid = Hybrid(slots=2, gateways=2)
    try:
        hybrid.start()
        hybrid.wait_open()
        os.chmod(os.path.join(hybrid.state_dir, "local", "agent", "agent"), 0o644)
        yield hybrid
    finally:
        shut_both(hybrid)


def test_a_pod_that_does_not_start_here_moves_under_the_same_id(broken_here):
    history = broken_here.node().history()
    session = Session(broken_here.client)
    created = session.create(cleanup="idle", env={"KEPT": "yes"})
    assert created["site"] == "local" and created["status"] == "creating", created
    seen = set()

    def ready():
        status = session.status()
        seen.add(status["status"])
        return status if status["status"] == "ready" else None
    moved = until(ready, 60, "the session is ready in the cloud", every=0.05)
    assert seen <= {"creating", "ready"}, "the client sees no error"
    assert (moved["site"], moved["placement"]) == ("cloud", {"kind": "remote", "reason": "local_start_failed"})
    assert session.id in history.uids and not broken_here.node().pods(session.id)
    assert session.run("import os; os.environ['KEPT']")["result"] == "'yes'"
    assert session.try_create(cleanup="idle", env={"KEPT": "yes"}).status == 200
    history.close()
    # The code waits for the move too.
    other = Session(broken_here.client)
    assert other.run("1 + 1")["result"] == "2"
    session.end()
