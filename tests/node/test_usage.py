"""metrics.k8s.io/v1beta1: what pods really use, as metrics-server would say it."""
import re

from manifests import pod

METRICS = "/apis/metrics.k8s.io/v1beta1"
UNITS = {"n": 1e-9, "Ki": 1024}


def amount(text):
    number, unit = re.fullmatch(r"(\d+)(n|Ki)", text).groups()
    return int(number) * UNITS[unit]


def pod_usage(node, name):
    answer = node.call("GET", f"{METRICS}/namespaces/sandboxes/pods/{name}")
    return answer.json if answer.status == 200 else None


def test_use_is_measured_and_goes_with_the_pod(node):
    assert node.create(pod("busy", "while :; do :; done", cpu="200m")).status == 201
    assert node.create(pod("idle")).status == 201
    node.wait(lambda: pod_usage(node, "busy") and pod_usage(node, "idle"), 60, "both pods are measured")

    def settled():
        usage = pod_usage(node, "busy")["containers"][0]["usage"]
        return amount(usage["cpu"]) > 0.1
    node.wait(settled, 60, "the busy pod's CPU")
    busy, idle = pod_usage(node, "busy"), pod_usage(node, "idle")
    assert busy["kind"] == "PodMetrics" and busy["metadata"]["labels"]["app"] == "test"
    assert [c["name"] for c in busy["containers"]] == ["main"]
    assert re.fullmatch(r"\d+\.\d{3}s", busy["window"]) and busy["timestamp"].endswith("Z")
    used = amount(busy["containers"][0]["usage"]["cpu"])
    assert amount(idle["containers"][0]["usage"]["cpu"]) < used < 0.4
    assert 0 < amount(busy["containers"][0]["usage"]["memory"]) < 64 << 20

    machine = node.call("GET", f"{METRICS}/nodes/node-1").json
    assert machine["kind"] == "NodeMetrics"
    listed = node.call("GET", f"{METRICS}/nodes").json
    assert listed["kind"] == "NodeMetricsList" and [i["metadata"]["name"] for i in listed["items"]] == ["node-1"]
    assert amount(listed["items"][0]["usage"]["cpu"]) > 0.1
    assert amount(listed["items"][0]["usage"]["memory"]) >= amount(busy["containers"][0]["usage"]["memory"]) * 0.5

    names = [i["metadata"]["name"] for i in node.call("GET", f"{METRICS}/pods").json["items"]]
    assert names == ["busy", "idle"]
    chosen = node.call("GET", f"{METRICS}/namespaces/sandboxes/pods?labelSelector=name%3Didle").json["items"]
    assert [i["metadata"]["name"] for i in chosen] == ["idle"]

    node.delete("busy", gracePeriodSeconds=0)
    node.wait(lambda: pod_usage(node, "busy") is None, 30, "no use without a pod")


def test_new_measurements_come(node):
    def stamp():
        items = node.call("GET", f"{METRICS}/nodes").json["items"]
        return items[0]["timestamp"] if items else None
    node.wait(stamp, 30, "the first measurement")
    first = stamp()
    node.wait(lambda: stamp() > first, 30, "a newer one")


def test_what_the_metrics_api_does_not_have(node):
    resources = node.call("GET", METRICS).json["resources"]
    assert {r["name"]: (r["kind"], r["namespaced"], r["verbs"]) for r in resources} == {
        "nodes": ("NodeMetrics", False, ["get", "list"]), "pods": ("PodMetrics", True, ["get", "list"])}
    assert node.call("GET", f"{METRICS}/nodes/nobody").json["reason"] == "NotFound"
    assert node.call("GET", f"{METRICS}/namespaces/sandboxes/pods/nobody").json["reason"] == "NotFound"
    assert node.call("POST", f"{METRICS}/nodes", {}).status == 405
    assert node.call("GET", f"{METRICS}/pods?labelSelector=%3D%3D").json["reason"] == "BadRequest"
