"""Several other sites: by priority, then by weight, past those that refuse, are full or do not answer; and back to them by one probe."""
import json
import threading
import time
from collections import Counter

import pytest
from scripted.http import problem
from scripted.remote import full, no_gateway


def seen(gateway):
    return {site["name"]: site for site in gateway.get("/api/v1/sites").json["items"]}


def wait_heard(world, wait, gateway):
    """The room of all is known, and what has no record is not there."""
    wait(lambda: all(site["breaker"] == "closed" and site["slots"] for name, site in seen(gateway).items() if name != "local"), "their word")
    wait(lambda: world.redis.ask("EXISTS", "spillway:routes:local") == 1, "records to be complete")


def create(gateway, name, **body):
    return gateway.post(f"/{name}", {"placement": "remote", "cleanup": "idle", **body})


def sites_of(gateway, count, prefix=None):
    """Where that many sessions went. Without a prefix the gateway makes their ids: an id that a client chose might be at a silent site."""
    answers = [create(gateway, f"{prefix}-{number}" if prefix else "api/v1/sessions") for number in range(count)]
    assert {answer.status for answer in answers} == {201}, [answer.body for answer in answers if answer.status != 201]
    return Counter(answer.json["site"] for answer in answers)


def test_the_lowest_priority_first_and_weights_among_equals(world, wait):
    for name, priority, weight in (("far", 5, 100), ("much", 1, 9), ("little", 1, 1), ("spare", 1, 0)):
        world.remote(name, priority=priority, weight=weight)
    gateway = world.gateway()
    wait_heard(world, wait, gateway)
    went = sites_of(gateway, 80)
    assert set(went) == {"much", "little"} and went["much"] > went["little"], went
    assert not world.remotes[0].created() and not world.remotes[3].created()


def test_one_without_weight_is_taken_when_nobody_else_is_left(world, wait):
    much, spare, far = world.remote("much", slots=1, priority=1), world.remote("spare", slots=1, priority=1, weight=0), world.remote("far", priority=2)
    gateway = world.gateway()
    wait_heard(world, wait, gateway)
    assert [create(gateway, name).json["site"] for name in ("a", "b", "c", "d")] == ["much", "spare", "far", "far"]
    assert (much.created(), spare.created(), far.created()) == (["a"], ["b"], ["c", "d"]), "nobody was asked in vain"


def test_who_refuses_is_followed_by_the_next_under_the_same_id(world, wait):
    """Full by now, unwilling, or gone: the id is one, each try has an epoch of its own, and the record is of who took it."""
    first, second, third, last = (world.remote(name, priority=place) for place, name in enumerate(("first", "second", "third", "last")))
    gateway = world.gateway()
    wait_heard(world, wait, gateway)
    first.rules.append(lambda request: full() if request.method == "POST" else None)
    second.rules.append(lambda request: problem(400, "unknown_environment") if request.method == "POST" else None)
    third.refuse()
    answer = create(gateway, "s")
    assert (answer.status, answer.json["site"]) == (201, "last"), answer.body
    asked = [remote.calls("POST", "sessions/s") for remote in (first, second, last)]
    assert [len(calls) for calls in asked] == [1, 1, 1]
    epochs = [calls[0].json()["epoch"] for calls in asked]
    assert len(set(epochs)) == 3
    wait(lambda: world.redis.ask("HMGET", "spillway:{s}:r", "st", "site", "ep") == [b"active", b"last", epochs[2].encode()], "its record")


def test_who_may_have_taken_it_is_not_passed_over(world, wait):
    """Its answer to the create is lost, and it does not tell: placed elsewhere the id could live twice. Who asks again gets it where it is."""
    first, second = world.remote("first", priority=1), world.remote("second", priority=2)
    gateway = world.gateway()
    wait_heard(world, wait, gateway)

    def took_it_and_fell_silent(request):
        if request.method == "POST":
            first.create(request, "s")
        return None if request.path.endswith("capacity") else no_gateway()
    first.rules.append(took_it_and_fell_silent)
    answer = create(gateway, "s")
    assert (answer.status, answer.code) == (503, "site_unreachable") and int(answer.fields["Retry-After"]) > 0
    first.rules.clear()
    wait(lambda: create(gateway, "s").status in (200, 201), "it is taken")
    assert gateway.get("/s/status").json["site"] == "first"
    assert second.created() == [] and len({request.json()["epoch"] for request in first.calls("POST", "sessions/s")}) <= 2


def test_no_more_of_ours_there_than_we_want(world, wait):
    few, more = world.remote("few", priority=1, max_sessions=2), world.remote("more", priority=2)
    gateway = world.gateway()
    wait_heard(world, wait, gateway)
    assert sites_of(gateway, 5) == {"few": 2, "more": 3}
    wait(lambda: seen(gateway)["few"]["sessions"] == 2, "its word on our sessions")
    answer = create(gateway, "insists", placement="few")
    assert (answer.status, answer.code) == (503, "capacity_full") and int(answer.fields["Retry-After"]) > 0
    few.sessions.clear()
    wait(lambda: seen(gateway)["few"]["sessions"] == 0, "its word on our sessions")
    assert create(gateway, "insists", placement="few").status == 201
    assert len(few.created()) == 3 and len(more.created()) == 3


