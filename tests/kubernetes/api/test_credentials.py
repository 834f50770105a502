"""Who we are, and whom we trust: everything a kubeconfig can say. A real API server judges; the embedded node asks nobody."""
import base64
import http.server
import json
import os
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
import yaml
from driver import Refused, error_code, wait_for
from kube import keys
from kube.api import connect, enter_network

pytestmark = pytest.mark.only("apiserver")


@pytest.fixture
def use(server, namespace, drivers):
    """use(user, …) -> a driver with this user's entry in its kubeconfig."""
    def make(user, change=None, wrap=(), **conf):
        path = server.kubeconfig(user)
        if change:
            data = json.loads(Path(path).read_text())
            change(data)
            Path(path).write_text(yaml.safe_dump(data))
        drivers.append(server.driver(namespace, kubeconfig=path, **conf))
        return drivers[-1]
    return make


def works(driver, namespace):
    made = driver.create(driver.manifest(session_id="p", namespace=namespace))
    assert made["status"] == 201, made
    return made


def refused(driver, status, word):
    result = driver.get("p")
    assert (result["status"], error_code(result)) == (status, "forbidden"), result
    assert word in result["error"]["message"]


def certificate(server, name, group="system:masters"):
    authority = keys.Authority(server.keys, "ca")
    authority.issue(name, name, [group])
    return keys.certificate_user(server.keys, name)


# -- tokens


def test_token(server, namespace, use):
    works(use({"token": server.token(namespace)}), namespace)


def test_no_token_is_anonymous(use):
    refused(use({}), 403, "system:anonymous")


def test_wrong_token(use):
    refused(use({"token": "eyJhbGciOiJub25lIn0.e30."}), 401, "Unauthorized")


def base64_url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def expired_token(server, namespace):
    """As the server would have made it an hour ago."""
    now = int(time.time())
    account = server.api.get(f"/api/v1/namespaces/{namespace}/serviceaccounts/spillway-gateway").json()["metadata"]
    head = json.loads(base64.urlsafe_b64decode(server.token(namespace).split(".")[0] + "=="))
    claims = {"iss": "https://kubernetes.default.svc", "aud": ["https://kubernetes.default.svc"], "iat": now - 7200, "nbf": now - 7200,
              "exp": now - 3600, "sub": f"system:serviceaccount:{namespace}:spillway-gateway",
              "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": "spillway-gateway", "uid": account["uid"]}}}
    text = f"{base64_url(json.dumps(head).encode())}.{base64_url(json.dumps(claims).encode())}"
    der = subprocess.run(["openssl", "dgst", "-sha256", "-sign", server.keys / "service-account.key"], input=text.encode(),
                         capture_output=True, check=True).stdout

    def number(at):
        length = der[at + 1]
        return der[at + 2:at + 2 + length].lstrip(b"\0").rjust(32, b"\0"), at + 2 + length
    r, after = number(2)
    s, _ = number(after)
    return f"{text}.{base64_url(r + s)}"


def test_expired_token(server, namespace, use):
    refused(use({"token": expired_token(server, namespace)}), 401, "Unauthorized")


