import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from rooms import Room  # noqa: E402


@pytest.fixture(scope="module")
def rooms():
    """The agent of an environment, made when it is first asked for; one at a time."""
    there = {}

    def room(environment):
        if environment not in there:
            for room, _ in there.values():
                room.__exit__(None, None, None)
            there.clear()
            made = Room(environment)
            there[environment] = made, made.__enter__()
        return there[environment][1]

    yield room
    for room, _ in there.values():
        room.__exit__(None, None, None)
