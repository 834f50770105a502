"""What real clusters do to sessions, and what clients are told of it."""
import subprocess

import pytest
from harness import problems
from harness.session import Session
from harness.wait import Stopwatch, until
from kube import images

PODS = "/api/v1/namespaces/sandboxes/pods"
SLOW = "import time\nfor n in range({0}):\n    print('line', n, flush=True)\n    time.sleep(0.5)\n"


def ended(session, status, *reasons):
    last = session.wait_ended()
    assert last["status"] == status and last["reason"] in reasons, last
    return last


def node_condition(api, cluster, kind="Ready"):
    node = api.get(f"/api/v1/nodes/{cluster.node}").expect(200).json()
    return next(each["status"] for each in node["status"]["conditions"] if each["type"] == kind)


def test_gateway_is_killed(site, session):
    execution = session.submit(SLOW.format(8))
    old = site.kill("gateway-1")
    answer = session.final(execution)
    assert (answer["status"], answer["stdout"].count("line")) == ("completed", 8)
    site.wait_restarted("gateway-1", old)
    assert len(site.node().pods()) == 1


def test_api_server_is_restarted(site, session, cluster):
    """What runs is served all the while; what is new waits or is told to come again, and then gets through."""
    with site.node().history() as history:
        assert history.incarnations(session.id) == 1
    execution = session.submit(SLOW.format(8))
    cluster.kill_part("apiserver")
    assert session.result(execution)["status"] == "running"
    assert session.status()["status"] == "executing"
    cluster.start_part("apiserver")
    cluster.await_api()
    assert session.final(execution)["stdout"].count("line") == 8
    fresh = Session(site.client)

    def accepted():
        reply = fresh.try_create(cleanup="idle")
        assert reply.status in (200, 201, 503), reply
        return reply.status != 503
    until(accepted, 60, "new sessions again", every=0.2)
    fresh.wait_ready()
    assert fresh.run("print(6 * 7)")["stdout"] == "42\n"
    assert len(site.node().pods()) == 2


def test_etcd_hangs_for_a_moment(site, session, cluster):
    """The API server is there and cannot answer."""
    cluster.pause_part("etcd")
    try:
        assert session.run("print('served')")["stdout"] == "served\n"
    finally:
        cluster.continue_part("etcd")
    until(lambda: Session(site.client).try_create().status == 201, 60, "new sessions again", every=0.5)


def test_kubelet_stops(site, session, api, cluster):
    """The node is not ready: nothing new comes there; what runs there is none of the kubelet's business."""
    cluster.pause_part("kubelet")
    try:
        until(lambda: node_condition(api, cluster) != "True", 60, "the node is not ready", every=0.5)
        assert session.run("print('still here')")["stdout"] == "still here\n"

        def refused():
            late = Session(site.client)
            reply = late.try_create()
            if reply.status == 201:
                late.delete()
            return reply if reply.status == 503 else None
        problems.check(until(refused, 20, "new sessions are refused", every=0.5), 503, "capacity_full")
        assert session.status()["status"] == "ready"
    finally:
        cluster.continue_part("kubelet")
    until(lambda: node_condition(api, cluster) == "True", 60, "the node is ready again", every=0.5)
    until(lambda: Session(site.client).try_create().status == 201, 60, "new sessions again", every=0.5)
    assert session.run("print('and again')")["stdout"] == "and again\n"


def test_container_runtime_is_killed(site, session, cluster):
    """containerd dies and comes back: pods go on, new ones come."""
    cluster.kill_part("containerd")
    assert session.run("print('on')")["stdout"] == "on\n"
    cluster.start_part("containerd")
    fresh = Session(site.client).start(cleanup="idle")
    assert fresh.run("print('new')")["stdout"] == "new\n"


@pytest.mark.parametrize("how", ["delete", "evict"])
def test_pod_is_taken_away(site, session, api, how):
    """By an administrator's hand, or by a drain of the node."""
    execution = session.submit(SLOW.format(200))
    until(lambda: session.result(execution)["stdout"], 30, "it runs")
    if how == "delete":
        api.delete(f"{PODS}/{session.id}").expect(200, 202)
    else:
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": session.id, "namespace": "sandboxes"}}
        api.call("POST", f"{PODS}/{session.id}/eviction", body).expect(201)
    ended(session, "error", "agent_lost", "evicted")

    seen = []

    def answered():
        reply = session.result_reply(execution)
        seen.append(reply)
        return reply.json() if reply.status == 200 and reply.json()["status"] != "running" else None
    try:
        assert until(answered, 60, "an end of the execution")["status"] in ("lost", "killed")
    except AssertionError as error:
        raise AssertionError(f"{error}: {seen[-1].status} {seen[-1].body[:500]}") from None
    until(lambda: site.node().pod(session.id) is None, 60, "the pod is gone")
    problems.check(session.try_exec(code="print(1)"), 409, "session_ended")


