"""The embedded node taken for a cluster by an unmodified kubectl: get, describe, create, delete, logs, top, wait."""
import json
import re
import threading
import time

import kubectl
import pytest
from manifests import pod, session

WHY_NOT = kubectl.find()[1]
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))
TICKER = "trap 'exit 0' TERM; n=0; while :; do n=$((n+1)); echo line $n; sleep 0.2; done"


@pytest.fixture
def node(make_node):
    return make_node(port=kubectl.PORT)


@pytest.fixture
def k(node):
    made = kubectl.Kubectl(node)
    yield made
    made.close()


def collect(process):
    """Lines of a command that goes on, as they come."""
    lines = []

    def read():
        for line in process.stdout:
            lines.append(line.rstrip())
    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return lines


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def test_create_get_and_delete(k, node):
    before = node.traces()
    assert k.run("create", "-f", "-", body=pod("one")) == "pod/one created\n"
    node.wait_phase("one", "Running")
    row, = k.table("get", "pods", "-o", "wide")
    assert (row["NAME"], row["READY"], row["STATUS"], row["RESTARTS"], row["NODE"]) == ("one", "1/1", "Running", "0", "node-1")
    assert row["IP"].startswith("10.210.") and re.fullmatch(r"\d+s", row["AGE"])
    assert list(k.table("get", "po", "one")[0]) == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert k.table("get", "pods", "-A", "-l", "app=test", "--field-selector", "status.phase=Running")[0]["NAMESPACE"] == "sandboxes"
    assert k.table("get", "pods", "--show-labels")[0]["LABELS"] == "app=test,name=one"
    assert k.run("get", "pod", "one", "-o", "jsonpath={.status.phase}") == "Running"
    assert json.loads(k.run("get", "pods", "-o", "json"))["items"][0]["kind"] == "Pod"
    assert k.run("get", "pods", "-o", "name", "--sort-by=.metadata.name") == "pod/one\n"
    assert k.run("delete", "pod", "one") == 'pod "one" deleted from sandboxes namespace\n'
    assert node.get("one").status == 404  # it waited
    assert "No resources found" in k.run("get", "pods") or k.run("get", "pods") == ""
    node.wait(lambda: node.traces() == before, 10, "something is left")


def test_what_create_checks(k, node):
    wrong = pod("wrong")
    wrong["spec"]["containers"][0]["imagge"] = "x"
    assert "imagge" in k.run("create", "-f", "-", body=wrong, status=1)
    assert "AlreadyExists" in [k.run("create", "-f", "-", body=pod("two")), k.run("create", "-f", "-", body=pod("two"), status=1)][1]
    assert k.run("create", "--dry-run=server", "-f", "-", body=pod("dry")) == "pod/dry created (server dry run)\n"
    assert node.get("dry").status == 404
    assert k.run("label", "pod", "two", "colour=red") == "pod/two labeled\n"
    assert k.run("annotate", "pod", "two", "a=b") == "pod/two annotated\n"
    assert k.table("get", "pods", "-l", "colour=red")[0]["NAME"] == "two"
    assert k.run("delete", "pods", "-l", "colour=red", "--grace-period=0", "--force").startswith('pod "two" force deleted')


def test_states_that_get_shows(k, node):
    for name, command in (("good", "exit 0"), ("bad", "exit 3"), ("hog", "x=$(cat /dev/zero | tr '\\0' x)")):
        k.run("create", "-f", "-", body=pod(name, command, memory="16Mi"))
    k.run("create", "-f", "-", body=pod("large", cpu="640"))
    node.wait_phase("good", "Succeeded")
    node.wait_phase("bad", "Failed")
    node.wait(lambda: "FailedScheduling" in k.run("get", "events"), 10, "the event")
    states = {r["NAME"]: (r["READY"], r["STATUS"]) for r in k.table("get", "pods") if r["NAME"] != "hog"}
    assert states == {"good": ("0/1", "Completed"), "bad": ("0/1", "Error"), "large": ("0/1", "Pending")}
    assert "Insufficient cpu" in k.run("describe", "pod", "large")
    k.run("create", "-f", "-", body=pod("late", activeDeadlineSeconds=1))
    node.wait_phase("late", "Failed")
    assert re.search(r"Reason: +DeadlineExceeded", k.run("describe", "pod", "late"))
    assert k.table("get", "events", "--field-selector", "reason=DeadlineExceeded")[0]["OBJECT"] == "pod/late"
    assert k.run("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/good") == "pod/good condition met\n"


