"""One of three gateways goes away: exactly its own sessions move, wherever a request names the session; and they come back with it."""
import http.client
import json

import pytest
from test_nginx import SESSION_PATHS
from test_sites import HOP, connect, keys  # noqa: F401  (a fixture)

from conftest import Front

SESSIONS = [f"session-{number:03}" for number in range(300)]
FORMS = [("GET", path, None) for path in SESSION_PATHS] + [
    ("POST", "/{}", None), ("DELETE", "/{}", None), ("POST", "/api/v1/sessions", "X-Session-Id"), ("POST", "/api/run", "X-Session-Id"),
    ("POST", "/api/v1/sessions", "Idempotency-Key")]


@pytest.fixture
def front(keys):  # noqa: F811
    front = Front(lambda port: {"listen": [f"127.0.0.1:{port}"], "certificate": str(keys / "server.pem"),
                                "key": str(keys / "server.key"), "client_ca": str(keys / "ca.pem")})
    yield front
    front.stop()


def owner_of(connection, method, target, headers):
    connection.request(method, target, b"{}" if method == "POST" else None, headers)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    assert answer.status == 200, body
    return body["gateway"]


def owners(front, keys):  # noqa: F811
    """By form and session: the gateway that got the request."""
    found = {}
    public = http.client.HTTPConnection("127.0.0.1", front.port, timeout=30)
    for method, path, field in FORMS:
        for session in SESSIONS:
            found[method, path, field, session] = owner_of(public, method, path.format(session), {field: session} if field else {})
    public.close()
    between_sites = http.client.HTTPConnection("between-sites")
    between_sites.sock = connect(front, keys)
    for session in SESSIONS:
        target = f"/internal/v1/sessions/{session}"
        found["GET", target, "sites", session] = owner_of(between_sites, "GET", target, HOP)
    between_sites.close()
    return found


def check_moved(before, after, gone):
    wrong = [key for key in before if (before[key] != after[key]) != (before[key] == gone)]
    assert not wrong, f"{len(wrong)} of {len(before)}: {wrong[:5]}"
    assert gone not in after.values()
    share = sum(owner == gone for owner in before.values()) / len(before)
    assert 0.2 < share < 0.5, "it had no fair share"


def test_a_removed_gateway_gives_up_its_own_sessions_only(front, keys):  # noqa: F811
    before = owners(front, keys)
    by_session = {}
    for (_, _, field, session), owner in before.items():
        if field != "Idempotency-Key":  # a key is no id: the gateway derives one
            by_session.setdefault(session, set()).add(owner)
    assert all(len(met) == 1 for met in by_session.values()), "one session, one gateway, on every form"
    leaving = front.gateways[1]
    front.reload([gateway for gateway in front.gateways if gateway is not leaving])
    leaving.close()
    check_moved(before, owners(front, keys), leaving.name)


def test_a_dead_gateway_gives_up_its_own_sessions_only(front, keys):  # noqa: F811
    before = owners(front, keys)
    dead = front.gateways[2]
    dead.close()
    check_moved(before, owners(front, keys), dead.name)


def test_an_added_gateway_takes_and_nobody_else_gains(front, keys):  # noqa: F811
    whole = owners(front, keys)
    front.reload(front.gateways[:2])
    less = owners(front, keys)
    front.reload(front.gateways[::-1])  # the order in the list means nothing
    assert owners(front, keys) == whole
    assert {whole[key] for key in whole if whole[key] != less[key]} == {front.gateways[2].name}
