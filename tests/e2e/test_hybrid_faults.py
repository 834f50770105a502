"""The way to the cloud, its gateway or Redis goes away: nothing is lost, run twice or left behind."""
import os
import signal

import pytest
from harness import problems
from harness.client import ConnectionLost
from harness.session import Session, new_id
from harness.wait import until

pytestmark = [pytest.mark.skipif(bool(os.environ.get("SPILLWAY_E2E_KUBERNETES")), reason="two embedded sites"), pytest.mark.usefixtures("emptied")]


# -- the way is cut --

def test_cut_and_healed(sites):
    far, near = sites.remote_session(), sites.local_session()
    far.run("open('/workspace/kept', 'w').write('x')")
    sites.cut()
    for reply in (far.status_reply(), far.result_reply(), far.try_exec(code="1"), sites.client.get(f"/{far.id}/executions")):
        problems.check(reply, 503, "site_unreachable")
        problems.check_retry_after(reply)
    problems.check(sites.client.get(f"/{new_id()}/status"), 503, "site_unreachable")
    problems.check(Session(sites.client).try_create(placement="cloud"), 503, "site_unreachable")
    assert near.run("1 + 1")["result"] == "2"
    other = sites.local_session()
    assert other.run("2")["result"] == "2"
    full = Session(sites.client).try_create()
    problems.check(full, 503, "capacity_full", "site_unreachable")
    problems.check_retry_after(full)
    sites.heal()
    until(lambda: far.status_reply().status == 200, 60, "the session is back", every=0.1)
    assert far.run("open('/workspace/kept').read()")["result"] == "'x'"


def test_cut_while_code_runs(sites):
    session = sites.remote_session()
    execution = session.submit("import time\nfor i in range(40):\n    print(i, flush=True)\n    time.sleep(0.1)\n", timeout_seconds=60)
    until(lambda: session.result(execution)["stdout"], 20, "output")
    sites.cut()
    problems.check(session.result_reply(execution), 503, "site_unreachable")
    sites.heal()
    until(lambda: session.result_reply(execution).status == 200, 60, "the session is back", every=0.1)
    final = session.final(execution)
    assert (final["status"], final["stdout"]) == ("completed", "".join(f"{i}\n" for i in range(40)))


def test_delete_while_the_cloud_does_not_answer(sites):
    session = sites.remote_session()
    sites.cut()
    assert session.delete().expect(202).json()["status"] == "stopping"
    assert session.delete().status in (200, 202), "again"
    sites.link("up")
    until(lambda: not sites.cloud_node().pods(session.id), 60, "its pod is gone", every=0.1)
    ended = until(lambda: (lambda reply: reply.json() if reply.status == 200 and reply.json()["status"] == "stopped" else None)
                  (session.status_reply()), 60, "it is known to have ended", every=0.1)
    assert ended["reason"] == "deleted"


def test_delete_by_a_gateway_that_never_heard_of_it(sites):
    session = sites.remote_session()
    sites.cut()
    replies = [sites.client_of(entry["name"]).delete(f"/{session.id}") for entry in sites.gateways]
    assert {reply.status for reply in replies} <= {200, 202}, replies
    sites.link("up")
    until(lambda: not sites.cloud_node().pods(session.id), 60, "its pod is gone", every=0.1)


def test_a_delete_outlives_the_gateways_that_took_it(sites):
    """All of them die before the cloud could be told; its deadline is an hour away."""
    session = sites.remote_session()
    sites.cut()
    session.delete().expect(202)
    old = {entry["name"]: sites.kill(entry["name"]) for entry in sites.gateways}
    for name, pid in old.items():
        sites.wait_restarted(name, pid)
    assert sites.cloud_node().pods(session.id), "who told the cloud?"
    sites.link("up")
    until(lambda: not sites.cloud_node().pods(session.id), 60, "its pod is gone", every=0.1)


def test_the_cloud_gateway_dies(sites):
    session = sites.remote_session()
    before = session.run("open('/workspace/kept', 'w').write('x'); 'done'", execution_id="before")
    old = sites.cloud()["gateways"][0]["pid"]
    os.kill(old, signal.SIGKILL)

    def back():
        reply = session.status_reply()
        if reply.status != 200:
            problems.check(reply, 503, "site_unreachable", "unavailable", "not_ready")
            return None
        return sites.cloud()["gateways"][0]["pid"] != old and reply.json()["status"] == "ready"
    until(back, 60, "the session is back", every=0.05, ignore=(ConnectionLost,))

    reply = session.try_exec(code="open('/workspace/kept').read()", execution_id="after", wait=20)
    assert reply.expect(200).json()["result"] == "'x'", "who says that it is ready reaches it"
    assert session.result("before")["result"] == before["result"]
    assert len(sites.cloud_node().pods(session.id)) == 1


# -- Redis --

def test_redis_stopped_for_a_whole_life(sites):
    pid = sites.entry("redis")["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        far, near = sites.remote_session(), sites.local_session()
        assert far.run("print('far')")["stdout"] == "far\n"
        assert near.run("print('near')")["stdout"] == "near\n"
        for entry in sites.gateways:  # found by asking the cloud
            client = sites.client_of(entry["name"])
            assert client.get(f"/{far.id}/status").expect(200).json()["site"] == "cloud"
            assert client.get(f"/{far.id}/result").expect(200).json()["stdout"] == "far\n"
            assert client.post(f"/{far.id}", {"placement": "remote", "cleanup": "idle"}).expect(200).json()["site"] == "cloud"
        old = sites.kill("gateway-1")
        sites.wait_restarted("gateway-1", old)
        assert sites.client_of("gateway-1").get(f"/{far.id}/result").expect(200).json()["stdout"] == "far\n"
        far.delete().expect(202)
        until(lambda: not sites.cloud_node().pods(far.id), 60, "its pod is gone", every=0.1)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert near.result()["stdout"] == "near\n"


def test_redis_restarted_empty(sites):
    session = sites.remote_session()
    session.run("print('kept')")
    until(lambda: sites.redis("HGET", f"spillway:{{{session.id}}}:r", "site") == "cloud", 60, "the record is there", every=0.1)
    old = sites.kill("redis")
    sites.wait_restarted("redis", old)
    until(lambda: sites.redis("HGET", f"spillway:{{{session.id}}}:r", "site") == "cloud", 60, "the record is back", every=0.1)
    until(lambda: sites.redis("EXISTS", "spillway:routes:local") == "1", 60, "records are complete again", every=0.1)
    for entry in sites.gateways:
        client = sites.client_of(entry["name"])
        assert client.get(f"/{session.id}/result").expect(200).json()["stdout"] == "kept\n"
        client.post(f"/{session.id}", {"placement": "remote", "cleanup": "idle"}).expect(200)
    assert len(sites.cloud_node().pods(session.id)) == 1 and not sites.node().pods(session.id)
