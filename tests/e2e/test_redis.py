"""Redis that is not there, and Redis as operators run it: behind Sentinel, with passwords, failing over."""
import os
import re
import time

import pytest
from harness.background import Pollers
from harness.client import Client, ConnectionLost
from harness.redis_set import RedisSet
from harness.runs import tell, until_told
from harness.session import Session
from harness.site import Site
from harness.wait import until

pytestmark = pytest.mark.skipif(bool(os.environ.get("SPILLWAY_E2E_KUBERNETES")), reason="the embedded sites' own Redis")


def test_the_demonstration_with_redis_stopped_for_its_whole_length():
    """`./run --once --without-redis` checks that nothing is lost before its deadline; meanwhile every gateway is asked for every session."""
    site = Site(slots=4, gateways=3, mode="--once", sites="local,cloud")
    site.arguments.append("--without-redis")
    found = {}
    try:
        site.start()
        gateways = [site.client_of(entry["name"]) for entry in site.gateways]
        while site.launcher.poll() is None:
            site.observe()
            ask_everywhere(gateways, found)
            time.sleep(0.2)
        assert site.launcher.returncode == 0, site.log()[-3000:]
    finally:
        site.stop()
        log = site.log()
        site.check_nothing_left()
        site.forget()
    assert "no Redis" in log and re.search(r"^ *demo-\d+ +cloud +local_", log, re.M) and re.search(r"^ *demo-\d+ +local ", log, re.M), log
    for name in re.findall(r"^ *(demo-\d+) +cloud ", log, re.M):
        assert found.get(name, set()) == {"gateway-1", "gateway-2", "gateway-3"}, f"{name} was found by {found.get(name)}"


def ask_everywhere(gateways, found):
    """found: by session at the cloud, the gateways that knew it."""
    for number, client in enumerate(gateways, 1):
        for name in [f"demo-{index}" for index in range(1, 10)]:
            try:
                reply = client.get(f"/{name}/result")
            except (ConnectionLost, OSError):
                return  # it goes down
            if reply.status == 200 and reply.header("Spillway-Site") == "cloud":
                found.setdefault(name, set()).add(f"gateway-{number}")


@pytest.fixture(scope="module")
def site():
    site = Site(slots=6, gateways=2)
    try:
        yield site.start()
    finally:
        site.stop()
        site.check_nothing_left()
        site.forget()


@pytest.fixture(scope="module")
def servers(site):
    servers = RedisSet(site)
    try:
        for entry in site.gateways:
            servers.use(entry["name"])
        wait_up(site)
        yield servers
    finally:
        servers.close()


def knows_redis(site, name):
    return site.client_of(name).get("/readyz").expect(200).json()["redis"]


def wait_up(site):
    until(lambda: all(knows_redis(site, entry["name"]) for entry in site.gateways), 60, "all gateways reach Redis", every=0.1)


def wait_gone(site, sessions):
    until(lambda: not {session.id for session in sessions} & set(site.node().sessions()), 120, "the pods are gone: results are stored", every=0.2)


def check_kept(site, kept):
    """What was stored once is given by every gateway; a fresh one has no memory of its own."""
    for entry in site.gateways:
        client = site.client_of(entry["name"])
        for session, text in kept.items():
            assert client.get(f"/{session.id}/result").expect(200).json()["stdout"] == text, session.id


def test_the_master_dies_and_nothing_is_lost(site, servers):
    early = Session(site.client)
    early.run("print('early')")
    wait_gone(site, [early])
    until(lambda: servers.ask(7002, "DBSIZE") == servers.ask(7001, "DBSIZE") != "0", 30, "the replica has it all")
    running = [Session(site.client).start(cleanup="completion") for _ in range(2)]
    for session in running:
        session.submit(until_told() + "print('late')", timeout_seconds=200)
    with Pollers(site.url, [f"/{session.id}/status" for session in running]) as pollers:
        servers.kill(7001)
        between = Session(site.client)
        until(lambda: between.try_create().expect(200, 201, 503).status != 503, 60, "room without a store")
        assert between.run("print('between')")["stdout"] == "between\n"
        for session in running:
            tell(site.state_dir, session.id)
            assert session.final()["stdout"] == "late\n"
        until(lambda: servers.role(7002) == "master", 60, "the replica is the master")
        wait_up(site)
        pollers.wait_for(20)
    assert not pollers.failures, pollers.failures[:5]
    wait_gone(site, [*running, between])
    old = site.gateways[0]
    site.wait_restarted(old["name"], site.kill(old["name"]))
    wait_up(site)
    check_kept(site, {early: "early\n", between: "between\n", **{session: "late\n" for session in running}})
    for entry in site.gateways:
        log = servers.log(entry["name"])
        assert "event=redis_up server=127.0.0.1:7002" in log
        assert servers.password not in log and servers.sentinel_password not in log
    assert "event=redis_lost server=127.0.0.1:7001" in servers.log(site.gateways[1]["name"])


def test_an_ordered_failover_is_followed_while_the_old_master_lives(site, servers):
    servers.start_server(7001)
    until(lambda: servers.role(7001) == "slave" and "master_link_status:up" in servers.ask(7001, "INFO", "replication"), 60,
          "the old master follows the new one")
    session = Session(site.client).start(cleanup="completion")
    session.submit(until_told() + "print('kept')", timeout_seconds=200)
    servers.fail_over()
    until(lambda: servers.role(7001) == "master" and servers.role(7002) == "slave", 60, "roles are changed")
    tell(site.state_dir, session.id)
    assert session.final()["stdout"] == "kept\n"
    wait_gone(site, [session])
    wait_up(site)
    check_kept(site, {session: "kept\n"})


def test_a_wrong_password_is_said_and_costs_only_the_store(site, servers):
    name = site.gateways[0]["name"]
    wrong = os.urandom(16).hex()
    before = servers.use(name, wrong)
    client = Client(site.gateway(name)["url"], connect=site.socket_to(site.gateway(name)["url"], site.gateway(name)["pid"]))

    def refused():
        metrics = site.metrics(name)
        return metrics.total("spillway_redis_up") == 0 and metrics.total("spillway_redis_commands_total", outcome="error") >= 2
    until(refused, 30, "the metrics say it", every=0.1)
    assert client.get("/readyz").expect(200).json()["redis"] is False
    session = Session(client)
    until(lambda: session.try_create(cleanup="idle").expect(200, 201, 503).status != 503, 60, "room without a store")
    assert session.run("6 * 7")["result"] == "42"
    log = servers.log(name)[before:]
    said = [line for line in log.splitlines() if "event=redis_lost" in line and "127.0.0.1:7001" in line]
    assert len(said) == 1 and "WRONGPASS" in said[0] and "level=warn" in said[0], said
    assert wrong not in log and servers.sentinel_password not in log
    servers.use(name)
    wait_up(site)
    session = Session(site.client, session.id)
    session.end()
