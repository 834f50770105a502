"""The listener for gateways of other sites: TLS, both ways, and what only they may say."""
import http.client
import json
import shutil
import socket
import ssl
import sys
import tempfile
from pathlib import Path

import pytest
from conftest import TREE, Front

sys.path.insert(1, str(TREE / "tools/launcher"))

from site_link import AWAY_ADDRESS, make_keys  # noqa: E402

HOP = {"Spillway-Hop": "1", "Spillway-Tenant": "t", "Spillway-Origin": "local", "Spillway-Epoch": "e", "Authorization": "Spillway x"}


@pytest.fixture(scope="module")
def keys():
    directory = Path(tempfile.mkdtemp(prefix="spillway-nginx-test-"))
    yield make_keys(directory / "keys")
    shutil.rmtree(directory)


@pytest.fixture
def front(keys):
    front = Front(lambda port: {"listen": [f"127.0.0.1:{port}"], "certificate": str(keys / "server.pem"),
                                "key": str(keys / "server.key"), "client_ca": str(keys / "ca.pem")})
    yield front
    front.stop()


def connect(front, keys, certificate=True, protocols=None):
    context = ssl.create_default_context(cafile=keys / "ca.pem")
    if certificate:
        context.load_cert_chain(keys / "client.pem", keys / "client.key")
    if protocols:
        context.set_alpn_protocols(protocols)
    plain = socket.create_connection(("127.0.0.1", front.sites_port), 10)
    return context.wrap_socket(plain, server_hostname=AWAY_ADDRESS)


def ask(front, keys, method, target, headers=None, body=None, certificate=True):
    connection = http.client.HTTPConnection(AWAY_ADDRESS)
    connection.sock = connect(front, keys, certificate)
    try:
        connection.request(method, target, body, headers or {})
        answer = connection.getresponse()
        text = answer.read()
        return answer, json.loads(text) if text.startswith(b"{") else None
    finally:
        connection.close()


def test_what_gateways_say_passes(front, keys):
    for method, target in (("GET", "/internal/v1/capacity"), ("POST", "/internal/v1/sessions/one"), ("GET", "/one/status?wait=5"),
                           ("DELETE", "/internal/v1/sessions/one"), ("POST", "/api/v1/sessions/one/exec/python")):
        _, seen = ask(front, keys, method, target, HOP, b"{}" if method == "POST" else None)
        assert seen["target"] == target
        for name, value in HOP.items():
            assert seen["fields"][name.lower()] == value


def test_one_session_meets_one_gateway(front, keys):
    for session in ("a1", "b2", "c3", "d4"):
        met = set()
        for target in (f"/internal/v1/sessions/{session}", f"/internal/v1/sessions/{session}?wait=10&seen=x", f"/{session}/result",
                       f"/api/v1/sessions/{session}/exec/python"):
            _, seen = ask(front, keys, "GET", target, HOP)
            met.add(seen["gateway"])
        assert len(met) == 1


def test_without_a_certificate_nobody_gets_through(front, keys):
    answer, seen = ask(front, keys, "GET", "/internal/v1/capacity", HOP, certificate=False)
    assert answer.status == 400 and seen is None
    assert not any(gateway.seen for gateway in front.gateways)


def test_http2_is_offered(front, keys):
    with connect(front, keys, protocols=["h2", "http/1.1"]) as channel:
        assert channel.selected_alpn_protocol() == "h2"


def test_the_public_listener_is_no_way_in(front, keys):
    answer, _ = front.ask("GET", "/internal/v1/capacity", HOP)
    assert answer.status == 404
    _, seen = front.ask("GET", "/one/status", HOP)
    assert not [name for name in seen["fields"] if name.startswith("spillway-") and name != "spillway-minted-id"]


def test_no_gateway_is_503(front, keys):
    for gateway in front.gateways:
        gateway.close()
    answer, problem = ask(front, keys, "POST", "/internal/v1/sessions/one", HOP, b"{}")
    assert (answer.status, problem["code"]) == (503, "unavailable")
