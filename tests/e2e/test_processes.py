"""Processes through the whole chain."""
from harness import problems
from harness.wait import until


def listed(session):
    return session.client.get(f"{session.base}/processes").expect(200).json()["items"]


def test_list_and_kill(session):
    eid = session.submit("import subprocess, time\nsubprocess.Popen(['sleep', '77'])\ntime.sleep(60)", timeout_seconds=60)

    def found():
        return [p for p in listed(session) if p["cmdline"] == ["sleep", "77"]]
    sleep = until(found, 20, "the process is listed", every=0.05)[0]
    every = {p["pid"]: p for p in listed(session)}
    assert every[1]["protected"] and not sleep["protected"] and sleep["ppid"] in every
    problems.check(session.client.post(f"{session.base}/process/kill/1"), 403, "forbidden")
    problems.check(session.client.post(f"{session.base}/process/kill/{every[sleep['ppid']]['ppid']}"), 403, "forbidden")
    problems.check(session.client.post(f"{session.base}/process/kill/999999"), 404, "process_not_found")
    problems.check(session.client.post(f"{session.base}/process/kill/{sleep['pid']}", params={"signal": "NONE"}), 400, "invalid_argument")
    answer = session.client.post(f"{session.base}/process/kill/{sleep['pid']}", params={"signal": "TERM"}).expect(200).json()
    assert answer == {"pid": sleep["pid"], "signal": "SIGTERM"}
    session.client.post(f"{session.base}/process/kill/{sleep['ppid']}").expect(200)
    result = session.final(eid)
    assert result["status"] == "killed" and result["signal"] == "SIGKILL"


def test_one_sees_and_signals_only_the_own_session(make_session):
    mine, theirs = make_session(cleanup="idle"), make_session(cleanup="idle")
    theirs.submit("import subprocess, time\nsubprocess.Popen(['sleep', '88'])\ntime.sleep(60)", timeout_seconds=60)
    until(lambda: any("88" in p["cmdline"] for p in listed(theirs)), 20, "it runs", every=0.05)
    assert not any("88" in p["cmdline"] for p in listed(mine))
