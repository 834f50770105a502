"""A site's cluster when it is a real one: ./run --kubernetes. Takes the place of the embedded node.

etcd, API server, scheduler, kubelet and containerd run in namespaces of their own (tests/kubernetes); the site's other parts
join their network. The gateways come as a service account with the rights of deploy/kubernetes/site/roles.yaml and no more.
"""
import os
import subprocess
import sys
from pathlib import Path

import yaml

from netns import Namespace, open_listener, port_of
from output import Failed, say
from process import Program
from sites import answers

TREE = Path(__file__).resolve().parents[2]
sys.path.insert(1, str(TREE / "tests/kubernetes"))

from kube import cluster as clusters  # noqa: E402
from kube import images, keys  # noqa: E402
from kube.parts import API  # noqa: E402

NAMESPACE = "sandboxes"
HOME = "spillway"  # the gateways' own namespace
PROXY_PORT = 6480
HOSTS = r"^localhost$,^127\.0\.0\.1$,^node$"  # no browser gets there by another name; `node` is what e2e calls it
TOKEN_SECONDS = 24 * 3600


class RealCluster:
    what = "a Kubernetes cluster"

    def __init__(self, site, slots, profile):
        self.site = site
        self.profile = profile
        self.name = f"{site.name}-cluster"
        self.cluster = clusters.Cluster(f"run-{site.run.run_id}", pods=slots, tied=True)
        self.namespace = Namespace.later()
        self.token_file = site.directory / "gateway.token"
        self.kubeconfig = site.directory / "gateway.kubeconfig"
        self.environments = site.write("environments.yaml", environments_for(site, slots))
        self.api = open_listener(0)
        self.program = None

    def gateway_settings(self):
        settings = {"kubernetes": {"kubeconfig": str(self.kubeconfig), "namespace": NAMESPACE},
                    # metrics-server tells of all that runs on this machine; the cluster's own is a part of that.
                    "watermark": {"cpu_high": 1000, "cpu_low": 1000}}
        if self.profile == "fast":
            settings |= {"agent": {"delivery": "baked"}, "sandbox": {"profile": "fast"}}
        return settings

    def bring_up(self):
        """The cluster, then what stands in it before the first gateway comes. The API without TLS is for tools and tests."""
        clusters.sweep("run-")
        agent = self.site.directory / "agent"
        archives = [images.agent_carrier(agent)]
        archives += [images.environment(name, path, agent if self.profile == "fast" else None) for name, path in self.site.images.items()]
        try:
            self.cluster.up(images_to_import=archives)
        except (clusters.Failed, OSError, subprocess.SubprocessError) as error:
            raise Failed(f"the cluster does not come up: {error}") from None
        self.namespace.open(self.cluster.network)
        self.furnish(self.cluster.api())
        command = [TREE / "tests/kubernetes/kube/door.py", PROXY_PORT, self.cluster.find_program("kubectl"), "proxy",
                   f"--kubeconfig={self.cluster.kubeconfig}", f"--port={PROXY_PORT}", f"--accept-hosts={HOSTS}"]
        self.program = Program("api-door", command, self.site.directory, namespace=self.namespace, sockets=[("api", self.api)],
                               log=self.site.directory / "api-door.log")

    def furnish(self, api):
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}}).expect(201)
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "spillway-gateway", "namespace": HOME}}
        api.create(account).expect(201)
        for name in ("namespace.yaml", "roles.yaml"):
            for each in yaml.safe_load_all((TREE / "deploy/kubernetes/site" / name).read_text()):
                api.create(each).expect(201)
        default = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default"
        clusters.wait_until(lambda: api.get(default).status == 200, "pods may be made in the namespace", 20)
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": TOKEN_SECONDS}}
        answer = api.call("POST", f"/api/v1/namespaces/{HOME}/serviceaccounts/spillway-gateway/token", request).expect(201)
        self.site.write("gateway.token", answer.json()["status"]["token"])
        authority = self.cluster.directory / "keys/ca.crt"
        self.site.write("gateway.kubeconfig", keys.kubeconfig(API, authority, {"tokenFile": str(self.token_file)}, NAMESPACE))

    def ready(self):
        return self.cluster.pid() is not None and answers(port_of(self.api), "/readyz")

    def take_down(self):
        self.namespace.close()
        try:
            self.cluster.down()
        except clusters.Failed as error:
            raise Failed(str(error)) from None

    def state(self):
        return {"name": self.cluster.node, "pid": self.program.pid if self.program else None, "url": f"http://127.0.0.1:{port_of(self.api)}",
                "cluster": self.cluster.name, "kubeconfig": None, "admin_kubeconfig": str(self.cluster.kubeconfig)}


def environments_for(site, slots):
    """The kubelet offers the machine's own processors: with more slots than those hold, each sandbox gets a smaller part."""
    data = yaml.safe_load(site.environments())
    most = (os.cpu_count() or 1) * 1000 // slots
    for each in data["environments"].values():
        usual = int(each["resources"]["cpu"].removesuffix("m"))
        if usual > most:
            each["resources"]["cpu"] = f"{most}m"
            say(f"sandboxes get {most}m of a processor here, so that {slots} fit")
    return yaml.safe_dump(data, sort_keys=False)
