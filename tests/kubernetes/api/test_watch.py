"""kube_watch: nothing is lost, nothing is told twice, whatever happens to the line or the server."""
import time

import pytest
from driver import wait_for


pytestmark = pytest.mark.also("pages")  # with lists that are streamed, and by pages


def synced(driver):
    wait_for(lambda: driver.state()["watch"]["synced"], "the first list is complete")
    return driver


def names(driver, kind):
    return [name for _, name in driver.told(kind)]


def connected(driver):
    wait_for(lambda: driver.state()["watch"]["connected"], "the watch is in order again")


def test_changes_by_another_hand(driver, make_pod, server, pods):
    before = make_pod("before")
    synced(driver.watch(pods))
    assert driver.told() == [("ADDED", "before")]
    make_pod("after")
    wait_for(lambda: ("ADDED", "after") in driver.told(), "what is made is told")
    server.api.patch(f"{pods}/before", {"metadata": {"labels": {"x": "y"}}}).expect(200)
    wait_for(lambda: ("MODIFIED", "before") in driver.told(), "what is changed is told")
    server.api.delete(f"{pods}/before", 0, preconditions={"uid": before["metadata"]["uid"]}).expect(200)
    wait_for(lambda: ("DELETED", "before") in driver.told(), "what is deleted is told")
    last = [each for each in driver.events() if each["type"] == "DELETED"][-1]["object"]
    assert last["metadata"]["uid"] == before["metadata"]["uid"]
    assert driver.lists() == 1


def test_selector(driver, make_pod, server, pods):
    make_pod("in", colour="blue")
    make_pod("out", colour="red")
    synced(driver.watch(pods, selector="colour in (blue,green)"))
    assert driver.told() == [("ADDED", "in")]
    server.api.patch(f"{pods}/out", {"metadata": {"labels": {"colour": "green"}}}).expect(200)
    wait_for(lambda: ("ADDED", "out") in driver.told(), "what comes into the selection is new")
    server.api.patch(f"{pods}/in", {"metadata": {"labels": {"colour": "red"}}}).expect(200)
    wait_for(lambda: ("DELETED", "in") in driver.told(), "what leaves the selection is gone")


def test_more_than_a_page(driver, make_pods, pods):
    make_pods(520)  # the client asks for 500 at a time
    synced(driver.watch(pods))
    assert sorted(names(driver, "ADDED")) == sorted(f"p-{number}" for number in range(520))
    assert driver.lists() == 1


def test_line_is_cut_and_nothing_is_lost(line_driver, line, make_pod, server, pods):
    """Changes of the time in between come by the watch: no second list."""
    first = make_pod("first")
    synced(line_driver.watch(pods))
    line.cut()
    make_pod("second")
    server.api.delete(f"{pods}/first", 0).expect(200)
    make_pod("third")
    line.mend()
    wait_for(lambda: ("ADDED", "third") in line_driver.told(), "what happened in between is told")
    connected(line_driver)
    told = line_driver.told()
    assert [told.count(each) for each in (("ADDED", "second"), ("DELETED", "first"), ("ADDED", "third"))] == [1, 1, 1]
    assert line_driver.lists() == 1
    assert first["metadata"]["uid"]


def test_server_restarts(driver, make_pod, server, pods):
    make_pod("first")
    synced(driver.watch(pods))
    server.restart()
    make_pod("second")
    wait_for(lambda: ("ADDED", "second") in driver.told(), "the watch goes on")
    connected(driver)
    assert names(driver, "ADDED").count("first") == 1
    assert names(driver, "DELETED") == []


