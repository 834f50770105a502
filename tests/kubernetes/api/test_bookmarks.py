"""Bookmarks move a quiet watch's version on, so that a reconnection need not list again. The server sends one a minute."""
import pytest
from driver import wait_for


@pytest.fixture(scope="session")
def quiet(server):
    """A watch that sees no event of its own, begun before everything else of the suite that can be."""
    namespace = server.new_namespace()
    driver = server.driver(namespace)
    driver.watch(f"/api/v1/namespaces/{namespace}/pods", selector="nobody=here")
    wait_for(lambda: driver.state()["watch"]["synced"], "the first list is complete")
    yield driver
    driver.close()


def test_bookmarks(server, quiet, make_pod):
    first = int(quiet.state()["watch"]["version"])
    newest = 0
    for number in range(4):
        newest = int(make_pod(f"p-{number}")["metadata"]["resourceVersion"])
    assert newest > first
    wait_for(lambda: int(quiet.state()["watch"]["version"]) > first, "a bookmark moves the version on", 150, 0.5)
    assert quiet.told() == []
    assert quiet.lists() == 1
