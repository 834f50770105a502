"""What the contract is held against: a real API server, one without streaming lists, and the embedded node."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from pathlib import Path

import yaml

from driver import BUILD, Driver, TREE, wait_for
from kube import keys
from kube.api import Api
from kube.cluster import Cluster, is_dead

ROLES = TREE / "deploy/kubernetes/site"


class Server:
    """name, network (path of a network namespace), api (as administrator), url."""

    def new_namespace(self):
        name = f"t-{uuid.uuid4().hex[:8]}"
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        self.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}).expect(201)
        self.furnish(name)
        return name

    def requests(self, namespace, line):
        """(verb, uri) of what the client asked of the namespace's pods by `line`, oldest first."""
        raise NotImplementedError

    def driver(self, namespace, **conf):
        if not {"kubeconfig", "url"} & set(conf):
            conf = {**self.access(namespace), **conf}
        return Driver(["nsenter", f"--net={self.network}"], namespace=namespace, **conf)


class RealServer(Server):
    """etcd and kube-apiserver: nothing schedules, so pods stay as they were made."""
    name = "apiserver"
    arguments = ()

    def __init__(self):
        self.cluster = Cluster(f"{self.name}-{os.getpid()}", apiserver_arguments=self.arguments).up(api_only=True)
        self.api = self.cluster.api()
        self.network = self.cluster.network
        self.url = "https://127.0.0.1:6443"
        self.keys = self.cluster.directory / "keys"
        self.files = Path(tempfile.mkdtemp(prefix="kubeconfig-"))
        for each in yaml.safe_load_all((ROLES / "roles.yaml").read_text()):
            if each["kind"] == "ClusterRole":
                self.api.create(each).expect(201)

    def furnish(self, namespace):
        """What the controller manager would: a service account; and the gateway's rights, no more."""
        for name in ("default", "spillway-gateway"):
            self.api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}).expect(201)
        for each in yaml.safe_load_all((ROLES / "roles.yaml").read_text()):
            if each["kind"] in ("Role", "RoleBinding", "ClusterRoleBinding"):
                each["metadata"].update({"namespace": namespace} if each["kind"] != "ClusterRoleBinding" else {"name": f"{each['metadata']['name']}-{namespace}"})
                for subject in each.get("subjects", ()):
                    subject["namespace"] = namespace
                self.api.create(each).expect(201)

    def token(self, namespace, account="spillway-gateway"):
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        return self.api.call("POST", path, body).expect(201).json()["status"]["token"]

    def kubeconfig(self, user, url=None, ca=None):
        path = self.files / f"{uuid.uuid4().hex}.kubeconfig"
        path.write_text(keys.kubeconfig(url or self.url, ca or self.keys / "ca.crt", user))
        return str(path)

    def access(self, namespace, url=None):
        return {"kubeconfig": self.kubeconfig({"token": self.token(namespace)}, url)}

    def requests(self, namespace, line):
        return [(each["verb"], each["uri"]) for each in self.cluster.asked(namespace) if each["resource"] == "pods"]

    def restart(self):
        self.cluster.restart_api()

    def pause(self):
        self.cluster.pause_part("apiserver")

    def resume(self):
        self.cluster.continue_part("apiserver")

    def close(self):
        shutil.rmtree(self.files)
        self.cluster.down()


class PagesServer(RealServer):
    """One that cannot stream lists, like those before Kubernetes 1.32."""
    name = "pages"
    arguments = ("--feature-gates=WatchList=false",)


class NodeServer(Server):
    """spillway-node without room for any pod: they stay pending."""
    name = "node"

    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="spillway-node-api-"))
        self.url = "http://127.0.0.1:6443"
        self.cgroup = f"/spillway-node-api-{os.getpid()}"
        for folder in ("root", "agent"):
            (self.directory / folder).mkdir(parents=True)
        settings = {"listen": ["127.0.0.1:6443"], "data_dir": str(self.directory / "data"), "cgroup_root": self.cgroup,
                    "capacity": {"pods": 0}, "images": {"spillway/python": str(self.directory / "root")},
                    "agent": {"dir": str(self.directory / "agent")}, "network": {"firewall": False}}
        (self.directory / "node.json").write_text(json.dumps(settings))
        (self.directory / "admin.kubeconfig").write_text(json.dumps({
            "clusters": [{"name": "c", "cluster": {"server": self.url}}], "users": [{"name": "u", "user": {}}]}))
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec sleep infinity"],
                                       stdout=subprocess.PIPE)
        self.holder.stdout.readline()
        self.network = f"/proc/{self.holder.pid}/ns/net"
        self.api = Api(self.directory / "admin.kubeconfig", self.network)
        self.process = None
        self.start()

    def start(self):
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(["nsenter", f"--net={self.network}", BUILD / "bin/spillway-node", "--config", self.directory / "node.json"],
                                            stdout=log, stderr=log)
        wait_for(lambda: self.process.poll() is not None or self.api.try_get("/readyz").status == 200, "the node answers")
        assert self.process.poll() is None, (self.directory / "log").read_text()

    def furnish(self, namespace):
        pass

    def access(self, namespace, url=None):
        return {"url": url or self.url}

    def requests(self, namespace, line):
        return [("watch" if "watch=1" in uri else "list", uri) for method, uri in line.heads if method == "GET" and f"/{namespace}/pods?" in uri]

    def restart(self):
        self.process.kill()
        self.process.wait()
        self.start()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        self.process.terminate()
        self.process.wait(30)
        self.holder.kill()
        self.holder.wait()
        assert is_dead(self.holder.pid)
        for path in Path("/sys/fs/cgroup").glob(f"*{self.cgroup}"):
            path.rmdir()
        shutil.rmtree(self.directory)
