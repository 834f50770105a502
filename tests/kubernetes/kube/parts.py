"""The parts of a cluster: their commands, settings, keys and kubeconfigs. Why each setting: docs/kubernetes.md."""
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kube import keys

NODE_ADDRESS = "10.199.0.2"
POD_NETWORK = "10.200.0.0/16"
SERVICE_NETWORK = "10.201.0.0/24"
SERVICE_ADDRESS = "10.201.0.1"
PAUSE_IMAGE = "spillway.test/pause:1"
API = "https://127.0.0.1:6443"
METRICS_USER = "spillway-test:metrics-server"
API_ONLY = ("etcd", "apiserver")
CONTROL = ("controller-manager", "scheduler", "kubelet", "metrics-server")


class Keys:
    """All of a cluster's key files, in DIRECTORY/keys."""

    def __init__(self, directory, node):
        self.directory = directory / "keys"
        self.node = node
        self.ca = keys.Authority(self.directory, "ca")
        self.front = keys.Authority(self.directory, "front-proxy-ca")

    def create(self):
        self.directory.mkdir(mode=0o700)
        server = ["127.0.0.1", NODE_ADDRESS, SERVICE_ADDRESS]
        server_names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda authority: authority.create(), [self.ca, self.front]))
            work = [
                pool.submit(self.ca.issue_signing_pair, "service-account"),
                pool.submit(self.ca.issue, "apiserver", "kube-apiserver", (), server, server_names),
                pool.submit(self.ca.issue, "apiserver-kubelet", "apiserver-kubelet", ["system:masters"]),
                pool.submit(self.front.issue, "front-proxy", "front-proxy"),
                pool.submit(self.ca.issue, "admin", "admin", ["system:masters"]),
                pool.submit(self.ca.issue, "controller-manager", "system:kube-controller-manager"),
                pool.submit(self.ca.issue, "scheduler", "system:kube-scheduler"),
                pool.submit(self.ca.issue, "kubelet", f"system:node:{self.node}", ["system:nodes"]),
                pool.submit(self.ca.issue, "kubelet-server", f"system:node:{self.node}", ["system:nodes"], [NODE_ADDRESS], [self.node]),
                pool.submit(self.ca.issue, "metrics-server", METRICS_USER),
                pool.submit(self.ca.issue, "metrics-serving", "metrics-server", (), [NODE_ADDRESS], ["metrics-server.kube-system.svc"]),
            ]
            for each in work:
                each.result()

    def kubeconfig(self, name, namespace="default"):
        return keys.kubeconfig(API, self.directory / "ca.crt", keys.certificate_user(self.directory, name), namespace)


def kubelet_settings(cluster, k):
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS, "port": 10250, "readOnlyPort": 0,
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True}, "x509": {"clientCAFile": f"{k}/ca.crt"}},
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{k}/kubelet-server.crt", "tlsPrivateKeyFile": f"{k}/kubelet-server.key",
        "containerRuntimeEndpoint": f"unix://{cluster.containerd_socket}",
        "cgroupDriver": "cgroupfs", "cgroupRoot": f"/{cluster.cgroup}", "failCgroupV1": False, "failSwapOn": False,
        "podPidsLimit": 128, "resolvConf": str(cluster.directory / "resolv.conf"), "clusterDomain": "cluster.local",
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99,
        "serializeImagePulls": False, "registryPullQPS": 0, "kubeAPIQPS": 200, "kubeAPIBurst": 400, "eventRecordQPS": 0,
        "nodeStatusUpdateFrequency": "4s", "nodeLeaseDurationSeconds": 8, "maxPods": cluster.pods,
        "oomScoreAdj": 0,  # lowering it needs CAP_SYS_RESOURCE
        # The machine's amount less this is what sandboxes may have: a cluster can play a small one.
        **({"systemReserved": cluster.reserved} if cluster.reserved else {}),
        "enforceNodeAllocatable": ["pods"],
    }


def containerd_settings(cluster):
    d = cluster.directory
    # restrict_oom_score_adj: without CAP_SYS_RESOURCE runc may not set -998 and ends without a word.
    return f"""version = 2
root = "{d}/containerd"
state = "/run/containerd-state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
    "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]
[grpc]
  address = "{cluster.containerd_socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{d}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  netns_mounts_under_state_dir = true
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{d}/cni-conf"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
"""


def cni_settings():
    return {"cniVersion": "1.0.0", "name": "sandboxes", "plugins": [{
        "type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": False, "hairpinMode": False,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": POD_NETWORK}]], "routes": [{"dst": "0.0.0.0/0"}],
                 "dataDir": "/var/lib/cni/networks"}}]}


def audit_policy():
    """What service accounts other than the controllers' ask for, one line each in log/audit.log: what the gateways cost is counted there."""
    return {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": [
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "None"}]}


def write_settings(cluster, all_keys):
    d, k = cluster.directory, all_keys.directory
    for name in ("admin", "controller-manager", "scheduler", "kubelet", "metrics-server"):
        cluster.write(f"{name}.kubeconfig", all_keys.kubeconfig(name))
    cluster.write("kubelet.json", json.dumps(kubelet_settings(cluster, k), indent=1))
    cluster.write("containerd.toml", containerd_settings(cluster))
    cluster.write("audit.json", json.dumps(audit_policy(), indent=1))
    cluster.write("resolv.conf", "nameserver 127.0.0.1\n")
    (d / "cni-conf").mkdir()
    cluster.write("cni-conf/10-sandboxes.conflist", json.dumps(cni_settings(), indent=1))


