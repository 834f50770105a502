"""The API itself: objects, selectors, pages, watches, and what is refused how."""
import pytest
from manifests import pod


def reason(answer):
    assert answer.json["kind"] == "Status" and answer.json["code"] == answer.status
    return answer.status, answer.json["reason"]


def test_discovery(node):
    assert node.call("GET", "/api").json["versions"] == ["v1"]
    names = {r["name"]: r for r in node.call("GET", "/api/v1").json["resources"]}
    assert set(names) == {"pods", "pods/log", "nodes", "namespaces", "events"} and names["pods"]["namespaced"]
    assert [group["name"] for group in node.call("GET", "/apis").json["groups"]] == ["metrics.k8s.io", "node.k8s.io"]
    assert node.call("GET", "/version").json["major"] == "1"
    for path in ("/healthz", "/readyz", "/livez"):
        assert node.call("GET", path).raw == b"ok"


def test_nodes_and_namespaces(node):
    machine = node.call("GET", "/api/v1/nodes/node-1").json
    assert machine["status"]["allocatable"]["pods"] == "64"
    assert machine["status"]["conditions"][0]["type"] == "Ready" and machine["status"]["conditions"][0]["status"] == "True"
    names = [n["metadata"]["name"] for n in node.call("GET", "/api/v1/namespaces").json["items"]]
    assert names == ["default", "sandboxes"]
    assert node.call("POST", "/api/v1/namespaces", {"metadata": {"name": "more"}}).status == 201
    assert reason(node.call("POST", "/api/v1/namespaces", {"metadata": {"name": "more"}})) == (409, "AlreadyExists")
    assert reason(node.call("POST", "/api/v1/namespaces", {"metadata": {"name": "No_Good"}})) == (422, "Invalid")
    assert node.create(pod("x", "true"), "more").status == 201
    assert reason(node.create(pod("x"), "nowhere")) == (404, "NotFound")


def test_what_is_not_there(node):
    assert reason(node.get("nobody")) == (404, "NotFound")
    assert reason(node.delete("nobody")) == (404, "NotFound")
    assert reason(node.call("GET", "/api/v1/services")) == (404, "NotFound")
    assert reason(node.call("GET", "/apis/apps/v1/deployments")) == (404, "NotFound")
    assert reason(node.call("PUT", "/api/v1/namespaces/sandboxes/pods/x", {})) == (405, "MethodNotAllowed")
    assert reason(node.call("DELETE", "/api/v1/namespaces/sandboxes/pods")) == (405, "MethodNotAllowed")
    assert reason(node.call("GET", "/api/v1/namespaces/sandboxes/pods/a%2fb"))[0] == 400


def edited(path, value):
    manifest = pod("p")
    target = manifest["spec"]
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return manifest


@pytest.mark.parametrize("path,value,field", [
    (["hostNetwork"], True, "spec.hostNetwork"),
    (["restartPolicy"], "Always", "spec.restartPolicy"),
    (["containers", 0, "image"], "nginx", "spec.containers[0].image"),
    (["containers", 0, "command"], [], "spec.containers[0].command"),
    (["containers", 0, "livenessProbe"], {"exec": {}}, "spec.containers[0].livenessProbe"),
    (["containers", 0, "securityContext"], {"privileged": True, "readOnlyRootFilesystem": True},
     "spec.containers[0].securityContext.privileged"),
    (["containers", 0, "securityContext"], {}, "spec.containers[0].securityContext"),
    (["containers", 0, "resources"], {"limits": {"nvidia.com/gpu": "1"}}, "spec.containers[0].resources"),
    (["containers", 0, "resources"], {"limits": {"cpu": "1x"}}, "spec.containers[0].resources"),
    (["containers", 0, "resources"], {"limits": {"cpu": "-1"}}, "spec.containers[0].resources"),
    (["containers", 0, "volumeMounts"], [{"name": "none", "mountPath": "/data"}], "spec.containers[0].volumeMounts[0]"),
    (["volumes"], [{"name": "h", "hostPath": {"path": "/"}}], "spec.volumes[0].hostPath"),
    (["volumes"], [{"name": "h", "emptyDir": {"medium": "HugePages"}}], "spec.volumes[0].emptyDir"),
    (["unheardOf"], 1, "spec.unheardOf"),
    (["containers"], [], "spec.containers"),
    (["containers"], "text", "spec.containers"),
    (["containers"], [1], "spec.containers[0]"),
    (["activeDeadlineSeconds"], 0, "spec.activeDeadlineSeconds"),
    (["activeDeadlineSeconds"], 1e308, "spec.activeDeadlineSeconds"),
])
def test_refused_by_field(node, path, value, field):
    answer = node.create(edited(path, value))
    assert reason(answer) == (422, "Invalid")
    assert field in [cause["field"] for cause in answer.json["details"]["causes"]], answer.json