def test_a_breaker_opens_alone_and_one_probe_at_a_time_asks(world, wait):
    """While the first site fails, its question for room is the only call that reaches it, one at a time; others take the sessions."""
    first, second = world.remote("first", priority=1), world.remote("second", priority=2)
    gateway = world.gateway()
    wait_heard(world, wait, gateway)
    assert sites_of(gateway, 2, "before") == {"first": 2}
    at_once, most, lock = [], [0], threading.Lock()

    def ill(request):
        with lock:
            at_once.append(request)
            most[0] = max(most[0], len(at_once))
        time.sleep(0.05)
        with lock:
            at_once.remove(request)
        return no_gateway()
    first.rules.append(ill)
    wait(lambda: gateway.get("/before-0/status").status == 503 and seen(gateway)["first"]["breaker"] == "open", "its breaker to open")
    opened, most[0] = len(first.server.seen), 0
    assert sites_of(gateway, 10) == {"second": 10}
    for number in range(2):
        answer = gateway.get(f"/before-{number}/status")
        assert (answer.status, answer.code) == (503, "site_unreachable") and int(answer.fields["Retry-After"]) > 0
    probes = len(first.server.seen) + 2
    wait(lambda: len(first.server.seen) >= probes, "two probes")
    assert {request.path for request in first.server.seen[opened:]} == {"/internal/v1/capacity"} and most[0] == 1
    assert seen(gateway)["second"]["breaker"] == "closed"
    first.rules.clear()
    wait_heard(world, wait, gateway)
    assert gateway.get("/before-0/status").json["site"] == "first"
    assert sites_of(gateway, 3) == {"first": 3}


@pytest.mark.parametrize("silent", ("first", "second"))
def test_an_unknown_id_is_not_said_to_be_nowhere_while_one_site_is_silent(world, wait, silent):
    remotes = {name: world.remote(name) for name in ("first", "second")}
    gateway = world.gateway()
    wait_heard(world, wait, gateway)
    assert gateway.get("/nowhere/status").status == 404
    world.redis.ask("DEL", "spillway:routes:local")  # records are not complete: the sites have to be asked
    remotes[silent].refuse()
    answer = gateway.get("/unknown/status")
    assert (answer.status, answer.code) == (503, "site_unreachable") and int(answer.fields["Retry-After"]) > 0
    remotes[silent].listen()
    wait(lambda: gateway.get("/unknown/status").status == 404, "all sites to have been asked")


def test_a_list_says_whose_sessions_are_missing(world, wait):
    first = world.remote("first")
    world.remote("second")
    gateway = world.gateway()
    wait_heard(world, wait, gateway)
    for site in ("first", "second"):
        assert create(gateway, f"at-{site}", placement=site).status == 201
    listed = gateway.get("/api/v1/sessions").json
    assert {item["session_id"]: item["site"] for item in listed["items"]} == {"at-first": "first", "at-second": "second"}
    assert "incomplete" not in listed
    first.refuse()
    listed = gateway.get("/api/v1/sessions").json
    assert listed["incomplete"] == ["first"] and "at-second" in [item["session_id"] for item in listed["items"]]
    assert "incomplete" not in gateway.get("/api/v1/sessions?site=second").json


def test_a_delete_that_a_silent_site_did_not_hear_outlives_its_gateway(world, wait):
    """Neither the gateway that took it nor its memory is needed: the next one finds the errand in Redis."""
    remote, other = world.remote("first", priority=1), world.remote("second", priority=2)
    gateway = world.gateway()
    wait_heard(world, wait, gateway)
    assert create(gateway, "s").json["site"] == "first"
    remote.refuse()
    answer = gateway.delete("/s")
    assert (answer.status, answer.json["status"]) == (202, "stopping")
    assert world.redis.ask("ZCARD", "spillway:deletes:first") == 1
    gateway.process.kill()
    gateway.process.wait()
    world.gateways.remove(gateway)
    heir = world.gateway()
    assert "s" in remote.sessions
    remote.listen()
    wait(lambda: "s" not in remote.sessions, "the delete to arrive")
    wait(lambda: world.redis.ask("ZCARD", "spillway:deletes:first") == 0, "the errand to be done")
    wait(lambda: heir.get("/s/status").status in (200, 404) and heir.get("/s/status").json.get("status") != "ready", "its end to be known")
    assert not other.calls("DELETE", "sessions/")
    assert json.dumps(heir.get("/debug/routes", admin=True).json).count('"s"') == 0