def test_watch(k, node):
    process = k.popen("get", "pods", "--watch")
    lines = collect(process)
    try:
        time.sleep(0.5)
        k.run("create", "-f", "-", body=session("seen"))
        until(lambda: any("Running" in line for line in lines))
        k.run("delete", "pod", "seen")
        until(lambda: any("Terminating" in line for line in lines))
    finally:
        process.terminate()
        process.wait()
    assert lines[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    rows = [line.split() for line in lines[1:]]
    assert {row[0] for row in rows} == {"seen"} and rows[0][1:3] == ["0/1", "Pending"]
    assert [row for row in rows if row[1:3] == ["1/1", "Running"]]
    assert len(lines) == len([line for line in lines if "NAME" not in line]) + 1, "the headings come once"


def test_describe_and_events(k, node):
    k.run("create", "-f", "-", body=pod("told"))
    node.wait_phase("told", "Running")
    node.wait(lambda: "Started" in k.run("events", "--for", "pod/told"), 10, "events")
    text = k.run("describe", "pod", "told")
    said = re.findall(r"^  (?:Normal|Warning)\s+(\w+)\s", text, re.M)
    assert said == ["Scheduled", "Pulled", "Created", "Started"], text
    assert "Node:" in text and "QoS Class:" in text and "PodScheduled" in text
    machine = k.run("describe", "node", "node-1")
    assert re.search(r"sandboxes\s+told\s+100m", machine) and "Starting" in machine, machine
    k.run("delete", "pod", "told")
    rows = k.table("get", "events", "--sort-by=.metadata.name", "-o", "wide")
    assert [r["REASON"] for r in rows] == ["Scheduled", "Pulled", "Created", "Started", "Killing"]
    assert {r["OBJECT"] for r in rows} == {"pod/told"} and rows[1]["SUBOBJECT"] == "spec.containers{main}"
    assert {r["SOURCE"] for r in rows} == {"default-scheduler", "kubelet, node-1"}
    assert k.table("get", "events", "--field-selector", "reason=Killing")[0]["MESSAGE"] == "Stopping container main"
    assert node.call("GET", "/api/v1/pods?fieldSelector=reason%3DKilling").status == 400


def test_events_are_bounded_and_count(node):
    large = pod("large", cpu="640")
    for n in range(3):
        assert node.create(large).status == 201
        node.delete("large")
        node.wait_gone("large")
    path = "/api/v1/namespaces/sandboxes/pods/p"
    node.create(pod("p", cpu="640"))
    items = node.call("GET", "/api/v1/events?fieldSelector=involvedObject.kind%3DPod").json["items"]
    assert {i["reason"] for i in items} == {"FailedScheduling"} and all(i["type"] == "Warning" for i in items)
    assert node.call("GET", path).status == 200
    many = [f"m{n}" for n in range(300)]
    for name in many:
        assert node.create(pod(name, cpu="640")).status == 201
    for name in many:
        node.delete(name)
    node.wait(lambda: len(node.pods()) == 1, 20, "they go")
    for wave in range(3):
        for name in many:
            node.create(pod(name, cpu="640"))
        for name in many:
            node.delete(name)
        node.wait(lambda: len(node.pods()) == 1, 20, "they go")
    assert len(node.call("GET", "/api/v1/events").json["items"]) == 1000


def test_logs(k, node):
    k.run("create", "-f", "-", body=pod("talks", TICKER))
    node.wait_phase("talks", "Running")
    process = k.popen("logs", "-f", "talks")
    lines = collect(process)
    until(lambda: len(lines) >= 5)
    assert lines[:3] == ["line 1", "line 2", "line 3"]
    assert len(k.run("logs", "--tail=2", "talks").splitlines()) == 2
    assert k.run("logs", "--limit-bytes=9", "talks") == "line 1\nli"
    assert k.run("logs", "-f", "--limit-bytes=16", "talks") == "line 1\nline 2\nli"
    for refused in ("--timestamps", "--since=5s", "--previous"):
        assert "this node does not have" in k.run("logs", refused, "talks", status=1)
    assert "is waiting" not in k.run("logs", "--all-containers", "talks")
    k.run("delete", "pod", "talks")
    assert process.wait(10) == 0  # with the container its log ends
    k.run("create", "-f", "-", body=pod("brief", "echo a; echo b; echo c"))
    node.wait_phase("brief", "Succeeded")
    assert k.run("logs", "brief") == "a\nb\nc\n" and k.run("logs", "--tail=1", "-f", "brief") == "c\n"
    assert k.run("logs", "--tail=0", "brief") == ""


def test_followers_that_go_or_do_not_read(node):
    node.create(pod("floods", "exec cat /dev/zero"))
    node.wait_phase("floods", "Failed", "Running")
    connections = []
    for _ in range(20):
        connection = node.connection()
        connection.request("GET", "/api/v1/namespaces/sandboxes/pods/floods/log?follow=true")
        connections.append(connection)
    assert node.call("GET", "/readyz").status == 200
    for connection in connections:
        connection.close()
    node.delete("floods", gracePeriodSeconds=0)
    node.wait_gone("floods")


def test_top(k, node):
    k.run("create", "-f", "-", body=pod("busy", "while :; do :; done", cpu="200m"))
    node.wait_phase("busy", "Running")

    def measured():
        rows = [line.split() for line in node_top(k)]
        return rows and rows[0][0] == "busy" and int(rows[0][1].rstrip("m")) > 50
    node.wait(measured, 60, "busy is measured")
    machine = k.run("top", "nodes").splitlines()[1].split()
    assert machine[0] == "node-1" and int(machine[1].rstrip("m")) > 50


def node_top(k):
    try:
        return k.run("top", "pods", "--no-headers").splitlines()
    except AssertionError:
        return []  # "metrics not available yet"


def test_other_questions(k):
    assert "Server Version: v1." in k.run("version")
    assert "runtimeclasses" in k.run("api-resources") and k.run("get", "all") == ""
    assert [r["NAME"] for r in k.table("get", "namespaces")] == ["default", "sandboxes"]
    more = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "more"}}
    assert k.run("create", "-f", "-", body=more) == "namespace/more created\n"
    assert "UnsupportedMediaType" in k.run("create", "namespace", "protobuf", status=1)
    assert k.table("get", "nodes", "-o", "wide")[0]["STATUS"] == "Ready"
    assert "no authorization" in k.run("auth", "can-i", "create", "pods", status=1)
    assert "Pod" in k.run("explain", "pods")
    assert "the server doesn't have a resource type" in k.run("get", "services", status=1)


def test_what_is_not_accepted(node):
    connection = node.connection()
    connection.request("GET", "/api/v1/pods", headers={"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"})
    assert connection.getresponse().status == 406
    connection.close()
    assert node.call("GET", "/api/v1/pods?includeObject=Some").status == 400
    assert node.call("DELETE", "/api/v1/namespaces/sandboxes/pods/x?dryRun=Some").status == 400
