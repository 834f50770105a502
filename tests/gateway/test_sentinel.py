"""A gateway finds its Redis by Sentinels that are silent, ignorant, behind the times, or right."""
import pytest
from scripted.sentinel import Sentinel, Server


@pytest.fixture
def made(world):
    """made(thing): closed behind the test, after the gateways."""
    things = []

    def keep(thing):
        things.append(thing)
        return thing
    yield keep
    for thing in things:
        thing.close()


def url(*sentinels):
    return f"redis+sentinel://{','.join(f'127.0.0.1:{sentinel.port}' for sentinel in sentinels)}/main"


def secret(world, name, text):
    path = f"{world.folder}/{name}"
    with open(path, "w", encoding="ascii") as file:
        file.write(text + "\n")
    return path


def has_redis(gateway):
    return gateway.get("/readyz").json["redis"]


def up_at(gateway, server):
    return [line for line in gateway.logged("redis_up") if f"server=127.0.0.1:{server.port}" in line]


def test_the_master_is_found_whatever_the_other_sentinels_say(world, made, wait):
    master = made(Server(world.folder))
    replica = made(Server(world.folder, "--replicaof", f"127.0.0.1 {master.port}"))
    sentinels = [made(Sentinel(place)) for place in ("silent", None, replica.place, master.place)]
    gateway = world.gateway(**{"redis.url": url(*sentinels)})
    wait(lambda: up_at(gateway, master), "the master")
    wait(lambda: has_redis(gateway), "readyz to say so")
    assert not up_at(gateway, replica)


def test_a_replica_is_not_used_though_it_is_all_that_is_named(world, made, wait):
    master = made(Server(world.folder))
    replica = made(Server(world.folder, "--replicaof", f"127.0.0.1 {master.port}"))
    sentinel = made(Sentinel(replica.place))
    gateway = world.gateway(**{"redis.url": url(sentinel)})
    wait(lambda: [line for line in gateway.logged("redis_lost") if "is not the master" in line], "the role to be seen")
    seen = sentinel.asked
    wait(lambda: sentinel.asked > seen + 3, "more questions")
    assert not has_redis(gateway) and not up_at(gateway, replica) and gateway.metric("spillway_redis_up") == 0
    sentinel.place = master.place
    wait(lambda: up_at(gateway, master), "the master")


def test_it_moves_with_the_master_and_keeps_what_it_has_when_nobody_knows(world, made, wait):
    first, second = (made(Server(world.folder, "--requirepass", "of-the-servers")) for _ in range(2))
    sentinel = made(Sentinel(first.place, password="of-the-sentinels"))
    gateway = world.gateway(**{"redis.url": url(sentinel), "redis.password_file": secret(world, "servers", "of-the-servers"),
                               "redis.sentinel_password_file": secret(world, "sentinels", "of-the-sentinels")})
    wait(lambda: up_at(gateway, first), "the first master")
    sentinel.place = second.place
    wait(lambda: up_at(gateway, second), "the second master")
    assert [line for line in gateway.logged("redis_lost") if f"server=127.0.0.1:{first.port} " in line and "another master" in line]
    wait(lambda: has_redis(gateway), "readyz to say so")
    for nothing in (None, "silent"):
        asked = sentinel.asked
        sentinel.place = nothing
        wait(lambda: sentinel.asked > asked, "a question")
    wait(lambda: gateway.logged("redis_master_unknown"), "that to be said")
    assert has_redis(gateway) and len(up_at(gateway, second)) == 1
    world.ready(gateway, "kept", cleanup="idle")
    gateway.post("/kept/exec/python", {"code": "x", "execution_id": "one"})
    wait(lambda: world.cluster.agents["kept"].executions["one"]["stored"], "the result to be stored")


def test_a_wrong_password_is_said_once_and_never_told(world, made, wait):
    server = made(Server(world.folder, "--requirepass", "of-the-servers"))
    strict, odd = made(Sentinel(server.place, password="of-the-sentinels")), made(Sentinel(server.place, quotes=True))
    gateway = world.gateway(**{"redis.url": url(strict, odd), "redis.password_file": secret(world, "servers", "wrong-word"),
                               "redis.sentinel_password_file": secret(world, "sentinels", "another-wrong-word")})
    wait(lambda: gateway.metric('spillway_redis_up') == 0 and len(gateway.logged("redis_lost")) >= 2, "both to be said")
    said = {line.split("server=")[1].split()[0]: line for line in gateway.logged("redis_lost")}
    assert "WRONGPASS" in said[f"127.0.0.1:{strict.port}"] and "AUTH was refused" in said[f"127.0.0.1:{odd.port}"]
    strict.password = "another-wrong-word"  # so that it gets as far as the server
    wait(lambda: [line for line in gateway.logged("redis_lost") if f"127.0.0.1:{server.port}" in line and "WRONGPASS" in line], "the server's word")
    assert not [line for line in gateway.log if "wrong-word" in line]
    assert len(gateway.logged("redis_lost")) == 3, "each cause is said once"
