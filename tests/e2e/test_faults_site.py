"""nginx, Redis, the node and the agent die or hang: what happens to running sessions."""
import os
import signal
import time

from harness import containers, problems, processes
from harness.background import Pollers
from harness.client import Client, ConnectionLost
from harness.runs import RunCounter, counted, tell, until_told
from harness.session import FINAL, Session
from harness.wait import Stopwatch, until


def begin(site, counter, count=2, **create):
    """Sessions whose code runs until told."""
    sessions = [Session(site.client).start(**dict({"cleanup": "idle"}, **create)) for _ in range(count)]
    executions = [session.submit(counted(until_told() + "print('end')"), timeout_seconds=200) for session in sessions]
    for session in sessions:
        counter.watch(session.id)
    until(lambda: all(counter.seen(session.id) for session in sessions), 60, "all run")
    return sessions, executions


def check_ran_once(session, execution, counter):
    counter.check_once(session.id, session.final(execution))


def test_killed_nginx_comes_back_and_nothing_else_notices(site):
    with RunCounter(site) as counter:
        sessions, executions = begin(site, counter)
        pids = {entry["name"]: entry["pid"] for entry in site.gateways}
        site.wait_restarted("nginx", site.kill("nginx"))
        for session, execution in zip(sessions, executions):
            assert session.status()["status"] == "executing"
            tell(site.state_dir, session.id)
            check_ran_once(session, execution, counter)
            session.end()
        assert pids == {entry["name"]: entry["pid"] for entry in site.gateways}


def test_killed_redis_costs_no_living_session_anything(site, client, record_property):
    """F4 and F5: it comes back empty; what lives is unaffected, and what ends afterwards is kept."""
    with RunCounter(site) as counter:
        sessions, executions = begin(site, counter, 3)
        with Pollers(site.url, [f"/{session.id}/status" for session in sessions]) as pollers:
            pollers.wait_for(50)
            old = site.kill("redis")
            fresh = Session(client)
            # Without the store each gateway has its share of what is left; what the others have may be in the way.
            until(lambda: fresh.try_create(cleanup="idle").expect(200, 201, 503).status != 503, 60, "room without a store")
            fresh.wait_ready()
            assert fresh.run("print('without a store')")["stdout"] == "without a store\n"
            site.wait_restarted("redis", old)
            pollers.wait_for(100)
        record_property("F4 polls", pollers.asked)
        assert not pollers.failures, pollers.failures[:5]
        for session, execution in zip(sessions, executions):
            tell(site.state_dir, session.id)
            check_ran_once(session, execution, counter)
        session, execution = sessions[0], executions[0]
        for each in sessions + [fresh]:
            each.end()
        assert session.result(execution)["status"] == "completed"


def test_a_result_that_could_not_be_stored_keeps_its_pod_until_it_is(site, client):
    """Redis hangs while a `completion` session ends: the pod stays, and goes once the result is safe."""
    session = Session(client)
    session.create(cleanup="completion")
    session.wait_ready()
    pid = site.kill("redis", signal.SIGSTOP)
    try:
        answer = session.run("print('kept')")
        assert answer["stdout"] == "kept\n"
        # Linger is 5 s in ./run: looked at for longer than that, without touching the session.
        watch = Stopwatch()
        while watch.seconds < 8:
            assert site.node().pod(session.id) is not None, "the pod went although its result was not stored"
            time.sleep(0.2)
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: site.node().pod(session.id) is None, 120, "the pod goes", every=0.1)
    assert session.result(answer["execution_id"])["stdout"] == "kept\n"


def test_hanging_redis_blocks_no_gateway(site, client, record_property):
    """F6: SIGSTOP. Polls, executions, creates and deletes go on."""
    session = Session(client).start(cleanup="idle")
    pid = site.kill("redis", signal.SIGSTOP)
    try:
        with Pollers(site.url, [f"/{session.id}/status", f"/{session.id}/result"]) as pollers:
            pollers.wait_for(200)
            assert session.run("print('on')")["stdout"] == "on\n"
            other = Session(client).start(cleanup="idle")
            assert other.run("print('new')")["stdout"] == "new\n"
            pollers.wait_for(200)
        assert not pollers.failures, pollers.failures[:5]
        record_property("F6 slowest poll while Redis hung, s", round(pollers.slowest, 3))
    finally:
        os.kill(pid, signal.SIGCONT)
    session.end()
    other.end()
    assert site.node().pod(session.id) is None and site.node().pod(other.id) is None


def test_tombstones_lost_with_redis_are_404_never_another_sessions(site, client):
    """F5: an ended session that only Redis and the gateways' memory knew. Gateways that were restarted know nothing of it."""
    session = Session(client).start(cleanup="idle")
    execution = session.run("print('gone')")["execution_id"]
    session.end()
    old = {part: site.kill(part) for part in ["redis"] + [entry["name"] for entry in site.gateways]}
    for part, pid in old.items():
        site.wait_restarted(part, pid)
    until(lambda: client.get("/readyz").status == 200, 60, "the front door answers")
    problems.check(session.status_reply(), 404, "session_not_found")
    problems.check(session.result_reply(execution), 404, "session_not_found", "execution_not_found")


