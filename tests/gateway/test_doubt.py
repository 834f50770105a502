"""What is not known for certain of sessions at another site: a create whose answer was lost, an end that may not be the last."""
import threading

from test_several_sites import create, wait_heard

EPOCH = "0123456789abcdef0123456789abcdef"


def record(world):
    return world.redis.ask("HMGET", "spillway:{s}:r", "st", "ep")


def put_record(world, state, epoch):
    world.redis.ask("HSET", "spillway:{s}:r", "st", state, "site", "cloud", "ep", epoch, "tn", "default", "fp", "")


def put_doubt(world):
    """Its delete is due."""
    world.redis.ask("ZADD", "spillway:deletes:cloud", 0, f"s {EPOCH}")


def test_who_deletes_what_is_in_doubt_says_so_first(world, wait):
    """Who would take it into use while its delete is on the way hears that it is going, and gets another one behind that."""
    cloud = world.remote("cloud")
    gateway = world.gateway()
    wait_heard(world, wait, gateway)
    arrives = threading.Event()
    cloud.rules.append(lambda request: None if request.method != "DELETE" or arrives.wait(30) else None)
    put_record(world, "gone", "-")
    put_doubt(world)
    wait(lambda: cloud.calls("DELETE", "sessions/s"), "the delete to be on its way")
    assert cloud.calls("DELETE", "sessions/s")[0].query == {"unused": "true"}
    assert record(world) == [b"closing", EPOCH.encode()]
    answer = create(gateway, "s")
    assert (answer.status, answer.code) == (409, "session_stopping") and not cloud.created()
    arrives.set()
    wait(lambda: record(world) == [b"gone", EPOCH.encode()], "its record to be closed")
    assert create(gateway, "s").status == 201
    wait(lambda: record(world) == [b"active", cloud.sessions["s"]["epoch"].encode()], "the record of the next")


def test_what_was_in_doubt_and_is_in_use_is_not_deleted(world, wait):
    cloud = world.remote("cloud")
    gateway = world.gateway()
    wait_heard(world, wait, gateway)
    put_record(world, "active", EPOCH)
    put_doubt(world)
    wait(lambda: world.redis.ask("ZCARD", "spillway:deletes:cloud") == 0, "the delete to be dropped")
    assert not cloud.calls("DELETE", "sessions/s") and record(world) == [b"active", EPOCH.encode()]


def test_what_is_in_doubt_is_left_alone_while_others_may_still_write(world, wait):
    """Redis is heard for the first time, or again: who took it into use meanwhile may be about to say so."""
    cloud = world.remote("cloud")
    put_record(world, "gone", EPOCH)
    put_doubt(world)
    gateway = world.gateway()
    wait_heard(world, wait, gateway)
    wait(lambda: float(world.redis.ask("ZSCORE", "spillway:deletes:cloud", f"s {EPOCH}") or 1) > 0, "the delete to be taken")
    put_record(world, "active", EPOCH)
    wait(lambda: world.redis.ask("ZCARD", "spillway:deletes:cloud") == 0, "the delete to be dropped", 30)
    assert not cloud.calls("DELETE", "sessions/s") and record(world) == [b"active", EPOCH.encode()]


def test_what_may_be_at_a_silent_site_does_not_begin_while_others_may_still_write(world, wait):
    """The gateway has never heard that site, and Redis may be about to be told what it could not take before."""
    world.remote("cloud").refuse()
    gateway = world.gateway()
    answer = create(gateway, "s", placement="local")
    assert (answer.status, answer.code) == (503, "site_unreachable") and int(answer.fields["Retry-After"]) > 0
    assert not world.cluster.pods
    assert gateway.post("/api/run", {"language": "python", "code": "1"}).status == 202, "an id that was made just now is nowhere"
    wait(lambda: create(gateway, "s", placement="local").status == 201, "the records to be in writing")


def test_a_pod_that_is_seen_first_when_it_is_over_leaves_its_tombstone(world, wait):
    """Nobody who lives saw it run, and a dead gateway's claim says that the session is about to begin elsewhere."""
    world.remote("cloud")
    gateway = world.gateway()
    wait_heard(world, wait, gateway)
    world.ready(gateway, "s", placement="local", cleanup="idle")
    epoch = world.cluster.pods["s"]["metadata"]["annotations"]["spillway.dev/epoch"]
    gateway.process.kill()
    gateway.process.wait()
    world.gateways.remove(gateway)
    put_record(world, "pending", EPOCH)
    world.cluster.agents["s"].close()
    with world.cluster.lock:
        world.cluster.pods["s"]["status"] = {"phase": "Failed", "reason": "DeadlineExceeded", "message": "it was active for too long"}
    world.gateway()
    wait(lambda: "s" not in world.cluster.pods, "its pod to go")
    assert epoch.encode() in (world.redis.ask("GET", "spillway:{s}:t") or b"")


def test_a_claim_that_stands_does_not_keep_the_record_of_who_lives(world, wait):
    """Of a gateway that died, or one that Redis took late. Whether the id lives is asked of its site meanwhile."""
    cloud = world.remote("cloud")
    gateway = world.gateway()
    wait_heard(world, wait, gateway)
    assert create(gateway, "s").status == 201
    epoch = cloud.sessions["s"]["epoch"].encode()
    wait(lambda: record(world) == [b"active", epoch], "its record")
    put_record(world, "pending", EPOCH)
    other = world.gateway()
    assert other.get("/s/status").json["site"] == "cloud"
    wait(lambda: record(world) == [b"active", epoch], "its record again")


def test_an_end_that_is_remembered_yields_to_a_life_elsewhere(world, wait):
    cloud = world.remote("cloud")
    gateway, other = world.gateway(), world.gateway()
    wait_heard(world, wait, other)
    world.ready(gateway, "s", placement="local", cleanup="completion")
    gateway.delete("/s")
    wait(lambda: [g.get("/s/status").json["status"] for g in (gateway, other)] == ["stopped"] * 2, "its end")
    assert create(other, "s", cleanup="completion").status == 201
    wait(lambda: gateway.get("/s/status").json["status"] == "ready", "the gateway that remembers its end to hear of its later life")
    assert gateway.get("/s/status").json["site"] == "cloud" and len(cloud.created()) == 1
