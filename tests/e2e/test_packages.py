"""Packages that a session asks for: installed before it is ready, from a folder that the operator offers."""
import os
import sys
import tempfile

import pytest

from harness import problems
from harness.hybrid import Hybrid
from harness.session import Session
from harness.wait import until

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "agent"))
from packages import tarball, wheel  # noqa: E402

SLOTS = 2


@pytest.fixture(scope="module")
def offered():
    with tempfile.TemporaryDirectory(prefix="spillway-packages-") as folder:
        wheel(folder, "greeting", "1.0", "import words\n\ndef greet():\n    return words.HELLO\n", requires=["words>=1"])
        wheel(folder, "words", "1.0", "HELLO = 'hello from a wheel'\n")
        tarball(folder, "left", "1.4.2", "module.exports = 'hello from a tarball'")
        yield folder


@pytest.fixture(scope="module")
def client(offered):
    sites = Hybrid(slots=SLOTS)
    sites.arguments += ["--packages", offered]
    try:
        yield sites.start().client
    finally:
        sites.stop()
        sites.forget()


@pytest.mark.parametrize("placement,site", [("local", "local"), ("cloud", "cloud")])
def test_packages_are_there_when_the_session_is_ready(client, placement, site):
    """Here and at another site, which is told what is wanted."""
    session = Session(client, form="resource")
    session.create(requirements=["greeting"], npm=["left@^1.0.0"], placement=placement, cleanup="idle")
    seen = []

    def ready():
        status = session.status()
        assert status["status"] not in ("error", "stopped"), status
        seen.append(status["message"])
        return status if status["status"] == "ready" else None
    assert until(ready, 200, "ready", every=0.05)["site"] == site
    print("progress:", [line for line in dict.fromkeys(seen) if line])
    assert session.run("import greeting\ngreeting.greet()")["result"] == "'hello from a wheel'"
    assert session.run("require('left')", language="nodejs")["result"] == "'hello from a tarball'"
    assert session.client.get(f"{session.base}/executions").expect(200).json()["items"][0]["execution_id"] != "setup"
    session.end()


def test_code_waits_until_they_are_there(client):
    session = Session(client)
    session.create(requirements=["greeting"])
    assert session.run("import greeting\ngreeting.greet()")["result"] == "'hello from a wheel'"
    session.end()


@pytest.mark.parametrize("body,words", [({"requirements": ["no-such-thing"]}, "No matching distribution found for no-such-thing"),
                                        ({"npm": ["left@^9.0.0"]}, "left@^9.0.0; offered are 1.4.2")])
@pytest.mark.parametrize("placement", ["local", "cloud"])
def test_what_cannot_be_installed_ends_the_session_and_says_why(client, placement, body, words):
    session = Session(client, form="resource")
    session.create(placement=placement, **body)
    end = session.wait_ended()
    assert (end["status"], end["reason"]) == ("error", "packages"), end
    assert words in end["message"] and "could not be installed" in end["message"], end
    reply = session.try_exec(code="1", execution_id="later")
    assert reply.status in (409, 502), reply


@pytest.mark.parametrize("body", [{"requirements": ["--index-url=http://127.0.0.1"]}, {"requirements": ["a @ file:///etc/passwd"]},
                                  {"npm": ["file:/etc/passwd"]}, {"requirements": "greeting"}, {"npm": [1]}])
def test_what_is_no_name_is_refused(client, body):
    problems.check(client.post("/api/v1/sessions", body), 400, "invalid_argument")
