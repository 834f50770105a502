"""A list that comes as the first events of a watch: one request for both, and by pages where the server cannot do that."""
import pytest
from driver import wait_for


def synced(driver):
    wait_for(lambda: driver.state()["watch"]["synced"], "the first list is complete")
    return driver


def streamed(requests):
    return [verb for verb, uri in requests if "sendInitialEvents=true" in uri]


def test_list_and_watch_are_one_request(server, namespace, line, line_driver, make_pod, pods):
    for name in ("a", "b"):
        make_pod(name, colour="blue")
    make_pod("c", colour="red")
    synced(line_driver.watch(pods, selector="colour=blue"))
    assert sorted(line_driver.told()) == [("ADDED", "a"), ("ADDED", "b")]
    make_pod("d", colour="blue")
    server.api.delete(f"{pods}/a", 0).expect(200)
    wait_for(lambda: ("DELETED", "a") in line_driver.told(), "the same request tells what comes after")
    assert [each for each in line_driver.told()[2:] if each[0] != "MODIFIED"] == [("ADDED", "d"), ("DELETED", "a")]
    asked = server.requests(namespace, line)
    assert [verb for verb, _ in asked] == ["watch"] and streamed(asked) == ["watch"], asked
    assert line_driver.lists() == 1


def test_nothing_there(server, namespace, line, line_driver, make_pod, pods):
    synced(line_driver.watch(pods))
    make_pod("first")
    wait_for(lambda: line_driver.told("ADDED") == [("ADDED", "first")], "what comes is told")
    assert len(server.requests(namespace, line)) == 1


@pytest.mark.also("pages")
def test_line_breaks_within_the_list(server, namespace, line, line_driver, make_pods, pods):
    """Half a list is none: what it had is not told again, what is gone by the time of the whole one is told as gone."""
    make_pods(200)
    # Behind it comes what ends the list; with TLS, HTTP/2 and a head before it, and far below 200 pods.
    line.break_after = 100_000
    line_driver.watch(pods)
    wait_for(lambda: line.break_after is None, "the line broke")
    assert not line_driver.state()["watch"]["synced"]
    for number in range(100):
        server.api.delete(f"{pods}/p-{number}", 0).expect(200)
    line.mend()
    synced(line_driver)
    told = line_driver.told()
    assert len(told) == len(set(told)), "nothing is told twice"
    there = {name for kind, name in told if kind == "ADDED"} - {name for kind, name in told if kind == "DELETED"}
    assert there == {f"p-{number}" for number in range(100, 200)}
    assert line_driver.lists() == 1


@pytest.mark.only("pages")
def test_refusal_is_remembered(server, namespace, line, line_driver, make_pod, pods):
    make_pod("a")
    synced(line_driver.watch(pods))
    line.cut()
    make_pod("b")
    server.restart()  # 410: the next list
    line.mend()
    wait_for(lambda: ("ADDED", "b") in line_driver.told(), "the second list is complete")
    assert line_driver.lists() == 2
    verbs = [verb for verb, _ in server.requests(namespace, line)]
    assert streamed(server.requests(namespace, line)) == ["watch"]
    assert verbs[:3] == ["watch", "list", "watch"] and verbs.count("list") >= 2, verbs
