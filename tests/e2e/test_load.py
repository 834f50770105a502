"""Issue 3, "must be shown" 4 and 5: many sessions, and many executions across the death of a gateway, on 64 slots."""
import threading
import time
import uuid

import pytest
from harness.background import together
from harness.runs import RunCounter, counted, tell, until_told
from harness.session import Session
from harness.wait import Stopwatch, until

pytestmark = pytest.mark.load


def quantiles(values):
    ordered = sorted(values)
    return {name: round(ordered[min(len(ordered) - 1, int(len(ordered) * part))], 3)
            for name, part in (("p50", 0.5), ("p90", 0.9), ("max", 1.0))}


def test_two_hundred_sessions_sixteen_at_a_time(big_site, record_property):
    """Create, wait for ready, run, poll the result, delete: 0 lost, 0 left."""
    lock, ready_times, run_times = threading.Lock(), [], []

    def whole_life(number):
        session = Session(big_site.client)
        watch = Stopwatch()
        session.create(cleanup="idle")
        session.wait_ready()
        ready = watch.seconds
        watch = Stopwatch()
        answer = session.final(session.submit(f"print({number} * 3)"))
        ran = watch.seconds
        with lock:
            ready_times.append(ready)
            run_times.append(ran)
        session.delete().expect(202)
        return session, answer

    watch = Stopwatch()
    lives = together(whole_life, range(200), 16)
    record_property("200 sessions, s", round(watch.seconds, 1))
    lost = [number for number, (_, answer) in enumerate(lives)
            if (answer["status"], answer["stdout"]) != ("completed", f"{number * 3}\n")]
    assert lost == []
    for session, _ in lives:
        assert session.wait_ended()["status"] == "stopped"
    until(lambda: not big_site.node().pods(), 60, "no pod is left")
    for number, (session, answer) in enumerate(lives):
        assert session.result(answer["execution_id"])["stdout"] == f"{number * 3}\n"
    record_property("create to ready, s", quantiles(ready_times))
    record_property("exec to result, s", quantiles(run_times))
    print("200 sessions, 16 at a time:", round(watch.seconds, 1), "s; create to ready", quantiles(ready_times),
          "exec to result", quantiles(run_times))


def test_two_hundred_pollers_see_each_end_once(big_site, record_property):
    """L8: ten pollers on each of 20 executions; every one sees the whole output and exactly one end."""
    sessions = [Session(big_site.client) for _ in range(20)]
    together(lambda session: session.start(cleanup="idle"), sessions, 8)
    code = "import time\nfor number in range(4):\n    print(number, flush=True)\n    time.sleep(0.5)"
    executions = {session.id: session.submit(code, timeout_seconds=60) for session in sessions}
    latencies, lock = [], threading.Lock()

    def poll(number):
        session = sessions[number % 20]
        text, offset, ends = "", 0, 0
        while not ends:
            watch = Stopwatch()
            page = session.result(executions[session.id], stdout_offset=offset)
            with lock:
                latencies.append(watch.seconds)
            text, offset = text + page["stdout"], page["stdout_next"]
            assert page["status"] in ("running", "completed"), page
            ends = page["status"] == "completed" and offset == page["stdout_total"]
            time.sleep(0.1)
        return text

    assert together(poll, range(200), 200) == ["0\n1\n2\n3\n"] * 200
    record_property("L8 polls", len(latencies))
    record_property("L8 one poll, s", quantiles(latencies))
    together(lambda session: session.end(), sessions, 8)
    assert not big_site.node().pods()


def test_fifty_running_executions_outlive_the_gateway_that_submitted_them(big_site, record_property):
    """kill -9 of one of three gateways that submitted at least 10 of 50; nobody polls before all pods are gone."""
    site = big_site
    sessions = [Session(site.client) for _ in range(50)]
    requests = {session.id: uuid.uuid4().hex for session in sessions}
    executions = {}
    with RunCounter(site) as counter:
        together(lambda session: session.start(cleanup="completion"), sessions, 8)

        def submit(session):
            reply = session.try_exec(code=counted(until_told() + "print('end')"), timeout_seconds=250,
                                     headers={"X-Request-Id": requests[session.id]})
            executions[session.id] = reply.expect(202).json()["execution_id"]
            counter.watch(session.id)

        together(submit, sessions, 8)
        until(lambda: all(counter.seen(session.id) for session in sessions), 120, "all fifty run")
        routes = site.routed(requests.values())
        submitted = {entry["name"]: sum(1 for name in routes.values() if name == entry["name"]) for entry in site.gateways}
        victim = max(submitted, key=submitted.get)
        assert submitted[victim] >= 10, submitted
        old = site.kill(victim)
        watch = Stopwatch()
        for session in sessions:  # from the host's side; the system is not asked anything
            tell(site.state_dir, session.id)
        until(lambda: not site.node().pods(), 300, "all pods are cleaned up", every=0.25)
        record_property("kill to all pods gone, s", round(watch.seconds, 1))
        site.wait_restarted(victim, old)
        for session in sessions:
            counter.check_once(session.id, session.result(executions[session.id]))
            assert session.wait_ended()["status"] == "stopped"
        record_property("submitted by", submitted)
        print("submitted", submitted, "killed", victim, "all pods gone after", round(watch.seconds, 1), "s")