def test_token_file_is_read_again(server, namespace, use, tmp_path):
    """Replaced as the kubelet does: by a rename. The old token dies; the first call that hears 401 is the last one."""
    file = tmp_path / "token"
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    server.api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "old", "namespace": namespace}}).expect(201)
    binding = server.api.get(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings/spillway-gateway").json()
    binding["subjects"].append({"kind": "ServiceAccount", "name": "old", "namespace": namespace})
    server.api.call("PUT", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings/spillway-gateway", binding).expect(200)
    file.write_text(server.token(namespace, "old") + "\n")
    driver = use({"tokenFile": str(file)})
    driver.watch(f"/api/v1/namespaces/{namespace}/pods")
    works(driver, namespace)
    wait_for(lambda: driver.told() == [("ADDED", "p")], "the watch sees the pod")
    (tmp_path / "new").write_text(server.token(namespace))
    (tmp_path / "new").rename(file)
    server.api.delete(f"{path}/old").expect(200)
    wait_for(lambda: server.api.call("GET", f"{path}/old").status == 404, "the old account is gone")
    wait_for(lambda: driver.get("p")["status"] == 200, "the new token is used", 20)
    assert [driver.get("p")["status"] for _ in range(3)] == [200] * 3
    server.restart()  # also the watch comes back with the new one
    server.api.delete(f"/api/v1/namespaces/{namespace}/pods/p", 0).expect(200)
    wait_for(lambda: ("DELETED", "p") in driver.told(), "the watch goes on", 30)


def test_token_file_that_is_missing(use, tmp_path):
    with pytest.raises(Refused, match="token file .*no-such"):
        use({"tokenFile": str(tmp_path / "no-such")})


def test_token_file_gone_for_a_moment(server, namespace, use, tmp_path):
    file = tmp_path / "token"
    file.write_text(server.token(namespace))
    driver = use({"tokenFile": str(file)})
    file.unlink()
    works(driver, namespace)


# -- certificates and trust


def test_client_certificate(server, namespace, use):
    works(use(certificate(server, "client-a")), namespace)


def test_client_certificate_files(server, namespace, use, tmp_path):
    """As paths beside the kubeconfig."""
    certificate(server, "client-b")

    def change(data):
        data["clusters"][0]["cluster"].pop("certificate-authority-data")
        data["clusters"][0]["cluster"]["certificate-authority"] = os.path.relpath(server.keys / "ca.crt", server.files)
    user = {"client-certificate": str(server.keys / "client-b.crt"), "client-key": str(server.keys / "client-b.key")}
    works(use(user, change), namespace)


def test_certificate_of_nobody(server, use):
    refused(use(certificate(server, "stranger", "strangers")), 403, 'User "stranger"')


def test_wrong_authority(server, namespace, use):
    """Nothing is sent to a server that is not ours."""
    def change(data):
        data["clusters"][0]["cluster"]["certificate-authority-data"] = keys.data_of(server.keys / "front-proxy-ca.crt")
    driver = use({"token": server.token(namespace)}, change)
    result = driver.create(driver.manifest(session_id="p", namespace=namespace))
    assert (result["status"], error_code(result), result["outcome_unknown"]) == (0, "unavailable", False)
    assert "certificate" in result["error"]["message"]
    assert server.api.get(f"/api/v1/namespaces/{namespace}/pods").json()["items"] == []


def test_name_that_the_certificate_lacks(server, namespace, use):
    def change(data):
        data["clusters"][0]["cluster"]["server"] = "https://127.0.0.2:6443"
    result = use({"token": server.token(namespace)}, change).get("p")
    assert (result["status"], error_code(result)) == (0, "unavailable")
    assert "127.0.0.2" in result["error"]["message"]


@pytest.mark.parametrize("where, key, value", [
    ("cluster", "insecure-skip-tls-verify", True), ("cluster", "tls-server-name", "x"), ("user", "auth-provider", {"name": "gcp"}),
    ("user", "as", "admin"), ("user", "username", "u")])
def test_what_is_not_supported_is_refused_by_name(server, namespace, use, where, key, value):
    def change(data):
        data[f"{where}s"][0][where][key] = value
    with pytest.raises(Refused, match=key):
        use({"token": server.token(namespace)}, change)


def test_current_context_chooses(server, namespace, use):
    def change(data):
        data["clusters"].insert(0, {"name": "other", "cluster": {"server": "https://127.0.0.1:1"}})
        data["users"].insert(0, {"name": "other", "user": {"token": "none"}})
        data["contexts"].insert(0, {"name": "other", "context": {"cluster": "other", "user": "other"}})
    works(use({"token": server.token(namespace)}, change), namespace)


# -- rights


def test_verb_that_is_forbidden(server, namespace, use):
    role = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles/spillway-gateway"
    driver = use({"token": server.token(namespace)})
    uid = works(driver, namespace)["object"]["metadata"]["uid"]
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    server.api.patch(role, {"rules": rules}).expect(200)
    wait_for(lambda: driver.delete("p", uid)["status"] == 403, "the right is gone")
    result = driver.patch("p", {"metadata": {"labels": {"a": "b"}}})
    assert (result["status"], error_code(result), result["outcome_unknown"]) == (403, "forbidden", False)
    assert 'cannot patch resource "pods"' in result["error"]["message"]
    assert driver.get("p")["status"] == 200


def test_watch_that_is_forbidden(server, namespace, use):
    driver = use({"token": server.token(namespace)})
    driver.watch("/api/v1/namespaces/kube-system/pods")
    state = wait_for(lambda: driver.state()["watch"] if driver.state()["watch"]["error"] else None, "the error is told")
    assert "403" in state["error"] and not state["synced"]


def test_the_role_is_enough_for_the_store(server, namespace, use):
    driver = use({"token": server.token(namespace)}).store()
    wait_for(lambda: driver.state()["store"]["synced"], "pods and nodes are seen")


# -- exec plugins


PLUGIN = """#!/usr/bin/python3
import json, os, sys
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
runs = os.environ["RUNS"]
open(runs, "a").write(json.dumps({{"info": info, "argv": sys.argv[1:], "extra": os.environ.get("EXTRA")}}) + "\\n")
status = json.load(open({status!r}))
print(json.dumps({{"apiVersion": info["apiVersion"], "kind": "ExecCredential", "status": status}}))
"""


@pytest.fixture
def plugin(tmp_path):
    class Plugin:
        status_file = tmp_path / "status.json"
        program = tmp_path / "plugin"
        runs_file = tmp_path / "runs"

        def say(self, **status):
            (tmp_path / "new").write_text(json.dumps(status))
            (tmp_path / "new").rename(self.status_file)

        def user(self, **more):
            return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(self.program), "args": ["a", "b c"],
                             "env": [{"name": "EXTRA", "value": "x"}, {"name": "RUNS", "value": str(self.runs_file)}],
                             "interactiveMode": "IfAvailable", **more}}

        def runs(self):
            return [json.loads(line) for line in self.runs_file.read_text().splitlines()] if self.runs_file.exists() else []
    made = Plugin()
    made.program.write_text(PLUGIN.format(status=str(made.status_file)))
    made.program.chmod(0o755)
    return made