def test_refused_otherwise(node):
    assert reason(node.create("{")) == (400, "BadRequest")
    assert reason(node.create("[]")) == (400, "BadRequest")
    assert reason(node.create({"kind": "Pod"})) == (400, "BadRequest")
    assert reason(node.create(pod("UPPER"))) == (422, "Invalid")
    assert reason(node.create(pod("ü" * 60))) == (422, "Invalid")
    assert reason(node.create(pod("p", runtimeClassName="kata"))) == (403, "Forbidden")
    assert reason(node.create(dict(pod("p"), metadata={"name": "p", "namespace": "default"}))) == (400, "BadRequest")
    assert reason(node.call("POST", "/api/v1/namespaces/sandboxes/pods", "x", "application/yaml")) == (415, "UnsupportedMediaType")
    assert reason(node.create("x" * 1100000)) == (413, "RequestEntityTooLarge")
    assert node.pods() == []


def test_same_name_and_preconditions(node):
    node.create(pod("one"))
    assert reason(node.create(pod("one"))) == (409, "AlreadyExists")
    assert reason(node.delete("one", preconditions={"uid": "other"})) == (409, "Conflict")
    assert reason(node.delete("one", preconditions={"resourceVersion": "1"})) == (409, "Conflict")
    uid = node.wait_phase("one", "Running")["metadata"]["uid"]
    assert node.delete("one", preconditions={"uid": uid}).status == 200


def test_patch(node):
    node.create(pod("p"))
    path = "/api/v1/namespaces/sandboxes/pods/p"
    node.wait_phase("p", "Running")
    change = {"metadata": {"labels": {"app": None, "new": "1"}, "annotations": {"spillway.dev/deadline": "x"}}}
    for kind in ("merge-patch", "strategic-merge-patch"):
        patched = node.call("PATCH", path, change, f"application/{kind}+json")
        assert patched.status == 200 and patched.json["metadata"]["labels"] == {"name": "p", "new": "1"}
    assert reason(node.call("PATCH", path, [], "application/json-patch+json")) == (415, "UnsupportedMediaType")
    assert reason(node.call("PATCH", path, {"spec": {"containers": []}}, "application/merge-patch+json")) == (422, "Invalid")
    assert reason(node.call("PATCH", path, {"metadata": {"labels": {"a b": "c"}}}, "application/merge-patch+json")) == (422, "Invalid")
    stale = {"metadata": {"resourceVersion": "1", "labels": {"x": "y"}}}
    assert reason(node.call("PATCH", path, stale, "application/merge-patch+json")) == (409, "Conflict")
    assert node.get("p").json["spec"]["containers"][0]["name"] == "main"


@pytest.mark.parametrize("query,names", [
    ("labelSelector=app%3Dtest", ["a", "b", "c"]), ("labelSelector=name%3D%3Da", ["a"]), ("labelSelector=name!%3Da", ["b", "c"]),
    ("labelSelector=name+in+(a,b)", ["a", "b"]), ("labelSelector=name+notin+(a,b)", ["c"]), ("labelSelector=app", ["a", "b", "c"]),
    ("labelSelector=!app", []), ("labelSelector=app,name%3Dc", ["c"]), ("fieldSelector=metadata.name%3Db", ["b"]),
    ("fieldSelector=metadata.namespace!%3Dsandboxes", []), ("fieldSelector=spec.nodeName%3Dnode-1", ["a", "b", "c"]),
    ("fieldSelector=status.phase!%3DFailed", ["a", "b", "c"]), ("", ["a", "b", "c"]),
])
def test_selectors(three, query, names):
    assert [p["metadata"]["name"] for p in three.pods("?" + query)] == names


