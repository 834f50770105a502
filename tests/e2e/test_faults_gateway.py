"""A gateway dies, stops or leaves: nobody's session notices for long."""
import os
import signal
import time

import pytest
from harness import processes
from harness.background import Pollers, together
from harness.client import Client, ConnectionLost
from harness.runs import RunCounter, counted, tell, until_told, written
from harness.session import Session
from harness.wait import Stopwatch, until


def start_all(client, count, **create):
    sessions = [Session(client) for _ in range(count)]
    together(lambda session: session.start(cleanup="idle", **create), sessions, 4)
    return sessions


def end_all(sessions):
    together(lambda session: session.end(), sessions, 4)


def gateway_of(site, session):
    """Who serves it now, by nginx's log."""
    request = os.urandom(16).hex()
    session.client.get(f"/{session.id}/status", headers={"X-Request-Id": request}).expect(200)
    return site.routed([request])[request]


def test_killed_gateway_costs_no_session_anything(site, client, record_property):
    """F1: polls go on through the others, running code is neither lost nor run again."""
    sessions = start_all(client, 6)
    with RunCounter(site) as counter:
        executions = {session.id: session.submit(counted(until_told() + "print('end')"), timeout_seconds=120)
                      for session in sessions}
        for session in sessions:
            counter.watch(session.id)
        until(lambda: all(len(counter.seen(session.id)) == 1 for session in sessions), 60, "all run")
        victim = gateway_of(site, sessions[0])
        with Pollers(site.url, [f"/{session.id}/status" for session in sessions]) as pollers:
            pollers.wait_for(50)
            old = site.kill(victim)
            watch = Stopwatch()
            assert sessions[0].status()["status"] == "executing"
            record_property("F1 next answer after the kill, s", round(watch.seconds, 3))
            pollers.wait_for(200)
            site.wait_restarted(victim, old)
            pollers.wait_for(100)
        record_property("F1 polls", pollers.asked)
        record_property("F1 polls that failed", len(pollers.failures))
        assert len(pollers.failures) <= pollers.asked / 1000, pollers.failures[:5]
        for session in sessions:
            tell(site.state_dir, session.id)
        for session in sessions:
            counter.check_once(session.id, session.final(executions[session.id]))
    end_all(sessions)
    assert not site.node().pods()


def test_posts_in_flight_at_a_kill_are_never_run_twice(site, client):
    """Each exec is repeated with its own execution id until it is acknowledged: one run each."""
    sessions = start_all(client, 4)
    victim = gateway_of(site, sessions[0])

    def submit(number):
        session = sessions[number % len(sessions)]
        body = {"code": f"open('/workspace/n{number}', 'a').write('x')", "execution_id": f"run-{number}"}
        for _ in range(200):
            try:
                reply = client.post(f"/{session.id}/exec/python", body)
            except ConnectionLost:
                continue
            if reply.status in (200, 202):
                return session
            assert reply.status in (429, 502, 503, 504), reply
        raise AssertionError(f"run-{number} was never taken")

    old = None
    for begin in range(0, 48, 8):
        if begin == 16:
            old = site.kill(victim)
        for number, session in zip(range(begin, begin + 8), together(submit, range(begin, begin + 8), 8)):
            assert session.final(f"run-{number}")["status"] == "completed"
    site.wait_restarted(victim, old)
    for place, session in enumerate(sessions):
        assert written(site.state_dir, session.id) == {f"n{number}": "x" for number in range(place, 48, len(sessions))}
    end_all(sessions)


def test_gateway_told_to_end_fails_no_request(site, client, record_property):
    """F2: SIGTERM under polls, long ones too."""
    sessions = start_all(client, 4)
    executions = [session.submit("import time\ntime.sleep(6)\nprint('end')", timeout_seconds=60) for session in sessions]
    victim = gateway_of(site, sessions[0])
    paths = [f"/{session.id}/status" for session in sessions]
    paths += [f"/{session.id}/result?execution_id={execution}&wait=2&stdout_offset=0"
              for session, execution in zip(sessions, executions)]
    with Pollers(site.url, paths, threads=8) as pollers:
        pollers.wait_for(50)
        process = processes.identity(site.gateway(victim)["pid"])
        old = site.kill(victim, signal.SIGTERM)
        until(lambda: not processes.alive(process), 60, "the gateway has ended")
        pollers.wait_for(100)
        site.wait_restarted(victim, old)
        pollers.wait_for(100)
    record_property("F2 polls", pollers.asked)
    record_property("F2 polls that failed", len(pollers.failures))
    assert not pollers.failures, pollers.failures[:5]
    for session, execution in zip(sessions, executions):
        assert session.final(execution)["stdout"] == "end\n"
    end_all(sessions)


def submit_past(site, session, hanging, execution_id, code):
    """nginx never sends an exec elsewhere that it has sent. The client gives up; what it sent waits for the gateway to wake.
    It repeats the exec, with the same execution id, at another gateway."""
    impatient = Session(Client(site.url, timeout=2), session.id)
    try:
        impatient.submit(code, execution_id=execution_id)
    except ConnectionLost:
        pass
    other = next(entry["name"] for entry in site.gateways if entry["name"] != hanging)
    patient = Session(site.client_of(other), session.id)
    patient.try_exec(code=code, execution_id=execution_id).expect(200, 202)
    return patient.final(execution_id)


