"""Several gateways create one session at another site at the same time."""
import threading

from scripted.http import problem


def gateways(world, wait, count):
    made = [world.gateway() for _ in range(count)]
    for gateway in made:
        wait(lambda: gateway.get("/api/v1/sites").json["items"][1]["slots"], "the other site to be heard")
    return made


def begin(gateway, **body):
    """A create on its way: its thread, and where its answer will be."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(gateway.post("/s", {"placement": "remote", **body})))
    thread.start()
    return thread, answers


def test_one_has_made_it_and_another_request_is_a_conflict(world, wait):
    cloud = world.remote("cloud")
    first, second, third = gateways(world, wait, 3)
    go_on = threading.Event()
    cloud.rules.append(lambda request: go_on.wait(60) and None if request.method == "POST" else None)
    calls = [begin(first, timeout_seconds=60)]
    wait(lambda: len(cloud.created()) == 1, "the first create to be there")
    calls.append(begin(second, timeout_seconds=60))
    wait(lambda: len(cloud.created()) == 2, "the second one, of the same incarnation")
    assert len({request.fields["spillway-epoch"] for request in cloud.calls("POST", "sessions/")}) == 1
    answer = third.post("/s", {"placement": "remote", "timeout_seconds": 61})
    go_on.set()
    assert (answer.status, answer.code) == (409, "session_conflict")
    for thread, _ in calls:
        thread.join()
    assert sorted(answers[0].status for _, answers in calls) == [200, 201]
    assert third.post("/s", {"placement": "remote", "timeout_seconds": 60}).status == 200
    assert len(cloud.created()) == 2


def test_an_incarnation_of_another_request_is_not_joined(world, wait):
    """Where its record is all that is known of it, and who looks is told that there is none."""
    cloud = world.remote("cloud")
    first, second = gateways(world, wait, 2)
    assert first.post("/s", {"placement": "remote", "timeout_seconds": 60}).status == 201
    cloud.rules.append(lambda request: problem(404, "session_not_found") if request.method == "GET" and "/sessions/" in request.path else None)
    answer = second.post("/s", {"placement": "remote", "timeout_seconds": 61})
    assert (answer.status, answer.code) == (409, "session_conflict")
    answer = second.post("/s", {"placement": "remote", "timeout_seconds": 60})
    assert (answer.status, answer.json["site"]) == (200, "cloud")