def test_expired_version_makes_a_new_list(line_driver, line, make_pod, server, pods):
    """The server forgot the time in between (410): what went meanwhile is told as deleted, what came as added."""
    gone = make_pod("gone")
    make_pod("stays")
    synced(line_driver.watch(pods))
    version = int(line_driver.state()["watch"]["version"])
    line.cut()
    server.api.delete(f"{pods}/gone", 0).expect(200)
    make_pod("new")
    server.restart()  # the memory of changes goes with the process
    assert expired(server, pods, version)
    line.mend()
    wait_for(lambda: ("DELETED", "gone") in line_driver.told(), "the loss is told")
    wait_for(lambda: ("ADDED", "new") in line_driver.told(), "the new one is told")
    connected(line_driver)
    deleted = [each["object"]["metadata"] for each in line_driver.events() if each["type"] == "DELETED"]
    assert [(each["name"], each["uid"]) for each in deleted] == [("gone", gone["metadata"]["uid"])]
    assert names(line_driver, "ADDED").count("stays") == 1
    assert line_driver.lists() == 2


def expired(server, pods, version):
    """Does a plain watch from there end with 410? (So the test above shows what it says.)"""
    with server.api.open("GET", f"{pods}?watch=1&resourceVersion={version}", timeout=10) as reply:
        first = reply.readline()
    return b'"code":410' in first or reply.status == 410


def test_name_comes_again_with_another_uid(line_driver, line, make_pod, server, pods):
    """Deleted and made anew while nobody looked: the old one is gone, then there is a new one."""
    old = make_pod("p")["metadata"]["uid"]
    synced(line_driver.watch(pods))
    line.cut()
    server.api.delete(f"{pods}/p", 0).expect(200)
    new = make_pod("p")["metadata"]["uid"]
    server.restart()
    line.mend()
    wait_for(lambda: names(line_driver, "ADDED") == ["p", "p"], "both incarnations are told")
    seen = [(each["type"], each["object"]["metadata"]["uid"]) for each in line_driver.events() if each["type"] in ("ADDED", "DELETED")]
    assert seen == [("ADDED", old), ("DELETED", old), ("ADDED", new)]


def test_silent_line_is_noticed(line_driver, line, make_pod, server, pods):
    """No byte, no end: after its own idle limit the watch connects anew."""
    synced(line_driver.watch(pods, idle_ms=1500))
    line.silent = True
    make_pod("p")
    time.sleep(0.3)
    assert line_driver.told() == []
    line.cut()
    line.mend()
    wait_for(lambda: ("ADDED", "p") in line_driver.told(), "the watch is back")


def test_server_that_is_silent(driver, make_pod, server, pods):
    synced(driver.watch(pods, idle_ms=1000))
    server.pause()
    try:
        wait_for(lambda: not driver.state()["watch"]["connected"], "the silence is noticed", 15)
    finally:
        server.resume()
    make_pod("p")
    wait_for(lambda: ("ADDED", "p") in driver.told(), "the watch is back", 30)


def test_refused_path_is_told(driver, namespace):
    driver.watch(f"/api/v1/namespaces/{namespace}/teapots")
    state = wait_for(lambda: driver.state()["watch"] if driver.state()["watch"]["error"] else None, "the error is told")
    assert not state["synced"] and not state["connected"]
    assert "40" in state["error"]  # 404, or 403 for one who may not even ask


def test_store(driver, make_pod, server, pods):
    made = make_pod("p", **{"spillway.dev/session": "p"})
    driver.store()
    state = wait_for(lambda: driver.state()["store"] if driver.state()["store"]["synced"] else None, "both lists are complete")
    assert [(each["name"], each["uid"], each["session"]) for each in state["pods"]] == [("p", made["metadata"]["uid"], "p")]
    assert state["connected"] and state["error"] == ""
    assert len(state["nodes"]) == (1 if server.name == "node" else 0)
    server.api.delete(f"{pods}/p", 0).expect(200)
    wait_for(lambda: driver.state()["store"]["pods"] == [], "the pod leaves the store")
    changes = [(bool(each["before"]), bool(each["after"])) for each in driver.events() if each["type"] == "POD"]
    assert changes[0] == (False, True) and changes[-1] == (True, False)
