"""Activity, consent, tender, deadline, the way to the result store."""
import hashlib
import threading
import time

import pytest

from box import EPOCH, Box



def test_health_needs_no_token(box):
    r = box.call("GET", "/v1/health", token=None)
    assert r.json == {"status": "ok", "epoch": EPOCH}


def test_activity_follows_an_execution(fresh):
    a = fresh.activity()
    assert (a["running"], a["last_execution"], a["last_end_ms"], a["executions"], a["unstored"]) == (0, None, -1, 0, [])
    eid = fresh.submit("bash", "sleep 0.4")
    b = fresh.activity()
    assert b["running"] == 1 and b["idle_ms"] == 0 and b["last_execution"] == eid and b["seq"] > a["seq"]
    c = fresh.activity(f"?since={b['seq']}&wait=10")
    assert c["running"] == 0 and c["unstored"] == [eid] and 0 <= c["last_end_ms"] < 2000 and c["seq"] > b["seq"]
    assert fresh.call("POST", f"/v1/executions/{eid}/stored").status == 204
    d = fresh.activity()
    assert d["unstored"] == [] and d["seq"] > c["seq"]


def test_results_do_not_count_as_activity(fresh):
    fresh.run("bash", "true")
    time.sleep(0.3)
    fresh.result()
    assert fresh.activity()["idle_ms"] >= 300


def test_quiesce_refuses_while_something_runs_and_too_early(fresh):
    eid = fresh.submit("bash", "sleep 20")
    r = fresh.call("POST", "/v1/quiesce", {"epoch": EPOCH, "if_idle_ms": 0})
    assert r.status == 409 and r.json["code"] == "busy"
    fresh.call("DELETE", f"/v1/executions/{eid}")
    fresh.ended(eid)
    assert fresh.call("POST", "/v1/quiesce", {"epoch": EPOCH, "if_idle_ms": 60000}).status == 409
    assert fresh.call("POST", "/v1/quiesce", {"epoch": "0" * 32, "if_idle_ms": 0}).json["code"] == "conflict"
    assert fresh.call("POST", "/v1/quiesce", {"epoch": EPOCH}).status == 400
    for _ in range(2):
        r = fresh.call("POST", "/v1/quiesce", {"epoch": EPOCH, "if_idle_ms": 0})
        assert r.status == 200 and r.json["quiesced"] is True
    r = fresh.call("POST", "/v1/exec/bash", {"code": "true"})
    assert r.status == 409 and r.json["code"] == "session_ended"
    assert fresh.result(f"?execution_id={eid}")["status"] == "killed"


def test_a_known_id_is_still_known_after_quiesce(fresh):
    body = {"code": "echo once", "execution_id": "k1"}
    fresh.call("POST", "/v1/exec/bash?wait=10", body)
    fresh.call("POST", "/v1/quiesce", {"epoch": EPOCH, "if_idle_ms": 0})
    assert fresh.call("POST", "/v1/exec/bash?wait=10", body).json["stdout"] == "once\n"


@pytest.mark.parametrize("cause,error", [({}, "Cancelled"), ({"cause": "deleted"}, "Cancelled"), ({"cause": "deadline"}, "DeadlineExceeded")])
def test_forced_quiesce_kills_what_runs(fresh, cause, error):
    ids = [fresh.submit("bash", "sleep 30") for _ in range(3)]
    r = fresh.call("POST", "/v1/quiesce", {"epoch": EPOCH, "force": True, **cause})
    assert r.status == 200 and r.json["quiesced"] and r.json["running"] == 0
    results = [fresh.result(f"?execution_id={i}") for i in ids]
    assert [(result["status"], result["error"]["name"]) for result in results] == [("killed", error)] * 3


def test_tender_is_handed_over(fresh):
    seq = fresh.activity()["seq"]
    answers = []
    waiting = threading.Thread(
        target=lambda: answers.append((time.monotonic(), fresh.activity(f"?since={seq}&wait=20&tender=gw-1"))))
    waiting.start()
    time.sleep(0.3)
    now = fresh.activity()
    assert now["tender"] == "gw-1" and now["tended_ms"] == 0
    begin = time.monotonic()
    second = fresh.activity(f"?since={now['seq']}&wait=1&tender=gw-2")
    waiting.join()
    assert answers[0][1]["tender"] == "gw-2" and answers[0][0] - begin < 0.9
    assert second["tender"] == "gw-2"
    time.sleep(0.2)
    assert 200 <= fresh.activity()["tended_ms"] < 5000


