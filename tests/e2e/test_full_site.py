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


def test_a_burst_beyond_the_room_is_placed_to_the_last_slot_and_never_beyond(site, client):
    until(lambda: not site.node().pods(), 100, "an empty site")
    sessions = [Session(client) for _ in range(3 * site.slots)]
    with site.node().history() as history:
        replies = together(lambda session: session.try_create(cleanup="idle"), sessions, 12)
        placed = [session for session, reply in zip(sessions, replies) if reply.status == 201]
        for reply in replies:
            if reply.status != 201:
                problems.check(reply, 503, "capacity_full")
        together(lambda session: session.wait_ready(), placed, 4)
        assert len(placed) == site.slots, f"{len(placed)} of {site.slots} slots were used"
        assert len(history.uids) <= site.slots, "pods were made beyond the room"
    together(lambda session: session.end(), placed, 4)
