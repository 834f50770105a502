"""B13, the gateway: as test_agent_calls.py, on a site; and the sessions of others go on."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from failing import FailingCall, descriptors, settles, start_time  # noqa: E402
from harness.client import Client, ConnectionLost  # noqa: E402
from harness.session import Session  # noqa: E402
from harness.site import Site  # noqa: E402

CALLS = {"socket": "EMFILE", "connect": "ECONNREFUSED", "accept4": "ECONNABORTED", "getsockopt": "EINVAL", "setsockopt": "ENOPROTOOPT",
         "sendto": "ECONNRESET", "recvfrom": "ECONNRESET", "read": "ECONNRESET", "write": "ECONNRESET"}
EACH = 8
DEFINED = (200, 201, 202, 400, 403, 404, 409, 429, 502, 503, 504, 507)


@pytest.fixture(scope="module")
def site():
    one = Site(slots=8, gateways=1, restart=False)
    try:
        yield one.start()
    finally:
        one.stop()
        one.forget()


def attempts(client, session):
    """What a client does, once, on a connection of its own: the statuses, None where the connection was lost."""
    client.close()
    other = Session(client)
    calls = [lambda: client.get("/healthz"), lambda: client.get(f"/{session.id}/status"), lambda: client.post(f"/{other.id}", {}),
             lambda: client.post(f"/{session.id}/exec/bash", {"code": "echo x"}, params={"wait": 5}),
             lambda: client.post(f"/{other.id}/exec/bash", {"code": "echo x"}, params={"wait": 5}), lambda: client.get(f"/{session.id}/result"),
             lambda: client.get(f"/{session.id}/files/list"), lambda: client.get("/api/v1/sessions"), lambda: client.delete(f"/{other.id}")]
    statuses = []
    for call in calls:
        try:
            statuses.append(call().status)
        except ConnectionLost:
            statuses.append(None)
    return statuses


@pytest.mark.parametrize("call", CALLS)
def test_the_nth_call_fails_and_the_gateway_goes_on(site, call, record_property):
    session = Session(site.client).start(cleanup="idle")
    entry = site.gateways[0]
    pid, client = entry["pid"], Client(entry["url"], connect=site.socket_to(entry["url"], entry["pid"]))
    attempts(client, session)
    before, born, happened = descriptors(pid), start_time(pid), 0
    for n in range(1, EACH + 1):
        with FailingCall(pid, call, CALLS[call], n) as failing:
            statuses = attempts(client, session)
        assert all(status in DEFINED for status in statuses if status is not None), (n, statuses)
        assert start_time(pid) == born, f"the gateway died of the {n}th {call}"
        happened += failing.happened
        if not failing.happened:
            break
        assert session.run("echo 'as ever'", language="bash")["stdout"] == "as ever\n"
    assert settles(pid, before + 8), f"{descriptors(pid)} descriptors, {before} before"
    record_property(f"B13 {call}", happened)
    assert happened > 0, "it is never called: nothing was tried"
    session.end()