def test_code_that_wants_too_much_memory(session):
    """The kernel kills in the sandbox; the session says so, and lives on or ends with that reason."""
    answer = session.run("x = bytearray(2 << 30)\nfor i in range(0, len(x), 4096): x[i] = 1\nprint('got it')")
    assert answer["status"] in ("oom", "failed", "killed", "lost"), answer
    assert "got it" not in (answer.get("stdout") or "")
    state = session.status()
    if state["status"] == "error":
        assert state["reason"] in ("oom_killed", "agent_lost")
    else:
        assert session.run("print('alive')")["stdout"] == "alive\n"


def test_quota(site, client, api):
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "sandboxes"}, "spec": {"hard": {"pods": "1"}}}
    api.create(quota).expect(201)
    try:
        path = "/api/v1/namespaces/sandboxes/resourcequotas/q"
        until(lambda: api.get(path).json().get("status", {}).get("hard"), 20, "the quota holds")
        first = Session(client).start(cleanup="idle")
        second = Session(client)
        reply = second.try_create()
        problems.check(reply, 503, "capacity_full")
        problems.check_retry_after(reply)
        assert site.node().pod(second.id) is None
        assert first.status()["status"] == "ready"
    finally:
        api.delete("/api/v1/namespaces/sandboxes/resourcequotas/q").expect(200)


def hog(name, cpu, namespace="default"):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
            "spec": {"automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0, "containers": [{
                "name": "c", "image": f"{images.REGISTRY}/pause:1", "resources": {"requests": {"cpu": cpu}}}]}}


def test_pod_that_nothing_has_room_for(site, client, api):
    """Somebody else's pods take the processors, and the gateway may not see them: the scheduler says no."""
    api.create(hog("hog", "1900m")).expect(201)
    try:
        session = Session(client)
        reply = session.try_create()
        if reply.status == 201:
            ended(session, "error", "unschedulable")
        else:
            problems.check(reply, 503, "capacity_full")
        until(lambda: site.node().pod(session.id) is None, 60, "no pod is left")
    finally:
        api.delete("/api/v1/namespaces/default/pods/hog", 0).expect(200)


def test_image_that_does_not_exist(site, client, cluster):
    image = "docker.io/spillway/python:latest"
    control = ["ctr", "--address", cluster.containerd_socket, "--namespace", "k8s.io", "images"]
    subprocess.run(cluster.inside(*control, "tag", image, "spillway.test/kept:1"), check=True, capture_output=True)
    subprocess.run(cluster.inside(*control, "rm", "--sync", image), check=True, capture_output=True)
    try:
        session = Session(client)
        # What the cluster refused a moment ago, in the test before, holds new sessions back for some seconds.
        until(lambda: session.try_create(cleanup="idle").status == 201, 30, "a session is accepted", every=0.5)
        last = session.wait_ended(seconds=180)
        assert last["status"] == "error" and last["reason"] in ("image_pull", "start_failed"), last
        until(lambda: site.node().pod(session.id) is None, 60, "the pod is gone")
    finally:
        subprocess.run(cluster.inside(*control, "tag", "spillway.test/kept:1", image), check=True, capture_output=True)
    until(lambda: Session(client).try_create().status == 201, 30, "new sessions again")


def test_strangers_pod_with_the_sessions_name(site, client, api):
    """It is not ours: it is neither taken over nor deleted."""
    session = Session(client)
    pod = hog(session.id, "1m", "sandboxes")
    walls = {"allowPrivilegeEscalation": False, "runAsNonRoot": True, "runAsUser": 1000, "capabilities": {"drop": ["ALL"]},
             "seccompProfile": {"type": "RuntimeDefault"}}
    pod["spec"]["containers"][0]["securityContext"] = walls
    uid = api.create(pod).expect(201).json()["metadata"]["uid"]
    try:
        reply = session.try_create()
        assert reply.status in (409, 503), reply
        problems.check(reply, reply.status)
        assert api.get(f"{PODS}/{session.id}").expect(200).json()["metadata"]["uid"] == uid
        assert client.get(f"/{session.id}/status").status == 404
        client.delete(f"/{session.id}")
        assert api.get(f"{PODS}/{session.id}").expect(200).json()["metadata"]["uid"] == uid
    finally:
        api.delete(f"{PODS}/{session.id}", 0)


def test_idle_and_hard_time_out(site, client):
    idle = Session(client).start(cleanup="idle", idle_timeout_seconds=3)
    hard = Session(client).start(cleanup="idle", timeout_seconds=6, idle_timeout_seconds=3)
    hard.submit(SLOW.format(200))
    watch = Stopwatch()
    ended(idle, "stopped", "idle")
    ended(hard, "stopped", "deadline")
    assert watch.seconds > 2
    until(lambda: not site.node().pods(), 60, "the pods are gone")


def test_gateways_see_real_usage(site):
    """metrics-server's figures reach the watermark: with the least-privilege Role, some 15 s after the start."""
    def known():
        metrics = site.metrics("gateway-1")
        return metrics.total("spillway_usage_known") == 1 and metrics.total("spillway_usage_coverage_ratio") == 1
    until(known, 90, "the gateway knows the node's usage", every=0.5)
    assert 0 < site.metrics("gateway-1").total("spillway_usage_ratio", resource="memory") < 1
