"""The session's processes under psutil's names, and signals to them."""
import os
import time

import pytest

from box import Box

KEYS = {"pid", "ppid", "name", "cmdline", "status", "username", "cpu_percent", "memory_rss", "num_threads", "create_time", "protected"}


def listed(box, query=""):
    r = box.call("GET", f"/v1/processes{query}")
    assert r.status == 200, r
    return r.json


def find(box, word):
    return [p for p in listed(box)["items"] if any(word in part for part in p["cmdline"])]


def wait_for(box, word, count=1):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        found = find(box, word)
        if len(found) >= count:
            return found
        time.sleep(0.02)
    raise AssertionError(listed(box))


def test_what_is_told_of_a_process(fresh):
    begin = time.time()
    eid = fresh.submit("python", "import threading, time, sys\nblock = b'x' * 30_000_000\nthreading.Thread(target=time.sleep, args=(60,)).start()\n"
                       "import subprocess\nsubprocess.Popen(['sh', '-c', 'sleep 60; :', '4711', 'ünï', ''])\nn = 0\nwhile True: n += 1", timeout_seconds=60)
    shell = wait_for(fresh, "4711")[0]
    every = {}
    end = time.monotonic() + 20
    while every.get(shell["ppid"], {}).get("cpu_percent", 0) <= 20 and time.monotonic() < end:  # of a core, as far as others leave it one
        time.sleep(0.5)
        every = {p["pid"]: p for p in listed(fresh)["items"]}
    assert all(set(p) == KEYS for p in every.values())
    agent, shell = every[1], every[shell["pid"]]
    python = every[shell["ppid"]]
    assert agent["name"] == "agent" and agent["protected"] and agent["ppid"] == 0 and agent["cmdline"] == ["/spillway/agent"]
    assert shell["cmdline"] == ["sh", "-c", "sleep 60; :", "4711", "ünï", ""] and shell["name"] == "sh" and shell["status"] == "sleeping"
    assert shell["num_threads"] == 1 and not shell["protected"] and shell["cpu_percent"] < 50
    assert python["num_threads"] == 2 and python["cpu_percent"] > 20 and python["memory_rss"] > 30_000_000
    assert python["status"] in ("running", "sleeping") and not python["protected"]
    assert begin - 3 < shell["create_time"] < time.time() + 1
    assert len({p["username"] for p in every.values()}) == 1
    assert all(p["protected"] for p in every.values() if p["ppid"] == 1)
    fresh.call("DELETE", f"/v1/executions/{eid}")


def test_pages(fresh):
    eid = fresh.submit("bash", "for i in 1 2 3 4 5; do sleep 33 & done; wait")
    wait_for(fresh, "33", 5)
    whole = [p["pid"] for p in listed(fresh)["items"]]
    assert whole == sorted(whole) and listed(fresh)["continue"] is None
    got, token = [], ""
    while token is not None:
        page = listed(fresh, "?limit=2" + (f"&continue={token}" if token else ""))
        got += [p["pid"] for p in page["items"]]
        token = page["continue"]
    assert got == whole
    for query in ("limit=0", "limit=1001", "continue=x", "continue=-1"):
        assert fresh.call("GET", f"/v1/processes?{query}").status == 400
    fresh.call("DELETE", f"/v1/executions/{eid}")


def test_kill(fresh):
    eid = fresh.submit("bash", "trap 'echo usr1' USR1; sleep 44 & while true; do wait; sleep 0.05; done", timeout_seconds=60)
    found = wait_for(fresh, "44")
    sleep, shell = found[-1]["pid"], found[-1]["ppid"]
    for text in ("USR1", "SIGUSR1", "sigusr1", "10"):
        r = fresh.call("POST", f"/v1/process/kill/{shell}?signal={text}")
        assert r.status == 200 and r.json == {"pid": shell, "signal": "SIGUSR1"}
        time.sleep(0.2)
    assert fresh.result(f"?execution_id={eid}")["stdout"].count("usr1") >= 3
    r = fresh.call("POST", f"/v1/process/kill/{sleep}")
    assert r.status == 200 and r.json == {"pid": sleep, "signal": "SIGKILL"}
    end = time.monotonic() + 5
    while find(fresh, "44") and time.monotonic() < end:
        time.sleep(0.02)
    assert fresh.result(f"?execution_id={eid}")["status"] == "running"
    r = fresh.call("POST", f"/v1/process/kill/{shell}?signal=SEGV")
    assert r.status == 200
    result = fresh.ended(eid)
    assert result["status"] == "killed" and result["signal"] == "SIGSEGV"


