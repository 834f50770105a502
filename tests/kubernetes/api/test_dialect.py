"""What both servers say on the wire, without our client between: rows of the table in docs/kubernetes.md."""
import json

import pytest


def lines(server, path, until, seconds=10):
    """Events of a watch up to the first that satisfies `until`."""
    found = []
    with server.api.open("GET", path, timeout=seconds) as reply:
        assert reply.status == 200
        for line in reply:
            found.append(json.loads(line))
            if until(found[-1]):
                return found
    raise AssertionError(f"the watch ended early: {found}")


def is_end_of_list(event):
    notes = event["object"]["metadata"].get("annotations") or {}
    return event["type"] == "BOOKMARK" and notes.get("k8s.io/initial-events-end") == "true"


def test_streaming_list(server, make_pod, pods):
    for name in ("a", "b"):
        make_pod(name)
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=8"
    events = lines(server, f"{pods}?{query}", is_end_of_list)
    assert sorted(each["object"]["metadata"]["name"] for each in events[:-1]) == ["a", "b"]
    assert {each["type"] for each in events[:-1]} == {"ADDED"}


def test_pages(server, make_pod, pods):
    for number in range(5):
        make_pod(f"p-{number}")
    names, token, version = [], "", None
    while True:
        page = server.api.get(f"{pods}?limit=2{token}").expect(200).json()
        names += [each["metadata"]["name"] for each in page["items"]]
        version = version or page["metadata"]["resourceVersion"]
        assert page["metadata"]["resourceVersion"] == version
        if not page["metadata"].get("continue"):
            break
        token = f"&continue={page['metadata']['continue']}"
        make_pod(f"later-{len(names)}")
    assert names == [f"p-{number}" for number in range(5)]


def test_field_selector(server, make_pod, pods):
    for name in ("a", "b"):
        make_pod(name)
    found = server.api.get(f"{pods}?fieldSelector=metadata.name%3Da").expect(200).json()["items"]
    assert [each["metadata"]["name"] for each in found] == ["a"]


@pytest.mark.parametrize("path", ["?labelSelector=%21%21", "?limit=-1x", "?resourceVersion=yesterday", "?continue=nonsense"])
def test_bad_questions(server, pods, path):
    status = server.api.get(pods + path)
    assert status.status == 400 and status.json()["kind"] == "Status", status.body


def test_watch_ends_when_it_was_told_to(server, pods):
    with server.api.open("GET", f"{pods}?watch=1&timeoutSeconds=1", timeout=10) as reply:
        assert reply.read() == b""


def test_unknown_kinds(server, namespace):
    answer = server.api.get(f"/api/v1/namespaces/{namespace}/teapots")
    assert answer.status == 404


def test_delete_answers_with_the_object_or_a_status(server, make_pod, pods):
    uid = make_pod("a")["metadata"]["uid"]
    body = server.api.delete(f"{pods}/a", 0).expect(200).json()
    assert body["kind"] in ("Pod", "Status")
    if body["kind"] == "Pod":
        assert body["metadata"]["uid"] == uid
