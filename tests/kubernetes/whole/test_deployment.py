"""deploy/: from nothing to a site that serves, by the steps of docs/deployment.md."""
import json
import os

import deployed as deployment
import pytest
from kube.cluster import wait_until


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    with deployment.deployed(f"deploy-{os.getpid()}", tmp_path_factory.mktemp("deploy")) as site:
        yield site


def test_a_session(deployed):
    assert deployed.call("GET", "/healthz", key=False)[0] == 200
    assert deployed.call("POST", "/hello", key=False)[0] == 401
    assert deployed.call("POST", "/hello")[0] == 201
    status, session = deployed.call("GET", "/hello/status?wait=30&until=ready")
    assert (status, session["status"], session["site"]) == (200, "ready", "local"), session
    status, result = deployed.call("POST", "/hello/exec/python?wait=20", "print('out')\n6 * 7", **{"Content-Type": "text/plain"})
    assert (status, result["stdout"], result["result"]) == (200, "out\n", "42"), result
    pods = json.loads(deployed.kubectl("get", "pods", "-n", "sandboxes", "-o", "json"))["items"]
    assert [each["metadata"]["name"] for each in pods] == ["hello"]
    assert pods[0]["spec"]["containers"][0]["image"] == "registry.example/spillway/python:1"
    assert deployed.call("DELETE", "/hello")[0] in (200, 202)
    gone = lambda: not json.loads(deployed.kubectl("get", "pods", "-n", "sandboxes", "-o", "json"))["items"]  # noqa: E731
    wait_until(gone, "the sandbox is gone", 60, 0.5)
    assert deployed.call("GET", "/hello/status")[1]["status"] == "stopped"
    assert deployed.call("GET", "/hello/result")[1]["stdout"] == "out\n"  # Redis has it


def test_gateways_and_redis_see_each_other(deployed):
    """Each gateway by its own address: it is the one of that name, it sees its cluster, and Redis with the password."""
    for pod in ("gateway-0", "gateway-1", "gateway-2"):
        deployed.kubectl("-n", "spillway", "wait", "--for=condition=Ready", f"pod/{pod}", "--timeout=60s")
    names = {deployed.call("GET", f"/n{number}/status")[0] for number in range(10)}
    assert names <= {404, 503}, names  # 503: the other site, which is not there, may have it
    seen = {deployed.call("GET", "/healthz", **{"X-Session-Id": f"n{number}"})[1]["gateway"] for number in range(40)}
    assert seen == {"gateway-0", "gateway-1", "gateway-2"}
    assert deployed.call("GET", "/readyz")[1] == {"status": "ok", "redis": True, "kubernetes": True}
    assert {each["name"] for each in deployed.call("GET", "/api/v1/sites")[1]["items"]} == {"local", "cloud"}


def test_the_api_server_takes_the_cloud(deployed):
    assert "service/sites" in deployed.kubectl("apply", "-k", deployed.folder / "cloud", "--dry-run=server")


def test_prepare_keeps_what_is_there(deployed):
    folder = deployed.folder / "local"
    before = {path.name: path.read_bytes() for path in (folder / "secrets").iterdir()}
    assert deployment.prepare(folder).stdout == ""
    assert {path.name: path.read_bytes() for path in (folder / "secrets").iterdir()} == before
    modes = {oct(path.stat().st_mode & 0o077) for path in (deployed.folder / "cloud/secrets").iterdir()}
    assert modes == {"0o0"}, modes
