"""The site of deploy/kubernetes/local on a test cluster: `prepare`, `kubectl apply -k`, and what every other cluster brings along."""
import contextlib
import http.client
import json
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

TREE = Path(__file__).resolve().parents[3]
DEPLOY = TREE / "deploy"
sys.path.insert(1, str(DEPLOY / "images"))

import docker_archive  # noqa: E402
from kube.api import connect  # noqa: E402
from kube.cluster import Cluster, wait_until  # noqa: E402
from kube.parts import NODE_ADDRESS, SERVICE_ADDRESS  # noqa: E402

# The service network's addresses of names; here nobody answers for names.
ADDRESSES = {"front": "10.201.0.30", "redis": "10.201.0.31", "gateway-0": "10.201.0.40", "gateway-1": "10.201.0.41", "gateway-2": "10.201.0.42"}
HOST = "spillway.cloud.example"


def made_images(folder):
    """What a registry would have: ours by the program that makes them, nginx and Redis of this machine."""
    done = subprocess.run([DEPLOY / "images/build", "--out", folder, "gateway", "agent", "python"], check=True, stdout=subprocess.PIPE, text=True)
    settings = yaml.safe_load((DEPLOY / "kubernetes/local/kustomization.yaml").read_text())
    names = {each["name"]: f"{each['newName']}:{each['newTag']}" for each in settings["images"]}
    others = [docker_archive.of_programs(folder / f"{name}.tar", names[name], [program], [program])
              for name, program in (("nginx", "nginx"), ("redis", "redis-server"))]
    return [*map(Path, done.stdout.split()), *others]


def prepare(folder, *words):
    return subprocess.run([DEPLOY / "prepare", folder, *words], capture_output=True, text=True)


def prepared(folder):
    """Copies of both sites, with what prepare makes, in the order of docs/deployment.md."""
    ignore = shutil.ignore_patterns("made", "secrets")
    shutil.copytree(DEPLOY / "kubernetes", folder, ignore=ignore)
    assert prepare(folder / "cloud").returncode != 0, "a certificate is wanted, and no name was said"
    done = prepare(folder / "cloud", "--host", HOST)
    assert done.returncode == 0, done.stderr
    done = prepare(folder / "local")
    assert done.returncode != 0 and "cloud.token is missing" in done.stderr, done.stderr
    shutil.copy(folder / "cloud/secrets/sites.token", folder / "local/secrets/cloud.token")
    shutil.copy(folder / "cloud/secrets/ca.pem", folder / "local/secrets/cloud-ca.pem")
    done = prepare(folder / "local")
    assert done.returncode == 0, done.stderr
    return folder


def fit_to_test(folder):
    """local/, but: addresses are known beforehand, names stand in the pods' hosts files, and other load of this machine is no matter."""
    settings = yaml.safe_load((folder / "local/gateway.yaml").read_text())
    settings["watermark"] |= {"cpu_high": 1000, "memory_high": 1000}
    (folder / "local/gateway.yaml").write_text(yaml.safe_dump(settings))
    names = [{"ip": address, "hostnames": [name]} for name, address in ADDRESSES.items()]

    def patch(kind, name, path, value):
        return {"target": {"kind": kind, "name": f"^{name}$"}, "patch": json.dumps([{"op": "add", "path": path, "value": value}])}

    patches = [patch(kind, name, "/spec/template/spec/hostAliases", names) for kind, name in (("StatefulSet", "gateway"), ("Deployment", "front"))]
    patches += [patch("Service", name, "/spec/clusterIP", address) for name, address in ADDRESSES.items()]
    (folder / "test").mkdir()
    (folder / "test/kustomization.yaml").write_text(yaml.safe_dump({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": ["../local"], "patches": patches}))
    return folder / "test"


class Deployed:
    def __init__(self, cluster, folder):
        self.cluster = cluster
        self.folder = folder
        self.key = (folder / "local/secrets/api-key.txt").read_text().strip()

    def kubectl(self, *words):
        done = self.cluster.kubectl(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Warning" not in done.stderr, done.stderr
        return done.stdout

    def story(self):
        """For whom it failed: what the pods say, and what is said of them."""
        words = (["get", "pods", "-A", "-o", "wide"], ["-n", "spillway", "get", "events"],
                 *(["-n", "spillway", "logs", "--all-containers", "--prefix", "--tail=20", "-l", f"app.kubernetes.io/component={each}"]
                   for each in ("gateway", "front", "redis")))
        return "\n".join(done.stdout + done.stderr for done in (self.cluster.kubectl(*each) for each in words))

    def nat(self, *words):
        subprocess.run(["nsenter", f"--net={self.cluster.network}", "--", "iptables", "-w", "-t", "nat", *words], check=True, capture_output=True)

    def lead(self, address, port, to):
        for chain in ("PREROUTING", "OUTPUT"):
            self.nat("-A", chain, "-d", address, "-p", "tcp", "--dport", str(port), "-j", "DNAT", "--to-destination", to)

    def lead_to_pods(self):
        """What kube-proxy does, once: from services' addresses to those of their pods."""
        self.nat("-F")
        self.nat("-A", "POSTROUTING", "-m", "conntrack", "--ctstate", "DNAT", "-j", "MASQUERADE")
        self.lead(SERVICE_ADDRESS, 443, f"{NODE_ADDRESS}:6443")
        slices = json.loads(self.kubectl("get", "endpointslices", "-n", "spillway", "-o", "json"))["items"]
        services = {each["metadata"]["name"]: each for each in json.loads(self.kubectl("get", "services", "-n", "spillway", "-o", "json"))["items"]}
        for each in slices:
            name = each["metadata"]["labels"]["kubernetes.io/service-name"]
            if name in ADDRESSES and each["endpoints"]:
                to = f"{each['endpoints'][0]['addresses'][0]}:{each['ports'][0]['port']}"
                self.lead(ADDRESSES[name], services[name]["spec"]["ports"][0]["port"], to)
        return {each["metadata"]["labels"]["kubernetes.io/service-name"] for each in slices if each["endpoints"]}

    def call(self, method, path, body=None, key=True, **fields):
        """Through the front door: (status, the answer's JSON)."""
        channel = connect((ADDRESSES["front"], 80), self.cluster.network, 60)
        connection = http.client.HTTPConnection("spillway", timeout=60)
        connection.sock = channel
        headers = {"Authorization": f"Bearer {self.key}"} if key else {}
        try:
            connection.request(method, path, body, headers | fields)
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read() or b"null")
        finally:
            connection.close()


@contextlib.contextmanager
def deployed(name, folder):
    """Images, a cluster, both sites' files, and the local one applied and up."""
    archives = made_images(folder / "images")
    sites = prepared(folder / "kubernetes")
    cluster = Cluster(name, tied=True)
    try:
        cluster.up(images_to_import=archives)
        shutil.rmtree(folder / "images")
        site = Deployed(cluster, sites)
        site.kubectl("apply", "-k", fit_to_test(sites))
        wait_until(lambda: site.lead_to_pods() >= ADDRESSES.keys() - {"front"}, "there are pods", 60, 0.5)
        for each in ("statefulset/gateway", "deployment/front", "deployment/redis"):
            done = cluster.kubectl("-n", "spillway", "rollout", "status", each, "--timeout=120s")
            assert done.returncode == 0, done.stderr + site.story()
        site.lead_to_pods()
        yield site
    finally:
        cluster.down()