def test_killed_node_adopts_what_runs_and_nothing_runs_twice(site, client, record_property):
    """The API server is away for a moment: running sessions are served, the node takes them over again, nothing runs twice."""
    with RunCounter(site, pods=False) as counter:
        sessions, executions = begin(site, counter, 3)
        inside = [containers.of_session(site.state_dir, session.id)["pid"] for session in sessions]
        agents = [processes.identity(pid) for pid in inside]
        old = site.kill("node")
        for session in sessions:
            assert session.status()["status"] in ("executing", "ready")
        site.wait_restarted("node", old)
        for session, pid in zip(sessions, inside):
            assert processes.stat_fields(pid), "the node's death killed a pod"
            assert containers.of_session(site.state_dir, session.id)["pid"] == pid
        assert {session.id for session in sessions} <= set(site.node().sessions())
        for session, execution in zip(sessions, executions):
            tell(site.state_dir, session.id)
            check_ran_once(session, execution, counter)
        fresh = Session(client)
        watch = Stopwatch()
        until(lambda: fresh.try_create(cleanup="idle").expect(201, 503).status == 201, 60, "creates go on", every=0.1)
        record_property("F8 create after the node's return, s", round(watch.seconds, 2))
        fresh.wait_ready()
        assert fresh.run("print('after')")["stdout"] == "after\n"
        for session in sessions + [fresh]:
            session.end()
        until(lambda: not site.node().pods(), 60, "all pods gone")
        assert not [agent for agent in agents if processes.alive(agent)]


def test_without_the_node_a_create_is_refused_and_what_runs_goes_on(small_site):
    """F8: nobody restarts it here. Nothing is executed behind a 503."""
    client = small_site.client
    session = Session(client).start(cleanup="idle")
    small_site.kill("node")
    assert session.run("print('on')")["stdout"] == "on\n"
    late = Session(client)
    reply = late.try_create()
    problems.check(reply, 503)
    problems.check_retry_after(reply)
    assert session.status()["status"] == "ready"


def test_killed_agent_loses_its_session_only_and_says_so(site, client, record_property):
    """F17: the agent is killed from outside; the session is `error`, its execution is `lost`, its pod goes."""
    with RunCounter(site) as counter:
        sessions, executions = begin(site, counter, 2)
        victim, neighbour = sessions
        watch = Stopwatch()
        os.kill(containers.of_session(site.state_dir, victim.id)["pid"], signal.SIGKILL)

        def lost():
            session = victim.status()
            return session if session["status"] == "error" else None
        session = until(lost, 60, "the session is lost")
        record_property("F17 status after the agent's death, s", round(watch.seconds, 3))
        assert session["reason"] in ("agent_lost", "oom_killed"), session

        def answered():
            reply = victim.result_reply(executions[0])
            return reply if reply.status == 200 and reply.json()["status"] in FINAL else None
        assert until(answered, 60, "an end of the execution").json()["status"] == "lost"
        problems.check(victim.try_exec(code="print(1)"), 409, "session_ended")
        until(lambda: site.node().pod(victim.id) is None, 60, "the pod of the dead agent goes")
        record_property("F17 pod gone, s", round(watch.seconds, 3))
        tell(site.state_dir, neighbour.id)
        check_ran_once(neighbour, executions[1], counter)
        neighbour.end()


def test_hanging_agent_is_not_taken_for_dead_before_its_deadline(site, client):
    """An agent that does not answer is deleted only at the hard deadline; its neighbours are served."""
    session = Session(client).start(cleanup="idle", timeout_seconds=12, idle_timeout_seconds=2)
    neighbour = Session(client).start(cleanup="idle")
    pid = containers.of_session(site.state_dir, session.id)["pid"]
    os.kill(pid, signal.SIGSTOP)
    assert neighbour.run("print('served')")["stdout"] == "served\n"
    watch = Stopwatch()
    until(lambda: site.node().pod(session.id) is None, 120, "it goes at the deadline", every=0.1)
    assert watch.seconds > 4, "deleted without the agent's consent"
    assert session.wait_ended()["reason"] == "deadline"
    neighbour.end()


def test_client_that_goes_away_while_waiting_costs_nothing(site, client):
    session = Session(client).start(cleanup="idle")
    execution = session.submit("import time\ntime.sleep(2)\nprint('end')")
    for _ in range(20):
        impatient = Client(site.url, timeout=0.05)
        try:
            impatient.get(f"/{session.id}/result", params={"wait": 20, "execution_id": execution, "stdout_offset": 0})
        except ConnectionLost:
            pass
    assert session.final(execution)["stdout"] == "end\n"
    session.end()
