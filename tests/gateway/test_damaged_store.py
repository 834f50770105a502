"""What is damaged in Redis is never taken for absent: nothing runs twice because of it, and it is said."""
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


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_tombstone_is_an_error_and_runs_nothing(world, wait, damage):
    second = ended(world, wait)
    assert world.redis.ask("DEL", RECORD) == 1
    world.redis.ask("SET", TOMBSTONE, damage, "KEEPTTL")
    calls = [second.post("/hurt/exec/python", {"code": "x", "execution_id": "one"}), second.post("/hurt/exec/python", {"code": "x"}),
             second.get("/hurt/result?execution_id=one"), second.get("/hurt/status"), second.get("/hurt/executions"), second.post("/hurt")]
    assert {(a.status, a.code) for a in calls} == {(500, "store_damaged")}
    assert not world.cluster.pods
    assert second.metric('spillway_store_damaged_total{what="tombstone"}') == len(calls)
    assert second.logged("store_damaged")


def test_a_damaged_record_is_an_error_and_runs_nothing(world, wait):
    second = ended(world, wait)
    world.redis.ask("SET", RECORD, b"{}\nwrong", "KEEPTTL")
    calls = [second.post("/hurt/exec/python", {"code": "x", "execution_id": "one"}), second.get("/hurt/result?execution_id=one"),
             second.get("/hurt/events?execution_id=one")]
    assert {(a.status, a.code) for a in calls} == {(500, "store_damaged")}
    assert not world.cluster.pods
    assert second.metric('spillway_store_damaged_total{what="record"}') == len(calls)