def test_gateway_that_hangs_is_passed_over_and_does_no_harm_when_it_wakes(site, client, record_property):
    """F3: SIGSTOP, then CONT."""
    sessions = start_all(client, 3)
    victim = gateway_of(site, sessions[0])
    pid = site.kill(victim, signal.SIGSTOP)
    try:
        watch = Stopwatch()
        assert sessions[0].status()["session_id"] == sessions[0].id
        record_property("F3 first answer past a hanging gateway, s", round(watch.seconds, 3))
        watch = Stopwatch()
        answer = submit_past(site, sessions[0], victim, "meanwhile", "open('/workspace/meanwhile', 'a').write('x')")
        assert answer["status"] == "completed"
        record_property("F3 execution past a hanging gateway, s", round(watch.seconds, 3))
        sessions[1].end()
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: site.client_of(victim).get("/readyz").status == 200, 60, "awake again", every=0.1)
    woken = Session(site.client_of(victim), sessions[1].id)
    until(lambda: woken.status()["status"] == "stopped", 60, "the woken gateway knows what ended")
    assert site.node().pod(sessions[1].id) is None
    assert Session(woken.client, sessions[0].id).run("print('woken')")["stdout"] == "woken\n"
    assert written(site.state_dir, sessions[0].id) == {"meanwhile": "x"}, "it ran again"
    assert sessions[2].run("print('fine')")["stdout"] == "fine\n"
    end_all(sessions)


def test_a_gateway_that_starts_anew_knows_everything(site, client):
    """All state comes back from the API server and the store; all gateways die at once."""
    sessions = start_all(client, 3)
    ended = Session(client).start(cleanup="idle")
    kept = ended.run("print('kept')")["execution_id"]
    ended.end()
    before = [session.status() for session in sessions]
    running = sessions[0].submit(counted(until_told() + "print('end')"), timeout_seconds=120)
    first = sessions[1].run("print('before')")["execution_id"]
    old = {entry["name"]: site.kill(entry["name"]) for entry in site.gateways}
    for name, pid in old.items():
        site.wait_restarted(name, pid)
    until(lambda: client.get("/readyz").status == 200, 60, "the front door answers")
    for session, was in zip(sessions, before):
        now = session.status()
        for key in ("session_id", "created_at", "expires_at", "pod", "environment", "metadata"):
            assert now[key] == was[key], key
    assert sessions[1].result(first)["stdout"] == "before\n"
    assert ended.status()["status"] == "stopped" and ended.result(kept)["stdout"] == "kept\n"
    tell(site.state_dir, sessions[0].id)
    assert sessions[0].final(running)["status"] == "completed"
    end_all(sessions)


def test_deadlines_hold_although_every_gateway_died_meanwhile(site, client):
    session = Session(client).start(cleanup="idle", timeout_seconds=6)
    old = {entry["name"]: site.kill(entry["name"]) for entry in site.gateways}
    for name, pid in old.items():
        site.wait_restarted(name, pid)
    until(lambda: site.node().pod(session.id) is None, 100, "the pod goes at its deadline", every=0.1)
    assert session.wait_ended()["reason"] == "deadline"


START_LIMIT = 3  # s


@pytest.fixture
def short_start(site):
    """The gateways give up a pod that has not started after 3 s; a key that is read anew on SIGHUP, and at every start."""
    paths = {entry["name"]: os.path.join(site.state_dir, "local", entry["name"] + ".yaml") for entry in site.gateways}
    texts = {}
    for name, path in paths.items():
        with open(path, encoding="utf-8") as file:
            texts[name] = file.read()
        rewrite(site, name, path, texts[name].replace("limits:\n", f'limits:\n  start: "{START_LIMIT}s"\n'))
    yield
    for name, path in paths.items():
        rewrite(site, name, path, texts[name])


def rewrite(site, name, path, text):
    def read():
        with open(os.path.join(site.state_dir, "local", name + ".log"), encoding="utf-8", errors="replace") as log:
            return log.read().count("reloaded")
    before = read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.kill(site.gateway(name)["pid"], signal.SIGHUP)
    until(lambda: read() > before, 20, f"{name} has read its configuration anew", every=0.05)


def test_sessions_older_than_the_start_limit_outlive_their_gateways(site, client, short_start, record_property):
    """One by one, then all at once: a gateway that comes anew takes nobody for one that did not start."""
    with RunCounter(site) as counter:
        sessions = start_all(client, 4)
        executions = [session.submit(counted(until_told() + "print('end')"), timeout_seconds=200) for session in sessions[:2]]
        for session in sessions[:2]:
            counter.watch(session.id)
        until(lambda: all(counter.seen(session.id) for session in sessions[:2]), 60, "they run")
        time.sleep(START_LIMIT + 6)  # the limit, and what the sweeper grants beyond it
        for entry in list(site.gateways):
            site.wait_restarted(entry["name"], site.kill(entry["name"]))
        old = {entry["name"]: site.kill(entry["name"]) for entry in site.gateways}
        for name, pid in old.items():
            site.wait_restarted(name, pid)
        time.sleep(START_LIMIT + 8)  # the limit and some sweeps
        for session in sessions:
            assert session.status_reply().expect(200).json()["status"] in ("ready", "executing"), session.status()
            assert site.node().pod(session.id)
        for session, execution in zip(sessions, executions):
            tell(site.state_dir, session.id)
            counter.check_once(session.id, session.final(execution))
        for session in sessions[2:]:
            assert session.run("'first'")["result"] == "'first'"
    end_all(sessions)
