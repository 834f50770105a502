import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from box import Box  # noqa: E402


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="namespaces need root"))


@pytest.fixture(scope="session", autouse=True)
def nothing_outlives_the_suite():
    yield
    assert Box.left_behind() == [], "agents that nobody stopped"


# Every test runs twice: with interpreters that are kept ready, and without any.
@pytest.fixture(scope="module", params=["warm", "cold"])
def box(request):
    """One session that the tests of a module share; who spoils it makes a Box of their own."""
    with Box(warm=request.param == "warm") as b:
        b.wait_until_warm()
        yield b


@pytest.fixture(params=["warm", "cold"])
def fresh(request):
    """A session of this test alone."""
    with Box(warm=request.param == "warm") as b:
        b.wait_until_warm()
        yield b
