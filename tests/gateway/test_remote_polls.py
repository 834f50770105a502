"""Status polls of a session at another site: one long-poll keeps the copy fresh as long as somebody asks, or waits."""
import threading
import time
from pathlib import Path

import pytest
from scripted.site import Site

WANTED_S = 15  # behind the last question


@pytest.fixture
def site(world):
    made = Site(Path(world.folder))
    yield made
    made.close()


def gateway_with(world, wait, site):
    gateway = world.gateway(config=site.config)
    wait(lambda: gateway.get("/api/v1/sites").json["items"][1]["state"] == "open", "the other site to be heard")
    return gateway


def begin(gateway, name):
    answer = gateway.post(f"/{name}", {"placement": "remote"})
    assert (answer.status, answer.json["site"]) == (201, "cloud")
    assert gateway.get(f"/{name}/status").json["status"] == "ready"


def rests(site, name):
    """Nobody has asked that site for a while."""
    seen = len(site.polls(name))
    time.sleep(2)
    return len(site.polls(name)) == seen


def test_the_copy_is_fresh_for_who_waits_and_for_who_comes_back(world, wait, site):
    gateway = gateway_with(world, wait, site)
    begin(gateway, "awaited")
    begin(gateway, "left")
    answers = []
    client = threading.Thread(target=lambda: answers.append(gateway.get("/awaited/status?wait=30&until=executing")))
    client.start()
    polls = len(site.polls("awaited"))
    # The site's polls end after a second: that many take longer than a question is remembered.
    wait(lambda: len(site.polls("awaited")) > polls + WANTED_S + 3, "the site to be asked as long as somebody waits", 60)
    site.change("awaited", status="executing")
    client.join()
    assert answers[0].json["status"] == "executing"

    wait(lambda: rests(site, "left"), "the other copy to rest")
    polls = len(site.polls("left"))
    assert gateway.get("/left/status").json["status"] == "ready"
    asked = site.polls("left")[polls:]
    assert asked[0].query["wait"] == "0"
    assert len(asked) <= 2, "nothing has changed: the first word is the answer"
