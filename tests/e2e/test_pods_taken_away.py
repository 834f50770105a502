"""Somebody takes pods away under running executions, as an eviction does: each is lost, and every gateway says so."""
import pytest

from harness.background import together
from harness.session import FINAL, Session
from harness.wait import until

COUNT = 6


def submit_through(site, number):
    """A session of its own, its execution through a gateway of its own choice rather than nginx's."""
    name = site.gateways[number % len(site.gateways)]["name"]
    session = Session(site.client_of(name)).start(cleanup="idle")
    return session, session.submit("import time\ntime.sleep(60)", timeout_seconds=100)


def final_of(session, execution):
    """Polls as a client does that stops at a refusal: a 404 is an answer."""
    def ended():
        reply = session.result_reply(execution)
        assert reply.status != 404, reply
        return reply if reply.status == 200 and reply.json()["status"] in FINAL else None
    return until(ended, 60, f"an end of {session.id}", every=0.02).json()["status"]


@pytest.mark.parametrize("round_", range(2))
def test_executions_of_pods_that_were_taken_away_are_lost_through_every_gateway(site, client, round_):
    begun = together(lambda number: submit_through(site, number), range(COUNT), 3)
    for session, _ in begun:
        site.node().client.delete(f"/api/v1/namespaces/{site.node().pod(session.id)['metadata']['namespace']}/pods/{session.id}")
    ways = [client] + [site.client_of(entry["name"]) for entry in site.gateways]
    asked = [(Session(way, session.id), execution) for session, execution in begun for way in ways]
    assert together(lambda pair: final_of(*pair), asked, 8) == ["lost"] * len(asked)
    for session, _ in begun:
        assert Session(client, session.id).wait_ended()["status"] == "error"
