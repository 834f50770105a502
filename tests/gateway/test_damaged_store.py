"""What is damaged in Redis is never taken for absent: nothing runs twice because of it, it is said, and it blocks nobody."""
import pytest

TOMBSTONE = "spillway:{hurt}:t"
RECORD = "spillway:{hurt}:x:one"
DAMAGES = [b"", b"{", b"[]", b'{"executions":[],"session":{}}', b'\xff\xfe', b'{"tenant":"anonymous","agreed":true,"executions":[7],"session":{}}']


def ended(world, wait, **keys):
    """A session in which `one` ran, ended through the first gateway; the second has never heard of it."""
    first = world.gateway()
    world.ready(first, "hurt", cleanup="completion")
    assert first.post("/hurt/exec/python", {"code": "x", "execution_id": "one"}).status == 202
    first.delete("/hurt")
    wait(lambda: first.get("/hurt/status").json["status"] == "stopped" and not world.cluster.pods, "the end")
    wait(lambda: world.redis.ask("EXISTS", RECORD) and world.redis.ask("EXISTS", TOMBSTONE), "the store to have all")
    return world.gateway(**keys)


def damaged(world, wait, damage):
    """A gateway that finds the tombstone of `hurt` damaged; another session's things are whole."""
    second = ended(world, wait)
    world.redis.ask("SET", "spillway:{hurt-not}:x:one", "another's", "PX", "60000")
    world.redis.ask("SET", TOMBSTONE, damage, "KEEPTTL")
    return second


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_tombstone_is_an_error_for_those_who_read_it(world, wait, damage):
    second = damaged(world, wait, damage)
    world.redis.ask("DEL", RECORD)
    calls = [second.get("/hurt/result?execution_id=one"), second.get("/hurt/status"), second.get("/hurt/executions")]
    assert {(a.status, a.code) for a in calls} == {(500, "store_damaged")}
    assert second.metric('spillway_store_damaged_total{what="tombstone"}') == len(calls)
    wait(lambda: second.logged("store_damaged"), "the log to say so")


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_may_have_run_there_does_not_run_again_unasked(world, wait, damage):
    second = damaged(world, wait, damage)
    again = second.post("/hurt/exec/python", {"code": "x", "execution_id": "one"})
    assert (again.status, again.code) == (409, "session_ended") and not world.cluster.pods
    third = world.gateway()
    again = third.post("/hurt/exec/python", {"code": "x", "execution_id": "one"})
    assert (again.status, again.code) == (409, "session_ended") and not world.cluster.pods
    assert third.metric('spillway_store_damaged_total{what="tombstone"}') == 0, "it is whole again"
    status = third.get("/hurt/status").json
    assert (status["status"], status["reason"]) == ("error", "record_damaged")
    assert third.post("/hurt/exec/python?recreate=true", {"code": "x", "execution_id": "one"}).status == 202


@pytest.mark.parametrize("begin", [lambda gateway: gateway.post("/hurt"), lambda gateway: gateway.post("/api/v1/sessions", {"session_id": "hurt"}),
                                   lambda gateway: gateway.post("/hurt/exec/python", {"code": "x"})])
def test_a_damaged_tombstone_blocks_no_beginning(world, wait, begin):
    second = damaged(world, wait, b"{")
    answer = begin(second)
    assert answer.status in (201, 202), answer.body
    wait(lambda: second.get("/hurt/status").json["status"] in ("ready", "executing"), "the session to be ready")
    assert second.metric('spillway_store_damaged_total{what="tombstone"}') == 1
    # Whose the old results were nobody knows: they are nobody's.
    assert not world.redis.ask("EXISTS", RECORD)
    assert second.get("/hurt/result?execution_id=one").status == 404
    assert world.redis.ask("EXISTS", "spillway:{hurt-not}:x:one"), "another session's stay"


def test_a_store_that_cannot_be_mended_is_an_error(world, wait):
    second = damaged(world, wait, b"{")
    world.redis.ask("CONFIG", "SET", "min-replicas-to-write", "1")  # it reads, and does not write
    assert second.post("/hurt").status == 503
    assert not world.cluster.pods


def test_a_damaged_record_is_an_error_and_runs_nothing(world, wait):
    second = ended(world, wait)
    world.redis.ask("SET", RECORD, b"{}\nwrong", "KEEPTTL")
    calls = [second.post("/hurt/exec/python", {"code": "x", "execution_id": "one"}), second.get("/hurt/result?execution_id=one"),
             second.get("/hurt/events?execution_id=one")]
    assert {(a.status, a.code) for a in calls} == {(500, "store_damaged")}
    assert not world.cluster.pods
    assert second.metric('spillway_store_damaged_total{what="record"}') == len(calls)
