"""The pod itself: restricted, started in both ways that an agent gets there, small rights."""
import json
import time

import pytest
from driver import Driver
from harness.session import Session
from kube import images
from kube.api import connect
from kube.cluster import wait_until

PODS = "/api/v1/namespaces/sandboxes/pods"


@pytest.fixture(scope="module")
def driver():
    made = Driver(url="http://127.0.0.1:1")
    yield made
    made.close()


def ready(api, name):
    status = api.get(f"{PODS}/{name}").expect(200).json()["status"]
    assert status["phase"] != "Failed", status
    return any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions", ()))


def health(cluster, address):
    with connect((address, 8700), cluster.network) as channel:
        channel.sendall(b"GET /v1/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := channel.recv(4096):
            answer += piece
    return json.loads(answer.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize("baked", [True, False], ids=["baked", "init_container"])
def test_agent_is_delivered(site, cluster, api, driver, baked, figure):
    if baked:
        agent = f"{site.state_dir}/local/agent"
        cluster.import_images([images.environment("python", rootfs_of(site), agent, "baked")])
    name = f"p-{'baked' if baked else 'init'}"
    pod = driver.manifest(session_id=name, namespace="sandboxes", image=f"spillway/python:{'baked' if baked else 'latest'}", baked=baked)
    # No label of a session: the site's gateways leave it alone.
    pod["metadata"]["labels"].pop("spillway.dev/session")
    started = time.monotonic()
    api.create(pod).expect(201)
    try:
        wait_until(lambda: ready(api, name), "the pod is ready", 60)
        figure(f"create to ready ({'baked' if baked else 'init container'}), ms", round((time.monotonic() - started) * 1000))
        address = api.get(f"{PODS}/{name}").json()["status"]["podIP"]
        assert health(cluster, address)["status"] == "ok"
        started = time.monotonic()
        api.delete(f"{PODS}/{name}").expect(200, 202)
        wait_until(lambda: api.get(f"{PODS}/{name}").status == 404, "the pod is gone", 30)
        figure("delete to gone, ms", round((time.monotonic() - started) * 1000))
    finally:
        api.delete(f"{PODS}/{name}", 0)


def rootfs_of(site):
    import subprocess
    from driver import TREE
    return subprocess.run([TREE / "sandbox/images/build", "python"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def test_namespace_is_restricted(api, driver):
    pod = driver.manifest(session_id="loose", namespace="sandboxes")
    pod["spec"]["hostPID"] = True
    answer = api.create(pod)
    assert answer.status == 403 and b"PodSecurity" in answer.body


def test_gateways_have_small_rights(site, cluster):
    """With the token that they use: nothing but the pods of their namespace and a look at the nodes."""
    api = cluster.api(f"{site.state_dir}/local/gateway.kubeconfig")
    api.token = open(f"{site.state_dir}/local/gateway.token", encoding="utf-8").read()
    assert api.get(PODS).status == 200
    assert api.get("/api/v1/nodes").status == 200
    for path in ("/api/v1/pods", "/api/v1/secrets", "/api/v1/namespaces/sandboxes/secrets", "/api/v1/namespaces/sandboxes/configmaps",
                 "/api/v1/namespaces/kube-system/pods", f"/api/v1/nodes/{cluster.node}", "/apis/rbac.authorization.k8s.io/v1/clusterroles"):
        assert api.get(path).status == 403, path
    assert api.call("POST", f"{PODS}/x/exec?command=sh").status == 403
    assert api.delete(f"/api/v1/nodes/{cluster.node}").status == 403


def test_four_writes_a_session_at_most(site, cluster, api):
    """Counted by the API server: what the gateways ask in a session's life, besides their watches."""
    def requests():
        total = {}
        for line in api.get("/metrics").body.decode().splitlines():
            if line.startswith("apiserver_request_total{") and 'resource="pods"' in line and 'scope="resource"' in line:
                verb = line.split('verb="')[1].split('"')[0]
                if 'subresource=""' in line:
                    total[verb] = total.get(verb, 0) + int(float(line.rsplit(" ", 1)[1]))
        return total
    session = Session(site.client).start()
    before = requests()
    session.run("print(1)")
    wait_until(lambda: site.node().pod(session.id) is None, "the pod is gone", 60)
    after = requests()
    spent = {verb: after[verb] - before.get(verb, 0) for verb in after if verb in ("DELETE", "PATCH", "PUT", "GET")}
    # Before that was the create. The kubelet's own are in these figures: it deletes the pod once more when its containers are gone.
    kubelet = 1
    assert 1 + sum(spent.get(verb, 0) for verb in ("DELETE", "PATCH", "PUT")) - kubelet <= 4, spent


def test_sandbox_is_confined(session):
    answer = session.run("import os\nprint(os.getuid(), open('/proc/self/status').read().split('CapEff:')[1].split()[0])\n"
                         "try:\n    open('/etc/x', 'w')\nexcept OSError as error:\n    print(error.errno)\n"
                         "print(os.path.exists('/var/run/secrets/kubernetes.io'))")
    assert answer["stdout"].splitlines() == ["1000 0000000000000000", "30", "False"], answer
