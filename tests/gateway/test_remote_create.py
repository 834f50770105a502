"""Several gateways create one session at another site at the same time."""
import threading
from pathlib import Path

import pytest
from scripted.site import Site


@pytest.fixture
def site(world):
    made = Site(Path(world.folder))
    yield made
    made.creates.set()
    made.close()


def gateways(world, wait, site, count):
    made = [world.gateway(config=site.config) for _ in range(count)]
    for gateway in made:
        wait(lambda: gateway.get("/api/v1/sites").json["items"][1]["state"] == "open", "the other site to be heard")
    return made


def begin(gateway, **body):
    """A create on its way: its thread, and where its answer will be."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(gateway.post("/s", {"placement": "remote", **body})))
    thread.start()
    return thread, answers


def test_one_has_made_it_and_another_request_is_a_conflict(world, wait, site):
    first, second, third = gateways(world, wait, site, 3)
    site.creates.clear()
    asked = lambda: [r for r in site.server.seen if r.method == "POST"]  # noqa: E731
    calls = [begin(first, timeout_seconds=60)]
    wait(lambda: len(asked()) == 1, "the first create to be there")
    calls.append(begin(second, timeout_seconds=60))
    wait(lambda: len(asked()) == 2, "the second one, of the same incarnation")
    assert len({r.fields["spillway-epoch"] for r in asked()}) == 1
    answer = third.post("/s", {"placement": "remote", "timeout_seconds": 61})
    assert (answer.status, answer.code) == (409, "session_conflict")
    site.creates.set()
    for thread, _ in calls:
        thread.join()
    assert sorted(answers[0].status for _, answers in calls) == [200, 201]
    assert len(asked()) == 2


def test_an_incarnation_of_another_request_is_not_joined(world, wait, site):
    """Where its record is all that is known: a gateway that does not hear it, and asks by its own create."""
    first, second = gateways(world, wait, site, 2)
    assert first.post("/s", {"placement": "remote", "timeout_seconds": 60}).status == 201
    site.hidden = True
    answer = second.post("/s", {"placement": "remote", "timeout_seconds": 61})
    assert (answer.status, answer.code) == (409, "session_conflict")
    answer = second.post("/s", {"placement": "remote", "timeout_seconds": 60})
    assert (answer.status, answer.json["site"]) == (200, "cloud")
