import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from box import Box  # noqa: E402


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="namespaces need root"))


@pytest.fixture(scope="module")
def box():
    """One session that the tests of a module share; who spoils it makes a Box of their own."""
    with Box() as b:
        yield b


@pytest.fixture
def fresh():
    """A session of this test alone."""
    with Box() as b:
        yield b
