"""A full site says so at once, and has room again when a session ends."""
from harness import problems
from harness.background import together
from harness.session import Session
from harness.wait import until


def fill(site):
    sessions = [Session(site.client) for _ in range(site.slots)]
    together(lambda session: session.start(cleanup="idle", idle_timeout_seconds=300), sessions, 4)
    return sessions


def test_one_session_too_many_is_refused_at_once_and_room_returns(site, client):
    until(lambda: not site.node().pods(), 100, "an empty site")
    sessions = fill(site)
    assert len(site.node().pods()) == site.slots
    late = Session(client)
    for refused in (late.try_create(cleanup="idle"), late.try_exec(code="print(1)"),
                    client.post("/api/v1/sessions", {"session_id": late.id})):
        problems.check(refused, 503, "capacity_full")
        problems.check_retry_after(refused)
    problems.check(client.get(f"/{late.id}/status"), 404, "session_not_found")
    assert len(site.node().pods()) == site.slots, "a refused session left a pod"
    assert sessions[0].run("print('still here')")["stdout"] == "still here\n"
    sessions[0].end()
    created = until(lambda: (lambda reply: reply if reply.status == 201 else None)(late.try_create(cleanup="idle")), 60,
                    "room after a delete", every=0.1)
    assert created.json()["placement"]["kind"] == "local"
    late.wait_ready()
    together(lambda session: session.end(), sessions[1:] + [late], 4)
    until(lambda: not site.node().pods(), 60, "all pods gone")


def test_a_burst_beyond_the_room_never_runs_beyond_it(site, client, record_property):
    """F13: three gateways at once, three times as many creates as slots. What was taken beyond the room (each gateway has
    reservations of its own) ends as `unschedulable` before it ran, and leaves no pod."""
    until(lambda: not site.node().pods(), 100, "an empty site")
    sessions = [Session(client) for _ in range(3 * site.slots)]
    replies = together(lambda session: session.try_create(cleanup="idle"), sessions, 12)
    for reply in replies:
        if reply.status != 201:
            problems.check(reply, 503, "capacity_full")
    taken = [session for session, reply in zip(sessions, replies) if reply.status == 201]

    def settled():
        found = {session: session.status() for session in taken}
        return found if {status["status"] for status in found.values()} <= {"ready", "error", "stopped"} else None

    found = until(settled, 120, "every session is ready or refused", every=0.2)
    ready = [session for session, status in found.items() if status["status"] == "ready"]
    assert len(ready) == site.slots, f"{len(ready)} of {site.slots} slots are used"
    assert {status["reason"] for status in found.values() if status["status"] != "ready"} <= {"unschedulable"}
    record_property("F13 taken beyond the room", len(taken) - len(ready))
    until(lambda: len(site.node().pods()) == site.slots, 60, "no pod is left of those beyond")
    together(lambda session: session.end(), ready, 4)
    until(lambda: client.post(f"/{sessions[0].id}-again", {}).status == 201, 60, "room again", every=0.2)
