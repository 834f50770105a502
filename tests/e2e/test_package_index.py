"""Packages from a package index: the gateways bring what the installer asks for; the sandbox itself reaches nobody."""
import os
import signal
import socket
import sys
import tempfile

import pytest
import yaml

from harness.hybrid import Hybrid
from harness.namespaces import in_network_of
from harness.session import Session
from harness.wait import until

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "agent"))
from package_index import IndexServer  # noqa: E402
from packages import offer_of_an_index  # noqa: E402

SLOTS = 2


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory(prefix="spillway-index-") as made:
        offer_of_an_index(made)
        yield made


def configure(site, name, place, index):
    """As an operator does: the configuration is changed and the gateway started anew (by the launcher, as it dies)."""
    entry = place()["gateways"][0]
    path = os.path.join(site.state_dir, name, f"{entry['name']}.yaml")
    with open(path, encoding="utf-8") as file:
        settings = yaml.safe_load(file)
    settings["packages"] = {"python_index": f"{index.url}/simple/", "npm_registry": f"{index.url}/npm/"}
    with open(path, "w", encoding="utf-8") as file:
        yaml.safe_dump(settings, file)
    os.kill(entry["pid"], signal.SIGKILL)
    until(lambda: place()["gateways"][0]["pid"] != entry["pid"], 60, "another gateway", every=0.1)


@pytest.fixture(scope="module")
def sites(folder):
    """Two sites with one gateway each, and beside each an index of its own, in its network."""
    made = Hybrid(slots=SLOTS, gateways=1)
    indexes = {}
    try:
        made.start()
        for name, place in (("local", made.local), ("cloud", made.cloud)):
            listener = in_network_of(place()["gateways"][0]["pid"], lambda: socket.create_server(("127.0.0.1", 0)))
            indexes[name] = IndexServer(folder, listener)
            configure(made, name, place, indexes[name])
        until(lambda: made.client.get("/readyz").status == 200, 60, "the site is ready", every=0.1)
        made.indexes = indexes
        yield made
    finally:
        for index in indexes.values():
            index.close()
        made.stop()
        made.forget()


@pytest.mark.parametrize("placement", ["local", "cloud"])
def test_packages_come_from_the_index_of_the_site(sites, placement):
    session = Session(sites.client, form="resource")
    session.create(requirements=["greeting"], npm=["left@^1.0.0"], placement=placement, cleanup="idle")
    session.wait_ready()
    assert session.run("import greeting\ngreeting.greet()")["result"] == "'hello from an index'"
    assert session.run("require('left')", language="nodejs")["result"] == "'left with right'"
    assert "/wheels/words-1.0-py3-none-any.whl" in sites.indexes[placement].asked
    # The network is as closed as ever: neither the index nor the door can be reached.
    ports = [index.port for index in sites.indexes.values()]
    code = f"""
import re, socket
refused = 0
ports = [*{ports}, *(int(line.split()[1].split(':')[1], 16) for line in open('/proc/net/tcp').readlines()[1:] if ' 0A ' in line)]
for port in ports:
    if port == 8700:
        continue  # the agent's own, which wants a token
    try:
        socket.create_connection(('127.0.0.1', port), 3).close()
    except OSError:
        refused += 1
(len(ports), refused)
"""
    count, refused = eval(session.run(code)["result"])
    assert count >= 2 and refused >= 2 and count - refused <= 1, (count, refused)
    session.end()


@pytest.mark.parametrize("body,words", [({"requirements": ["no-such-thing"]}, "No matching distribution found for no-such-thing"),
                                        ({"npm": ["left@^9.0.0"]}, "left@^9.0.0; offered are 1.4.2")])
def test_what_the_index_does_not_have_ends_the_session_and_says_why(sites, body, words):
    session = Session(sites.client, form="resource")
    session.create(placement="local", **body)
    end = session.wait_ended()
    assert (end["status"], end["reason"]) == ("error", "packages") and words in end["message"], end


def test_an_index_that_fails_ends_the_session_and_says_why(sites):
    index = sites.indexes["local"]
    index.rule = lambda path: (503, {}, b"later")
    try:
        session = Session(sites.client, form="resource")
        session.create(placement="local", requirements=["greeting"])
        end = session.wait_ended()
        assert (end["status"], end["reason"]) == ("error", "packages"), end
        assert "the site's package index answered with 503" in end["message"], end
    finally:
        index.rule = lambda path: None