@pytest.fixture(scope="module")
def three(root):
    from node_process import Node
    node = Node(root)
    for name in "abc":
        node.create(pod(name))
    for name in "abc":
        node.wait_phase(name, "Running")
    yield node
    node.destroy()


@pytest.mark.parametrize("query", ["labelSelector=a+b", "labelSelector=a+in+b", "labelSelector=%3D", "fieldSelector=spec.image%3Dx",
                                   "fieldSelector=a", "limit=-1", "limit=x", "resourceVersion=x", "continue=x", "watch=maybe"])
def test_bad_queries(three, query):
    assert reason(three.call("GET", f"/api/v1/pods?{query}")) == (400, "BadRequest")


def test_pages(three):
    first = three.call("GET", "/api/v1/pods?limit=2").json
    assert [p["metadata"]["name"] for p in first["items"]] == ["a", "b"] and first["metadata"]["remainingItemCount"] == 1
    second = three.call("GET", f"/api/v1/pods?limit=2&continue={first['metadata']['continue']}").json
    assert [p["metadata"]["name"] for p in second["items"]] == ["c"] and "continue" not in second["metadata"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    old = three.call("GET", "/api/v1/pods?limit=2&continue=1./a")
    assert reason(old) == (410, "Expired")


def test_watch_follows_a_pod(node):
    version = node.call("GET", "/api/v1/pods").json["metadata"]["resourceVersion"]
    watch = node.watch(f"&resourceVersion={version}")
    node.create(pod("w"))
    node.wait_phase("w", "Running")
    node.delete("w")
    versions, types = [], []
    while not types or types[-1] != "DELETED":
        event = watch.next()
        types.append(event["type"])
        versions.append(int(event["object"]["metadata"]["resourceVersion"]))
    assert types[0] == "ADDED" and set(types[1:-1]) == {"MODIFIED"}
    assert versions == sorted(set(versions)) and versions[0] > int(version)
    watch.close()


def test_watch_starts_with_what_is_there(node):
    node.create(pod("there"))
    node.wait_phase("there", "Running")
    watch = node.watch("&timeoutSeconds=1&allowWatchBookmarks=true")
    assert watch.next()["object"]["metadata"]["name"] == "there"
    assert watch.next()["type"] == "BOOKMARK"
    assert watch.next() is None
    listed = node.watch("&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&resourceVersion=")
    assert listed.next()["type"] == "ADDED"
    assert listed.next()["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    listed.close()


def test_watch_by_label_sees_objects_come_and_go(node):
    node.create(pod("l"))
    node.wait_phase("l", "Running")
    version = node.call("GET", "/api/v1/pods").json["metadata"]["resourceVersion"]
    watch = node.watch(f"&resourceVersion={version}&labelSelector=color%3Dred")
    path = "/api/v1/namespaces/sandboxes/pods/l"
    for color in ("red", "blue"):
        node.call("PATCH", path, {"metadata": {"labels": {"color": color}}}, "application/merge-patch+json")
    assert [watch.next()["type"], watch.next()["type"]] == ["ADDED", "DELETED"]
    watch.close()


def test_watch_from_a_version_before_the_start_is_gone(node):
    version = node.call("GET", "/api/v1/pods").json["metadata"]["resourceVersion"]
    node.kill()
    node.start()
    event = node.watch(f"&resourceVersion={int(version) - 1}").next()
    assert event["type"] == "ERROR" and (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
    assert int(node.call("GET", "/api/v1/pods").json["metadata"]["resourceVersion"]) > int(version)


def test_a_watcher_that_does_not_read_costs_nothing_and_is_closed(node):
    node.create(pod("busy"))
    node.wait_phase("busy", "Running")
    version = node.call("GET", "/api/v1/pods").json["metadata"]["resourceVersion"]
    watch = node.watch(f"&resourceVersion={version}")
    path = "/api/v1/namespaces/sandboxes/pods/busy"
    for n in range(1200):
        change = {"metadata": {"annotations": {"n": str(n), "fill": "x" * 20000}}}
        assert node.call("PATCH", path, change, "application/merge-patch+json").status == 200
    seen = 0
    while True:
        event = watch.next()
        if event is None or event["type"] == "ERROR":
            break
        seen += 1
    assert seen < 1200
