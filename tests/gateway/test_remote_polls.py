"""Status polls of a session at another site: one long-poll keeps the copy fresh as long as somebody asks, or waits."""
import threading
import time

import pytest
from scripted.http import problem

WANTED_S = 15  # behind the last question


def begin(gateway, name):
    answer = gateway.post(f"/{name}", {"placement": "remote"})
    assert (answer.status, answer.json["site"]) == (201, "cloud")
    assert gateway.get(f"/{name}/status").json["status"] == "ready"


def begun(world, wait):
    cloud = world.remote("cloud")
    cloud.poll_s = 1  # so that nobody waits for long here
    gateway = world.gateway()
    wait(lambda: gateway.get("/api/v1/sites").json["items"][1]["slots"], "the other site to be heard")
    return cloud, gateway


def rests(cloud, name):
    """Nobody has asked that site for a while."""
    seen = len(cloud.polls(name))
    time.sleep(2)
    return len(cloud.polls(name)) == seen


def test_the_copy_is_fresh_for_who_waits_and_for_who_comes_back(world, wait):
    cloud, gateway = begun(world, wait)
    begin(gateway, "awaited")
    begin(gateway, "left")
    answers = []
    client = threading.Thread(target=lambda: answers.append(gateway.get("/awaited/status?wait=30&until=executing")))
    client.start()
    polls = len(cloud.polls("awaited"))
    # That many, of a second each, take longer than a question is remembered.
    wait(lambda: len(cloud.polls("awaited")) > polls + WANTED_S + 3, "the site to be asked as long as somebody waits", 60)
    cloud.change("awaited", status="executing")
    client.join()
    assert answers[0].json["status"] == "executing"

    wait(lambda: rests(cloud, "left"), "the other copy to rest")
    polls = len(cloud.polls("left"))
    assert gateway.get("/left/status").json["status"] == "ready"
    asked = cloud.polls("left")[polls:]
    assert asked[0].query["wait"] == "0"
    assert len(asked) <= 2, "nothing has changed: the first word is the answer"


@pytest.mark.parametrize("until", ["&until=executing", ""])
def test_who_waits_while_the_site_falls_silent_is_not_told_what_was(world, wait, until):
    cloud, gateway = begun(world, wait)
    begin(gateway, "s")
    answers = []
    client = threading.Thread(target=lambda: answers.append(gateway.get(f"/s/status?wait=6{until}")))
    polls = len(cloud.polls("s"))
    client.start()
    wait(lambda: len(cloud.polls("s")) > polls, "the copy to be kept fresh while the client waits")
    cloud.rules.append(lambda request: problem(502, "upstream_failed") if request.path.endswith("/s") else None)
    client.join()
    assert (answers[0].status, answers[0].code) == (503, "site_unreachable")
    cloud.rules.clear()
    wait(lambda: gateway.get("/s/status").status == 200, "the site to be heard again")
