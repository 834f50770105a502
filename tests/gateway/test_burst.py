"""64 creates at once through three gateways, with another site beside: nobody is refused, each session is at one site, and of the pods ever
created here, by the API server's own account, there are no more than there is room for."""
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from scripted.cluster import NODE

CREATES = 64


def nodes(count, **allocatable):
    return [{"metadata": {**NODE["metadata"], "name": f"node-{number}", "uid": f"node-uid-{number}"},
             "status": {**NODE["status"], "allocatable": {**NODE["status"]["allocatable"], **allocatable}}} for number in range(1, count + 1)]


@pytest.fixture
def cloud(world):
    return world.remote("cloud", slots=1000)


@pytest.fixture
def gateways(world, wait, cloud):
    """Made by the test, once the cluster is as it shall be."""
    def three():
        made = [world.gateway() for _ in range(3)]
        for gateway in made:
            wait(lambda: gateway.get("/api/v1/sites").json["items"][1]["slots"], "the cloud's word")
        wait(lambda: world.redis.ask("ZCARD", "spillway:gateways:local") == 3, "all to have announced themselves")
        wait(lambda: world.redis.ask("EXISTS", "spillway:routes:local") == 1, "records to be complete")
        return made
    return three


def burst(gateways):
    """Where they went."""
    with ThreadPoolExecutor(CREATES) as pool:
        answers = list(pool.map(lambda number: gateways[number % 3].post(f"/s{number}", {"cleanup": "idle"}), range(CREATES)))
    assert {answer.status for answer in answers} == {201}, [answer.body for answer in answers if answer.status != 201]
    return Counter(answer.json["site"] for answer in answers)


def ever_created(world):
    return [event["object"]["metadata"]["name"] for _, event in world.cluster.events if event["type"] == "ADDED"]


def check_one_site_each(world, cloud, went):
    here, there = ever_created(world), cloud.created()
    assert sorted(here + there) == sorted(f"s{number}" for number in range(CREATES))
    assert (len(here), len(there)) == (went["local"], went["cloud"])


def test_four_slots(world, cloud, gateways):
    world.cluster.nodes = nodes(1, pods="4")
    went = burst(gateways())
    check_one_site_each(world, cloud, went)
    assert 1 <= went["local"] <= 4, went


def test_four_slots_without_redis(world, wait, cloud, gateways):
    world.cluster.nodes = nodes(1, pods="4")
    made = gateways()
    world.redis.close()
    wait(lambda: not any(gateway.get("/readyz").json["redis"] for gateway in made), "all to know that Redis is gone")
    went = burst(made)
    check_one_site_each(world, cloud, went)
    assert 1 <= went["local"] <= 6, went


def test_room_for_seven_in_total_and_for_none_on_any_node(world, cloud, gateways):
    """A sandbox asks for 100m; eight nodes have 90m each."""
    world.cluster.nodes = nodes(8, cpu="90m")
    went = burst(gateways())
    check_one_site_each(world, cloud, went)
    assert went == {"cloud": CREATES}
