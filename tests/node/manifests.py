"""Pod manifests: a short one, and the one that the gateway makes (docs/agent-api.md)."""


def pod(name, command="trap 'exit 0' TERM; while :; do sleep 0.1; done", cpu="100m", memory="64Mi", **spec):
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "test", "name": name}},
        "spec": {
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 2,
            "containers": [{
                "name": "main", "image": "box", "command": ["sh", "-c", command],
                "resources": {"limits": {"cpu": cpu, "memory": memory}},
                "securityContext": {"readOnlyRootFilesystem": True, "runAsUser": 1000, "runAsGroup": 1000},
            }], **spec}}


def session(name):
    walls = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True, "runAsUser": 1000,
             "runAsGroup": 1000, "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}}
    mounts = [{"name": "scratch", "mountPath": path, "subPath": sub}
              for path, sub in (("/workspace", "workspace"), ("/tmp", "tmp"), ("/dev/shm", "shm"), ("/home/sandbox", "home"))]
    amount = {"cpu": "500m", "memory": "134217728"}
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "sandboxes", "labels": {"spillway.dev/session": name},
                     "annotations": {"spillway.dev/pids": "37", "spillway.dev/tenant": "t"}},
        "spec": {
            "restartPolicy": "Never", "automountServiceAccountToken": False, "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 2, "activeDeadlineSeconds": 600,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000,
                                "seccompProfile": {"type": "RuntimeDefault"}},
            "initContainers": [{"name": "install-agent", "image": "spillway/agent", "imagePullPolicy": "IfNotPresent",
                                "command": ["cp", "-R", "/spillway/.", "/agent/"],
                                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"},
                                              "limits": {"cpu": "100m", "memory": "64Mi"}},
                                "volumeMounts": [{"name": "agent", "mountPath": "/agent"}], "securityContext": walls}],
            "containers": [{"name": "sandbox", "image": "box", "imagePullPolicy": "IfNotPresent",
                            "command": ["/spillway/agent"], "ports": [{"name": "agent", "containerPort": 8700, "protocol": "TCP"}],
                            "env": [{"name": "SPILLWAY_SESSION_ID", "value": name}],
                            "resources": {"requests": amount, "limits": amount},
                            "volumeMounts": [{"name": "agent", "mountPath": "/spillway", "readOnly": True}, *mounts],
                            "securityContext": walls}],
            "volumes": [{"name": "agent", "emptyDir": {"sizeLimit": "64Mi"}},
                        {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "1048576"}}]}}