def after(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def test_plugin_gives_a_token(server, namespace, use, plugin):
    plugin.say(token=server.token(namespace))
    driver = use(plugin.user(provideClusterInfo=True))
    works(driver, namespace)
    assert driver.get("p")["status"] == 200
    runs = plugin.runs()
    assert len(runs) == 1 and runs[0]["argv"] == ["a", "b c"] and runs[0]["extra"] == "x"
    assert runs[0]["info"]["spec"]["interactive"] is False
    assert runs[0]["info"]["spec"]["cluster"]["server"] == server.url


def test_plugin_gives_a_certificate(server, namespace, use, plugin):
    certificate(server, "client-c")
    plugin.say(clientCertificateData=(server.keys / "client-c.crt").read_text(), clientKeyData=(server.keys / "client-c.key").read_text())
    works(use(plugin.user()), namespace)


def test_plugin_runs_again_before_its_token_expires(server, namespace, use, plugin):
    plugin.say(token=server.token(namespace), expirationTimestamp=after(8))
    driver = use(plugin.user())
    works(driver, namespace)
    plugin.say(token=server.token(namespace), expirationTimestamp=after(3600))
    wait_for(lambda: len(plugin.runs()) == 2, "the second run", 12)
    assert driver.get("p")["status"] == 200
    assert len(plugin.runs()) == 2


def test_plugin_runs_again_after_401(server, namespace, use, plugin):
    plugin.say(token="wrong.token.x")
    driver = use(plugin.user())
    refused(driver, 401, "Unauthorized")
    plugin.say(token=server.token(namespace))
    wait_for(lambda: driver.get("p")["status"] == 404, "the new token is used", 15)
    assert len(plugin.runs()) == 2


@pytest.mark.parametrize("script, word", [
    ("exit 3", "ended with status 3"), ("echo hello", "no ExecCredential"), ("kill -9 $$", "ended with signal 9"),
    ("echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{}}'", "neither a token")])
def test_plugin_that_fails(use, tmp_path, script, word):
    program = tmp_path / "bad"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    with pytest.raises(Refused, match=word):
        use({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program)}})


