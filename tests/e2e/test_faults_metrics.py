"""F12, F13: metrics-server is away, late, or says nonsense. Nothing known is never taken for "empty": then requests alone decide, and
never are there more pods than slots."""
import os
import time

import pytest
from harness import problems
from harness.api_proxy import Exchange, edit, half_json, never_sent, status
from harness.background import together
from harness.session import Session
from harness.spare_gateway import SpareGateway
from harness.wait import Stopwatch, until

pytestmark = pytest.mark.skipif(bool(os.environ.get("SPILLWAY_E2E_KUBERNETES")), reason="the proxy speaks plain HTTP")

METRICS = "/metrics.k8s.io/"


def watermark(site, gateway):
    return site.client_of(gateway).get("/api/v1/watermark").expect(200).json()


def wait_known(site, known, seconds=30):
    until(lambda: all(watermark(site, entry["name"])["metrics"]["known"] is known for entry in site.gateways), seconds,
          f"usage known: {known}", every=0.1)


def wait_open(site):
    until(lambda: all(watermark(site, entry["name"])["state"] == "open" for entry in site.gateways), 120, "open everywhere", every=0.2)


def each(change):
    def apply(content):
        for item in content["items"]:
            change(item)
    return edit(apply)


def usage(**values):
    return each(lambda item: item["usage"].update(values))


def at(seconds_ago):
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds_ago))
    return each(lambda item: item.update(timestamp=stamp))


SPOILED = {
    "refused": status(503),
    "not there": status(404),
    "cut off": never_sent,
    "half a JSON": half_json,
    "no node in it": edit(lambda content: content.update(items=[])),
    "another node": each(lambda item: item["metadata"].update(name="somebody-else")),
    "old": at(600),
    "from the future": at(-3600),
    "NaN": usage(cpu="NaN"),
    "negative": usage(memory="-5Mi"),
    "no usage": each(lambda item: item.pop("usage")),
    "too large": usage(cpu="9" * 40),
}


@pytest.mark.parametrize("what", SPOILED)
def test_spoiled_measurements_are_none(site, api, what):
    """To a gateway that knows nothing yet. It says so, places by requests, and knows when the measurements are good again."""
    with api.rule("GET", METRICS, SPOILED[what]) as rule, SpareGateway(site) as gateway:
        asked = len(rule.hits)
        until(lambda: len(rule.hits) > asked + 2 * len(site.gateways) + 2, 60, "all have asked", every=0.05)
        said = gateway.client().get("/api/v1/watermark").expect(200).json()
        assert said["metrics"]["known"] is False and not said["metrics"]["coverage"], said
        assert gateway.metrics().total("spillway_usage_known") == 0
        session = Session(gateway.client())
        assert session.create(cleanup="idle")["placement"]["kind"] == "local"
        rule.act = Exchange.pass_on
        until(lambda: gateway.client().get("/api/v1/watermark").json()["metrics"]["known"], 60, "known when they are good", every=0.1)
        session.wait_ready()
        assert session.run("1 + 1")["result"] == "2"
        session.end()


def test_usage_ages_out_and_requests_decide(site, api, client, record_property):
    """The last measurement said "full", and then no more came: it is not believed for ever."""
    def states():
        return {watermark(site, entry["name"])["state"] for entry in site.gateways}
    wait_open(site)
    with api.rule("GET", METRICS, usage(cpu="7900m")):
        until(lambda: states() == {"closed"}, 30, "closed", every=0.1)
        assert watermark(site, "gateway-1")["reason"] == "cpu_high"
        # There is nowhere else to go to here, and by requests there is room.
        session = Session(client)
        assert session.create(cleanup="idle")["placement"]["reason"] == "local_alone"
        session.end()
    with api.rule("GET", METRICS, status(503)):
        watch = Stopwatch()
        wait_known(site, False, seconds=300)
        record_property("F12 last measurement aged out after, s", round(watch.seconds, 1))
        wait_open(site)
        session = Session(client).start(cleanup="idle")
        assert session.status()["placement"]["reason"] != "local_alone"
        session.end()
    wait_known(site, True)


def test_no_flapping_around_the_mark(site, api, record_property):
    """One sample above the high mark, the next just below it, and so on: closed once, and closed it stays."""
    turn = []

    def swing(content):
        turn.append(None)
        for item in content["items"]:
            item["usage"]["cpu"] = "6900m" if len(turn) // len(site.gateways) % 2 else "6700m"  # of 8000m: 86 % and 84 %
    wait_known(site, True)
    wait_open(site)
    before = {entry["name"]: site.metrics(entry["name"]).total("spillway_watermark_transitions_total") or 0 for entry in site.gateways}
    with api.rule("GET", METRICS, edit(swing)) as rule:
        until(lambda: len(rule.hits) >= 12 * len(site.gateways), 120, "a dozen samples each", every=0.1)
        changes = [site.metrics(entry["name"]).total("spillway_watermark_transitions_total") - before[entry["name"]]
                   for entry in site.gateways]
    record_property("F12 changes of level in a dozen samples around the mark, each gateway", changes)
    assert max(changes) <= 1, changes


def test_a_burst_between_two_samples(site, api, client, record_property):
    """F13: the measurements stay those of the empty site while three times as many sessions are asked for as there are slots."""
    frozen = []

    def freeze(exchange):
        if not frozen:
            frozen.append(exchange.forward())
        exchange.reply(frozen[0])
    wait_open(site)
    with api.rule("GET", METRICS, freeze), site.node().history() as history:
        until(lambda: frozen, 30, "a measurement")
        sessions = [Session(client) for _ in range(3 * site.slots)]
        replies = together(lambda session: session.try_create(cleanup="idle"), sessions, len(sessions))
        for reply in replies:
            if reply.status != 201:
                problems.check(reply, 503, "capacity_full")
                problems.check_retry_after(reply)
        taken = [session for session, reply in zip(sessions, replies) if reply.status == 201]
        together(lambda session: session.wait_ready(), taken, 4)
        created = sum(history.incarnations(session.id) for session in sessions)
        record_property("F13 pods created for 24 sessions on 8 slots between two samples", created)
        assert created == len(taken) <= site.slots
        together(lambda session: session.end(), taken, 4)