def commands(cluster):
    """Part: argv."""
    d, k, b = cluster.directory, cluster.directory / "keys", Path(cluster.programs)

    def config(name):
        path = d / f"{name}.kubeconfig"
        return [f"--kubeconfig={path}", f"--authentication-kubeconfig={path}", f"--authorization-kubeconfig={path}", f"--cert-dir={d}/certs"]

    return {
        "etcd": [b / "etcd", "--name=etcd", f"--data-dir={d}/etcd/data", "--listen-client-urls=http://127.0.0.1:2379",
                 "--advertise-client-urls=http://127.0.0.1:2379", "--listen-peer-urls=http://127.0.0.1:2380",
                 "--initial-advertise-peer-urls=http://127.0.0.1:2380", "--initial-cluster=etcd=http://127.0.0.1:2380",
                 "--unsafe-no-fsync", "--watch-progress-notify-interval=5s"],
        "containerd": [shutil.which("containerd") or "containerd", "--config", d / "containerd.toml"],
        "apiserver": [b / "kube-apiserver", "--etcd-servers=http://127.0.0.1:2379", f"--advertise-address={NODE_ADDRESS}", "--secure-port=6443",
                      f"--tls-cert-file={k}/apiserver.crt", f"--tls-private-key-file={k}/apiserver.key", f"--client-ca-file={k}/ca.crt",
                      f"--cert-dir={d}/certs", f"--kubelet-client-certificate={k}/apiserver-kubelet.crt",
                      f"--kubelet-client-key={k}/apiserver-kubelet.key", f"--kubelet-certificate-authority={k}/ca.crt",
                      "--kubelet-preferred-address-types=InternalIP", "--service-account-issuer=https://kubernetes.default.svc",
                      f"--service-account-signing-key-file={k}/service-account.key", f"--service-account-key-file={k}/service-account.pub",
                      "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
                      f"--service-cluster-ip-range={SERVICE_NETWORK}", f"--requestheader-client-ca-file={k}/front-proxy-ca.crt",
                      "--requestheader-allowed-names=front-proxy", "--requestheader-username-headers=X-Remote-User",
                      "--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
                      f"--proxy-client-cert-file={k}/front-proxy.crt", f"--proxy-client-key-file={k}/front-proxy.key",
                      "--enable-aggregator-routing=true", "--profiling=false",
                      f"--audit-policy-file={d}/audit.json", f"--audit-log-path={cluster.log('audit')}", *cluster.apiserver_arguments],
        "controller-manager": [b / "kube-controller-manager", *config("controller-manager"), "--leader-elect=false",
                               "--use-service-account-credentials=true", f"--service-account-private-key-file={k}/service-account.key",
                               f"--root-ca-file={k}/ca.crt", "--kube-api-qps=500", "--kube-api-burst=1000", "--node-monitor-period=1s",
                               "--node-monitor-grace-period=20s", "--bind-address=127.0.0.1", "--profiling=false"],
        "scheduler": [b / "kube-scheduler", *config("scheduler"), "--leader-elect=false", "--kube-api-qps=500", "--kube-api-burst=1000",
                      "--bind-address=127.0.0.1"],
        "kubelet": [b / "kubelet", f"--config={d}/kubelet.json", f"--kubeconfig={d}/kubelet.kubeconfig", f"--hostname-override={cluster.node}",
                    f"--node-ip={NODE_ADDRESS}", f"--cert-dir={d}/certs", "--housekeeping-interval=5s"],
        "metrics-server": [b / "metrics-server", *config("metrics-server"), "--secure-port=4443", f"--tls-cert-file={k}/metrics-serving.crt",
                           f"--tls-private-key-file={k}/metrics-serving.key", f"--kubelet-certificate-authority={k}/ca.crt",
                           "--kubelet-preferred-address-types=InternalIP", "--metric-resolution=10s", "--kubelet-request-timeout=5s"],
    }


def metrics_objects(ca):
    """What metrics-server needs in the API when it runs as a process on the node and not as a pod."""
    rbac = "rbac.authorization.k8s.io"
    user = [{"kind": "User", "name": METRICS_USER, "apiGroup": rbac}]

    def binding(kind, name, role_kind, role, namespace=None):
        return {"apiVersion": f"{rbac}/v1", "kind": kind, "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
                "roleRef": {"apiGroup": rbac, "kind": role_kind, "name": role}, "subjects": user}

    return [
        {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": METRICS_USER}, "rules": [
            {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]}]},
        binding("ClusterRoleBinding", METRICS_USER, "ClusterRole", METRICS_USER),
        binding("ClusterRoleBinding", f"{METRICS_USER}:delegator", "ClusterRole", "system:auth-delegator"),
        binding("RoleBinding", f"{METRICS_USER}:reader", "Role", "extension-apiserver-authentication-reader", "kube-system"),
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "metrics-server", "namespace": "kube-system"},
         "spec": {"ports": [{"name": "https", "port": 443, "targetPort": 4443, "protocol": "TCP"}]}},
        {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
         "metadata": {"name": "metrics-server-node", "namespace": "kube-system",
                      "labels": {"kubernetes.io/service-name": "metrics-server", "endpointslice.kubernetes.io/managed-by": "spillway-tests"}},
         "ports": [{"name": "https", "port": 4443, "protocol": "TCP"}],
         "endpoints": [{"addresses": [NODE_ADDRESS], "conditions": {"ready": True}}]},
        {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1beta1.metrics.k8s.io"},
         "spec": {"group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
                  "caBundle": keys.data_of(ca), "service": {"name": "metrics-server", "namespace": "kube-system", "port": 443}}},
    ]
