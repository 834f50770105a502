"""F9, F10: the API server refuses, fails, answers by halves or late. A create is answered 201, or 503 with Retry-After; it makes one
pod or none, whatever became of the answer. What runs goes on, and what could not be deleted goes later."""
import os
import threading

import pytest
from harness import api_proxy, problems
from harness.api_proxy import status
from harness.background import Pollers, together
from harness.diversion import Counted
from harness.runs import RunCounter, counted, tell, until_told
from harness.session import Session, new_id
from harness.wait import Stopwatch, until

pytestmark = pytest.mark.skipif(bool(os.environ.get("SPILLWAY_E2E_KUBERNETES")), reason="the proxy speaks plain HTTP")

PODS = r"/pods$"
ONE_POD = r"/pods/"
AGENT_PORT = 8700
REFUSALS = (429, 500, 502, 503, 504)


def refused(reply):
    problems.check(reply, 503)
    problems.check_retry_after(reply)


def create_until_taken(session, seconds=60):
    """As a client does: after a 503, the same again."""
    def taken():
        reply = session.try_create(cleanup="idle")
        if reply.status == 503:
            refused(reply)
            return None
        return reply.expect(200, 201)
    return until(taken, seconds, f"{session.id} is taken", every=0.2)


def check_lives(site, session):
    """It became ready, runs code, and has one pod."""
    session.wait_ready()
    assert session.run("6 * 7")["result"] == "42"
    assert len(site.node().pods(session.id)) == 1


@pytest.mark.parametrize("code", REFUSALS)
def test_creates_refused_by_the_api_server_are_refused_and_made_later(site, client, api, record_property, code):
    running = Session(client).start(cleanup="idle")
    with site.node().history() as history:
        session = Session(client)
        with api.rule("POST", PODS, status(code, retry_after=2)) as rule:
            watch = Stopwatch()
            refused(session.try_create(cleanup="idle"))
            record_property(f"F9 {code}: refused after, s", round(watch.seconds, 3))
            asked = len(rule.hits)
            assert running.run("1 + 1")["result"] == "2", "what runs needs no API server"
        record_property(f"F9 {code}: calls for one create", asked)
        assert 1 <= asked <= 4
        assert history.incarnations(session.id) == 0
        create_until_taken(session)
        check_lives(site, session)
        assert history.incarnations(session.id) == 1
    session.end()
    running.end()


@pytest.mark.parametrize("how", ("lost", "half", "half_json"))
def test_a_create_whose_answer_is_spoiled_has_its_one_pod(site, client, api, how):
    """F10, our own pod: it was made, and the gateway could not read so."""
    with site.node().history() as history:
        session = Session(client)
        with api.rule("POST", PODS, getattr(api_proxy, how), times=1) as rule:
            create_until_taken(session)
            assert len(rule.hits) == 1
        check_lives(site, session)
        assert history.incarnations(session.id) == 1
    session.end()


def test_every_answer_of_the_api_server_is_lost_for_a_while(site, client, api, record_property):
    """Creates at once; the server does what it is asked, and no answer to a change arrives."""
    with site.node().history() as history:
        sessions = [Session(client) for _ in range(4)]
        with api.rule("POST", PODS, api_proxy.lost) as rule:
            replies = together(lambda session: session.try_create(cleanup="idle"), sessions, 4)
            for reply in replies:
                if reply.status not in (200, 201):
                    refused(reply)
            hits = len(rule.hits)
        record_property("F9 lost answers: creates sent for 4 sessions", hits)
        for session in sessions:
            create_until_taken(session)
            check_lives(site, session)
            assert history.incarnations(session.id) == 1
    together(lambda session: session.end(), sessions, 4)


def test_a_slow_answer_is_waited_for(site, client, api, record_property):
    session = Session(client)
    with api.rule("POST", PODS, api_proxy.drip(2), times=1):
        watch = Stopwatch()
        create_until_taken(session)
        record_property("F9 dripping answer of 2 s: create took, s", round(watch.seconds, 2))
    check_lives(site, session)
    session.end()


def test_an_answer_that_never_comes(site, client, api, record_property):
    """The gateway's own deadline ends the wait; nobody waits for the API server's."""
    running = Session(client).start(cleanup="idle")
    release = threading.Event()
    session = Session(client)
    try:
        with api.rule("POST", PODS, api_proxy.hold(release)):
            watch = Stopwatch()
            refused(session.try_create(cleanup="idle"))
            record_property("F9 no answer: refused after, s", round(watch.seconds, 2))
            assert running.run("1 + 1")["result"] == "2"
    finally:
        release.set()
    create_until_taken(session)
    check_lives(site, session)
    session.end()
    running.end()