def test_plugin_that_is_missing(use):
    with pytest.raises(Refused, match="cannot be started.*get it somewhere"):
        use({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin", "installHint": "get it somewhere"}})


# -- a proxy


class Proxy(http.server.BaseHTTPRequestHandler):
    """CONNECT, as HTTP proxies do it."""
    seen = []

    def do_CONNECT(self):
        self.seen.append(self.path)
        host, _, port = self.path.partition(":")
        far = connect((host, int(port)), self.server.network)
        self.send_response(200)
        self.end_headers()

        def back():
            try:
                while piece := far.recv(65536):
                    self.connection.sendall(piece)
                self.connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        thread = threading.Thread(target=back, daemon=True)
        thread.start()
        try:
            while piece := self.connection.recv(65536):
                far.sendall(piece)
        except OSError:
            pass
        far.close()

    def log_message(self, *_):
        pass


@pytest.fixture
def proxy(server):
    Proxy.seen = []
    made = []

    def work():
        enter_network(server.network)
        made.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy))
        made[0].network = server.network
        made[0].daemon_threads = True
        made[0].serve_forever(0.05)
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    wait_for(lambda: made, "the proxy listens")
    yield made[0].server_address[1]
    made[0].shutdown()
    made[0].server_close()


def test_proxy_url(server, namespace, use, proxy):
    def change(data):
        data["clusters"][0]["cluster"]["proxy-url"] = f"http://127.0.0.1:{proxy}"
    driver = use({"token": server.token(namespace)}, change)
    works(driver, namespace)
    driver.watch(f"/api/v1/namespaces/{namespace}/pods")
    wait_for(lambda: driver.told() == [("ADDED", "p")], "the watch works through it too")
    assert set(Proxy.seen) == {"127.0.0.1:6443"}


def test_proxy_that_is_not_there(server, namespace, use):
    def change(data):
        data["clusters"][0]["cluster"]["proxy-url"] = "http://127.0.0.1:1"
    result = use({"token": server.token(namespace)}, change).get("p")
    assert (result["status"], error_code(result)) == (0, "unavailable")


# -- without a kubeconfig


IN_POD = """mount -t tmpfs tmpfs /run && mkdir -p /run/secrets/kubernetes.io/serviceaccount &&
mount --bind "$ACCOUNT" /run/secrets/kubernetes.io/serviceaccount && exec "$@"
"""


def test_service_account_of_a_pod(server, namespace, drivers, tmp_path, monkeypatch):
    """Its files are replaced while we run: ..data points elsewhere, as the kubelet does it."""
    from driver import Driver
    account = tmp_path / "account"
    (account / "one").mkdir(parents=True)
    (account / "one" / "token").write_text("old.token.x")
    (account / "one" / "ca.crt").write_bytes((server.keys / "ca.crt").read_bytes())
    (account / "one" / "namespace").write_text(namespace)
    (account / "..data").symlink_to("one")
    for name in ("token", "ca.crt", "namespace"):
        (account / name).symlink_to(f"..data/{name}")
    monkeypatch.setenv("ACCOUNT", str(account))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    wrap = ["nsenter", f"--net={server.network}", "unshare", "--mount", "--propagation", "private", "sh", "-c", IN_POD, "sh"]
    drivers.append(Driver(wrap, namespace=namespace))
    refused(drivers[-1], 401, "Unauthorized")
    (account / "two").mkdir()
    (account / "two" / "token").write_text(server.token(namespace))
    (account / "two" / "ca.crt").write_bytes((server.keys / "ca.crt").read_bytes())
    (account / "new").symlink_to("two")
    (account / "new").rename(account / "..data")
    works(drivers[-1], namespace)


def test_kubeconfig_of_the_environment(server, namespace, drivers, monkeypatch):
    from driver import Driver
    monkeypatch.setenv("KUBECONFIG", server.access(namespace)["kubeconfig"])
    drivers.append(Driver(["nsenter", f"--net={server.network}"], namespace=namespace))
    works(drivers[-1], namespace)


def test_nothing_at_all(server, drivers, monkeypatch):
    from driver import Driver
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Refused, match="neither a URL, a kubeconfig"):
        drivers.append(Driver())