def test_tender_that_goes_away_is_noticed(fresh):
    import socket
    from box import TOKEN
    s = socket.socket(socket.AF_UNIX)
    s.connect(fresh.socket)
    s.sendall(f"GET /v1/activity?since=999&wait=20&tender=gw-9 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
    time.sleep(0.2)
    assert fresh.activity()["tended_ms"] == 0
    s.close()
    time.sleep(0.3)
    assert fresh.activity()["tended_ms"] > 0


def test_bad_activity_queries(box):
    for query in ("wait=31", "since=-1", "tender=a%20b", "tender="):
        assert box.call("GET", f"/v1/activity?{query}").status == 400


def test_record(fresh):
    eid = fresh.run("python", "import sys\nprint('out'); print('err', file=sys.stderr)\n7")["execution_id"]
    r = fresh.call("GET", f"/v1/executions/{eid}/record")
    line, rest = r.body.split(b"\n", 1)
    import json
    meta = json.loads(line)
    assert meta["result"] == "7" and meta["status"] == "completed" and rest == b"out\nerr\n"
    assert meta["outputs"] == {"stdout": {"total": 4, "head": 4, "tail": 0}, "stderr": {"total": 4, "head": 4, "tail": 0}}
    running = fresh.submit("bash", "sleep 5")
    assert fresh.call("GET", f"/v1/executions/{running}/record").json["code"] == "busy"
    assert fresh.call("POST", f"/v1/executions/{running}/stored").status == 409


def test_stored_ones_make_room_and_their_ids_are_not_run_again(fresh):
    for i in range(70):
        r = fresh.call("POST", "/v1/exec/bash?wait=10", {"code": f"echo {i}", "execution_id": f"n{i}"})
        assert r.status == 200, r
        assert fresh.call("POST", f"/v1/executions/n{i}/stored").status == 204
    kept = {e["execution_id"] for e in fresh.call("GET", "/v1/executions").json["items"]}
    gone = fresh.call("GET", "/v1/let_go").body.decode()
    assert len(kept) <= 65 and len(kept) + len(gone) // 12 == 70
    assert {gone[i:i + 12] for i in range(0, len(gone), 12)} == \
        {hashlib.sha256(f"n{i}".encode()).hexdigest()[:12] for i in range(70) if f"n{i}" not in kept}
    assert fresh.call("GET", "/v1/result?execution_id=n0").status == 410
    assert fresh.call("POST", "/v1/executions/n0/stdin", b"x").json["code"] == "stdin_closed"
    r = fresh.call("POST", "/v1/exec/bash?wait=10", {"code": "echo 0", "execution_id": "n0"})
    assert r.status == 202 and r.json["status"] == "completed"
    assert fresh.call("POST", "/v1/exec/bash", {"code": "echo 1", "execution_id": "n0"}).status == 409


def test_results_that_are_not_stored_are_never_dropped(fresh):
    for i in range(64):
        assert fresh.call("POST", "/v1/exec/bash?wait=10", {"code": "true", "execution_id": f"n{i}"}).status == 200
    r = fresh.call("POST", "/v1/exec/bash", {"code": "true"})
    assert r.status == 429 and "stored" in r.json["detail"]
    fresh.call("POST", "/v1/executions/n0/stored")
    assert fresh.call("POST", "/v1/exec/bash", {"code": "true"}).status == 202


def test_deadline_ends_everything():
    with Box(start=False) as box:
        box.start(deadline_ms=700)
        eid = box.submit("bash", "setsid sleep 60 & sleep 60", timeout_seconds=100)
        r = box.ended(eid)
        assert r["status"] == "killed" and "deadline" in r["error"]["value"]
        assert box.activity()["quiesced"] is True and box.activity()["running"] == 0
        assert box.call("POST", "/v1/exec/bash", {"code": "true"}).json["code"] == "session_ended"


def test_deadline_can_be_moved(fresh):
    assert fresh.call("POST", "/v1/deadline", {"deadline_ms": 5000}).json["deadline_ms"] <= 5000
    assert fresh.call("POST", "/v1/deadline", {"deadline_ms": 0}).status == 400
    assert fresh.call("POST", "/v1/deadline", {"deadline_ms": "x"}).status == 400


def test_start_refuses_bad_env():
    with Box(start=False) as box:
        for env in ({"SPILLWAY_A": "x"}, {"A=": "x"}, {"A": 1}, []):
            r = box.call("POST", "/v1/start", {"epoch": EPOCH, "env": env, "deadline_ms": 1000})
            assert r.status == 400, r
        assert box.activity()["started"] is False


def test_term_from_outside_ends_the_agent_at_once(fresh):
    import os
    import signal
    fresh.submit("bash", "sleep 60")
    begin = time.monotonic()
    os.kill(fresh.agent_pid(), signal.SIGTERM)
    assert fresh.process.wait(10) == 0 and time.monotonic() - begin < 2


def test_starts_fast_and_small(fresh):
    with open(f"/proc/{fresh.agent_pid()}/status") as f:
        status = dict(line.split(":", 1) for line in f)
    assert status["Threads"].strip() == "1"
    print("RSS", status["VmRSS"].strip())


@pytest.mark.parametrize("limits", [{"nonsense": 1}, {"pids": 0}, {"execution_ms": 5000, "execution_max_ms": 1000}])
def test_bad_limits_are_told(limits):
    with pytest.raises(RuntimeError, match="SPILLWAY_LIMITS"):
        Box(**limits)


def test_limits_are_heeded():
    with Box(execution_ms=300, execution_max_ms=1000, output_bytes=2048, code_bytes=100, executions_max=1) as box:
        assert box.run("bash", "sleep 5")["status"] == "timeout"
        r = box.run("bash", "head -c 5000 /dev/zero | tr '\\0' x")
        assert r["stdout_dropped"] == 5000 - 2048
        assert box.call("POST", "/v1/exec/bash", {"code": "x" * 101}).status == 413
        assert "1 s" in box.call("POST", "/v1/exec/bash", {"code": "", "timeout_seconds": 2}).json["detail"]