@pytest.mark.parametrize("code", (429, 500))
def test_deletes_refused_by_the_api_server_are_done_later(site, client, api, record_property, code):
    session = Session(client).start(cleanup="idle")
    with api.rule("DELETE", ONE_POD, status(code, retry_after=1)) as rule:
        session.delete().expect(202)
        until(lambda: len(rule.hits) >= 8, 60, "it is tried again", every=0.05)
        assert session.status()["status"] == "stopping"
        assert site.node().pod(session.id)
        seconds = rule.hits[-1].at - rule.hits[0].at
    record_property(f"F9 {code}: seconds for 8 deletes that were refused", round(seconds, 2))
    assert seconds > 2, "deletes without a pause"
    until(lambda: site.node().pod(session.id) is None, 60, "the pod is gone", every=0.05)
    assert session.wait_ended()["reason"] == "deleted"


def test_deadlines_hold_while_the_api_server_fails(site, client, api):
    """It fails for longer than the session lives: the pod goes all the same, by the agent's own timer or afterwards."""
    session = Session(client).start(cleanup="idle", timeout_seconds=4)
    execution = session.submit("import time\nprint('begun', flush=True)\ntime.sleep(60)", timeout_seconds=60)
    until(lambda: session.result(execution)["stdout"], 20, "output")
    with api.rule("DELETE", ONE_POD, status(500)) as rule:
        until(lambda: rule.hits, 60, "the deadline came")
    until(lambda: site.node().pod(session.id) is None, 60, "the pod is gone", every=0.1)
    assert session.wait_ended()["reason"] == "deadline"
    answer = session.result(execution)
    assert answer["stdout"] == "begun\n" and answer["status"] in ("killed", "timeout", "lost"), answer


def test_everything_answers_500(site, client, api, record_property):
    """Lists, watches, metrics, changes. What runs is served from memory and by the agents, once."""
    with RunCounter(site) as counter:
        session = Session(client).start(cleanup="idle")
        execution = session.submit(counted(until_told() + "print('end')"), timeout_seconds=120)
        counter.watch(session.id)
        until(lambda: counter.seen(session.id), 60, "it runs")
        late = Session(client)
        with Pollers(site.url, [f"/{session.id}/status"]) as pollers, api.rule("*", ".", status(500)) as rule:
            api.break_connections()
            refused(late.try_create(cleanup="idle"))
            until(lambda: len(rule.hits) >= 50, 60, "the gateways ask again", every=0.05)
            seconds = rule.hits[-1].at - rule.hits[0].at
            record_property("F9 all 500: calls a second of one gateway", round(len(rule.hits) / seconds / len(site.gateways), 2))
            assert not pollers.failures, pollers.failures[:3]
            record_property("F9 all 500: polls", pollers.asked)
            tell(site.state_dir, session.id)
            answer = session.final(execution)
        counter.check_once(session.id, answer)
        watch = Stopwatch()
        create_until_taken(late)
        record_property("F9 all 500: create after the end of it, s", round(watch.seconds, 2))
        check_lives(site, late)
        late.end()
        session.end()


# -- a pod of that name is there already --

def strangers_pod(site, name, like):
    """Somebody else's in our namespace, as much like a session's as can be: the same spec, an agent that listens."""
    node = site.node()
    spec = {key: value for key, value in like["spec"].items() if key not in ("nodeName", "hostname")}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "stranger"}}, "spec": spec}
    return node.client.post("/api/v1/namespaces/sandboxes/pods", pod, headers=node.headers).expect(201).json()


def pod_named(site, name):
    reply = site.node().get(f"/api/v1/namespaces/sandboxes/pods/{name}")
    return reply.json() if reply.status == 200 else None


def test_a_strangers_pod_is_never_ours(site, client):
    """F10: 409 for the client, nothing is sent to it, and it stays as it is."""
    template = Session(client).start(cleanup="idle")
    session = Session(client, new_id("stranger"))
    pod = strangers_pod(site, session.id, like=site.node().pod(template.id))
    template.end()
    try:
        address = until(lambda: pod_named(site, session.id)["status"].get("podIP"), 60, "it has an address")
        with Counted(site.entry("node")["pid"], AGENT_PORT, address) as called:
            for reply in (session.try_create(cleanup="idle"), session.try_create(cleanup="idle", metadata={"a": 1}),
                          session.try_exec(code="1"), client.post("/api/v1/sessions", {"session_id": session.id})):
                problems.check(reply, 409, "session_conflict")
            assert session.status_reply().status == 404
            assert client.delete(f"/{session.id}").status == 404
            for entry in site.gateways:
                assert site.client_of(entry["name"]).get(f"/{session.id}/files/list").status == 404
            assert called.connections == 0, "it was called"
        still = pod_named(site, session.id)
        assert still["metadata"]["uid"] == pod["metadata"]["uid"] and "deletionTimestamp" not in still["metadata"]
    finally:
        site.node().client.delete(f"/api/v1/namespaces/sandboxes/pods/{session.id}", headers=site.node().headers)
    until(lambda: pod_named(site, session.id) is None, 60, "it is gone")
    create_until_taken(session)
    check_lives(site, session)
    session.end()
