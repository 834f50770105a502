"""Offsets, pages, floods, bytes that are not text, waiting."""
import base64
import time

import pytest

from box import Box

MIB = 1024 * 1024


def pages(box, eid, stream="stdout", limit=1000, encoding=None):
    """Reads a stream page by page; gives the pages."""
    offset, out = 0, []
    while True:
        query = f"?execution_id={eid}&{stream}_offset={offset}&limit={limit}" + (f"&encoding={encoding}" if encoding else "")
        r = box.result(query)
        if r[f"{stream}_next"] == offset and offset == r[f"{stream}_total"]:
            return out
        assert r[f"{stream}_next"] > offset
        out.append(r)
        offset = r[f"{stream}_next"]


def test_pending_before_anything_was_submitted():
    with Box() as box:
        r = box.result()
        assert r["status"] == "pending" and r["execution_id"] is None and r["stdout"] == ""


def test_flood_keeps_head_and_tail_and_exact_totals(fresh):
    code = "import os\nline = b'%0127d\\n'\nfor i in range(0, 819200, 64):\n    os.write(1, b''.join(line % j for j in range(i, i + 64)))"
    before = fresh.agent_memory_kib()
    r = fresh.run("python", code, timeout_seconds=60)
    assert r["status"] == "completed" and r["stdout_total"] == 100 * MIB and r["truncated"] is True
    assert r["stdout_dropped"] == 99 * MIB and len(r["stdout"]) == 512 * 1024 and r["stdout_next"] == 512 * 1024
    assert r["stdout"].startswith("0" * 126 + "0\n")
    tail = fresh.result(f"?stdout_offset={r['stdout_next']}&limit={MIB}")
    assert tail["stdout_skipped"] == 99 * MIB and tail["stdout_offset"] == 100 * MIB - 512 * 1024
    assert len(tail["stdout"]) == 512 * 1024 and tail["stdout"].endswith("819199\n")
    inside = fresh.result(f"?stdout_offset={50 * MIB}&limit=128")
    assert inside["stdout_skipped"] == 50 * MIB - 512 * 1024 and inside["stdout_offset"] == tail["stdout_offset"]
    assert fresh.agent_memory_kib() - before < 12 * 1024  # what is kept, and a page of it as JSON


def test_one_mib_is_kept_in_full(fresh):
    r = fresh.run("bash", "head -c 1048576 /dev/zero | tr '\\0' x")
    assert r["stdout_total"] == MIB and r["stdout_dropped"] == 0 and not r["truncated"] and len(r["stdout"]) == MIB


def test_pages_never_tear_a_character(box):
    text = "a\u00e9\u20ac\U0001F600" * 700
    r = box.run("python", f"import sys\nsys.stdout.write('a\u00e9\u20ac\U0001F600' * 700)")
    assert r["stdout"] == text
    for limit in (1, 2, 3, 7, 100):
        eid = r["execution_id"] if limit > 3 else box.run("python", "print('a\u00e9\u20ac\U0001F600' * 5, end='')")["execution_id"]
        parts = pages(box, eid, limit=limit)
        assert "".join(p["stdout"] for p in parts) == (text if limit > 3 else "a\u00e9\u20ac\U0001F600" * 5)
        assert not any(p["stdout_binary"] for p in parts)


def test_half_a_character_waits_for_its_rest(box):
    eid = box.submit("python", "import os, time\nos.write(1, b'x\\xe2\\x82')\ntime.sleep(1)\nos.write(1, b'\\xac')")
    r = box.result(f"?execution_id={eid}&wait=5")
    assert (r["stdout"], r["stdout_next"]) == ("x", 1)
    r = box.result(f"?execution_id={eid}&stdout_offset=1&wait=10")
    assert r["stdout"] == "\u20ac" and r["stdout_binary"] is False


def test_binary(box):
    r = box.run("python", "import os\nos.write(1, bytes(range(256)))")
    assert r["stdout_binary"] is True and "\ufffd" in r["stdout"] and r["stdout_total"] == 256
    eid = r["execution_id"]
    for limit in (1, 10, 1000):
        parts = pages(box, eid, limit=limit, encoding="base64")
        assert b"".join(base64.b64decode(p["stdout"]) for p in parts) == bytes(range(256))


def test_stderr_pages_apart(box):
    eid = box.run("bash", "echo out; echo err >&2")["execution_id"]
    r = box.result(f"?execution_id={eid}&stdout_offset=4&stderr_offset=1&limit=2")
    assert (r["stdout"], r["stderr"], r["stderr_offset"], r["stderr_next"]) == ("", "rr", 1, 3)


@pytest.mark.parametrize("query,status,code", [
    ("stdout_offset=99999", 416, "offset_beyond_end"),
    ("stdout_offset=-1", 400, None),
    ("stdout_offset=x", 400, None),
    ("limit=0", 400, None),
    ("limit=1048577", 400, "limit_exceeded"),
    ("wait=31", 400, "limit_exceeded"),
    ("wait=1.5", 400, None),
    ("encoding=latin1", 400, "invalid_argument"),
    ("execution_id=nobody", 404, "execution_not_found"),
    ("execution_id=a%2fb", 400, "invalid_id"),
    ("execution_id=", 400, "invalid_id"),
])
def test_bad_queries(box, query, status, code):
    box.run("bash", "echo x")
    r = box.call("GET", f"/v1/result?{query}")
    assert r.status == status, r
    assert code is None or r.json["code"] == code
    assert r.fields["Content-Type"] == "application/problem+json"


def test_wait_returns_on_new_output(box):
    eid = box.submit("python", "import time\ntime.sleep(0.4)\nprint('now')\ntime.sleep(5)")
    begin = time.monotonic()
    r = box.result(f"?execution_id={eid}&wait=10")
    assert r["stdout"].startswith("now") and r["status"] == "running" and time.monotonic() - begin < 4
    box.call("DELETE", f"/v1/executions/{eid}")


def test_wait_returns_on_the_end(box):
    eid = box.submit("bash", "sleep 0.3")
    assert box.result(f"?execution_id={eid}&wait=10")["status"] == "completed"


def test_wait_ends_in_time(box):
    eid = box.submit("bash", "sleep 5")
    begin = time.monotonic()
    r = box.result(f"?execution_id={eid}&wait=1")
    assert r["status"] == "running" and 0.9 < time.monotonic() - begin < 4
    box.call("DELETE", f"/v1/executions/{eid}")


def test_exec_wait_that_is_too_short_gives_202(box):
    r = box.call("POST", "/v1/exec/bash?wait=1", {"code": "sleep 3"})
    assert r.status == 202 and r.json["status"] == "running"
    assert r.fields["Spillway-Execution-Id"] == r.json["execution_id"]
    box.call("DELETE", f"/v1/executions/{r.json['execution_id']}")


def test_many_waiters_all_hear_of_the_end(box):
    import threading
    eid = box.submit("bash", "sleep 0.5")
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(box.result(f"?execution_id={eid}&wait=10")["status"])) for _ in range(30)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert seen == ["completed"] * 30