def test_kills_that_are_refused(fresh):
    eid = fresh.submit("bash", "sleep 55", timeout_seconds=60)
    user = wait_for(fresh, "55")[0]
    protected = [p["pid"] for p in listed(fresh)["items"] if p["protected"]]
    assert 1 in protected and len(protected) >= 2
    for pid in protected:
        for signal in ("KILL", "STOP", "TERM", "9"):
            r = fresh.call("POST", f"/v1/process/kill/{pid}?signal={signal}")
            assert r.status == 403 and r.json["code"] == "forbidden", r
    for pid in (999999, 2**31 - 1):
        r = fresh.call("POST", f"/v1/process/kill/{pid}")
        assert r.status == 404 and r.json["code"] == "process_not_found", r
    for pid in ("0", "-1", "x", "1x", "99999999999999999999", "2147483648"):
        assert fresh.call("POST", f"/v1/process/kill/{pid}").status == 400, pid
    for signal in ("", "0", "65", "-9", "NO", "SIG", "KILLKILLKILLKILL", "9x"):
        assert fresh.call("POST", f"/v1/process/kill/{user['pid']}?signal={signal}").status == 400, signal
    assert fresh.result(f"?execution_id={eid}")["status"] == "running"
    assert fresh.call("GET", "/v1/health", token=None).status == 200


def test_names_that_a_program_gives_itself(fresh):
    code = r"""
import ctypes, time
libc = ctypes.CDLL(None)
libc.prctl(15, b'x) R 1 1 1\n"', 0, 0, 0)
print("ready", flush=True)
time.sleep(60)
"""
    fresh.submit("python", code, timeout_seconds=60)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        found = [p for p in listed(fresh)["items"] if p["name"].startswith("x) R")]
        if found:
            break
        time.sleep(0.05)
    assert found[0]["name"] == 'x) R 1 1 1\n"' and found[0]["status"] == "sleeping" and not found[0]["protected"]


def test_many_processes_with_long_command_lines():
    with Box(pids=600) as box:
        code = "import subprocess, time\nfor i in range(300): subprocess.Popen(['sleep', '6' * 3] + ['\\x01' * 1000] * 5, stderr=-3)\n" \
               "subprocess.Popen(['bash', '-c', 'sleep 60', '\\x01' * 5000])\nfor i in range(300): subprocess.Popen(['bash', '-c', 'sleep 66; true'] + ['\\x01' * 1000] * 5)\ntime.sleep(60)"
        eid = box.submit("python", code, timeout_seconds=60)
        wait_for(box, "sleep 66", 250)
        begin = time.monotonic()
        items = listed(box)["items"]
        assert time.monotonic() - begin < 10  # a tenth of a second, not one for each process and line
        longest = max(items, key=lambda p: sum(len(a) for a in p["cmdline"]))
        assert 1500 < sum(len(a) for a in longest["cmdline"]) <= 2048
        box.call("DELETE", f"/v1/executions/{eid}")


@pytest.mark.skipif(os.environ.get("SPILLWAY_AGENT_ROOTFS") is not None, reason="reads the machine's passwd")
def test_the_user_has_a_name_or_a_number(box):
    import pwd
    try:
        name = pwd.getpwuid(1000).pw_name
    except KeyError:
        name = "1000"
    assert listed(box)["items"][0]["username"] == name
