"""Packages from the site's index: what the installer asks for at the door, and a gateway, here the test, brings."""
import json
import os
import socket
import tempfile
import threading
import time

import pytest
from box import EPOCH, TOKEN, Box
from package_index import Index
from packages import offer_of_an_index, tarball, wheel

PATHS = {"requirements": "/simple/", "npm": "/npm/"}


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory(prefix="spillway-index-") as made:
        offer_of_an_index(made)
        tarball(made, "left", "2.0.0", "module.exports = 'left 2'")
        tarball(made, "changed", "1.0.0", "module.exports = 'changed'")
        yield made


class Courier(threading.Thread):
    """What a gateway does, straight from an index."""

    def __init__(self, box, index):
        super().__init__(daemon=True)
        self.box, self.index = box, index
        self.last = None
        self.start()

    def run(self):
        while (asked := self.box.call("GET", "/v1/packages/wanted?wait=20")).status in (200, 204):
            if asked.status == 200:
                self.bring(asked.json)
        self.last = asked

    def bring(self, wanted):
        status, kind, body = self.index.answer(wanted["target"])
        given = self.box.call("POST", f"/v1/packages/{wanted['id']}?status={status}", body, {"Content-Type": kind})
        assert given.status == 204, given


def start(box, **members):
    answer = box.call("POST", "/v1/start", {"epoch": EPOCH, "env": {}, "deadline_ms": 600000, "index": PATHS, **members})
    assert answer.status == 200, answer
    return answer.json


def until_set_up(box, **members):
    end = time.monotonic() + 60
    while (activity := start(box, **members))["setup"]["state"] == "running":
        assert not activity["started"] and time.monotonic() < end, activity
        time.sleep(0.05)
    return activity


def wanted(box):
    answer = box.call("GET", "/v1/packages/wanted?wait=20")
    assert answer.status == 200, answer
    return answer.json


def test_wheels_come_through_the_door(folder):
    with Box(start=False) as box:
        assert box.call("GET", "/v1/packages/wanted?wait=20").status == 410, "nothing is installed yet"
        start(box, requirements=["greeting"])
        courier = Courier(box, Index(folder))
        activity = until_set_up(box, requirements=["greeting"])
        assert activity["started"] and "greeting-1.0" in activity["setup"]["line"], activity
        assert box.run("python", "import greeting\ngreeting.greet()")["result"] == "'hello from an index'"
        courier.join(30)
        assert courier.last.json["code"] == "gone"
        # No code of the session finds the door: it was closed before the session was ready.
        listening = box.run("bash", "tail -n +2 /proc/net/tcp /proc/net/tcp6 | grep ' 0A ' | wc -l")["stdout"]
        assert listening.strip() == "0", listening


def test_npm_packages_come_through_the_door(folder):
    with Box(start=False) as box:
        start(box, npm=["left@^1.0.0"])
        index = Index(folder)
        Courier(box, index)
        activity = until_set_up(box, npm=["left@^1.0.0"])
        assert activity["started"], activity
        assert box.run("nodejs", "require('left')")["result"] == "'left with right'"
        assert index.seen == ["/npm/left", "/npm/-/left-1.4.2.tgz", "/npm/@own%2fright", "/npm/-/own-right-2.1.7.tgz"]


@pytest.mark.parametrize("members,words", [({"requirements": ["no-such-thing"]}, "No matching distribution found for no-such-thing"),
                                           ({"requirements": ["greeting==9"]}, "No matching distribution found for greeting==9"),
                                           ({"npm": ["no-such-thing"]}, "no-such-thing, which is not offered here"),
                                           ({"npm": ["left@^7.0.0"]}, "left@^7.0.0; offered are 1.4.2, 2.0.0"),
                                           ({"npm": ["changed"]}, "its tarball is not what the registry announces")])
def test_what_the_index_does_not_have_is_said(folder, members, words):
    with Box(start=False) as box:
        start(box, **members)
        Courier(box, Index(folder, damaged=["changed"]))
        activity = until_set_up(box, **members)
        assert activity["setup"]["state"] == "failed" and words in activity["setup"]["line"], activity


@pytest.mark.parametrize("members", [{"requirements": ["greeting"]}, {"npm": ["left"]}])
def test_why_it_cannot_be_brought_comes_first(members):
    with Box(start=False) as box:
        start(box, **members)
        while (asked := box.call("GET", "/v1/packages/wanted?wait=20")).status == 200:
            refused = box.call("POST", f"/v1/packages/{asked.json['id']}/refuse", {"status": 502, "why": "the index is on fire"})
            assert refused.status == 204, refused
        activity = until_set_up(box, **members)
        assert activity["setup"]["state"] == "failed" and activity["setup"]["line"].startswith("the index is on fire ("), activity


def test_an_answer_that_breaks_off_is_no_answer(folder):
    """The gateway died: another one finds the questions that nobody answered, and this one was half answered."""
    with Box(start=False) as box:
        start(box, npm=["left"])
        question = wanted(box)
        assert question == {"id": 1, "target": "/npm/left", "accept": question["accept"]} and "npm" in question["accept"]
        assert wanted(box) == question, "as long as nobody answers"
        with socket.socket(socket.AF_UNIX) as gateway:
            gateway.connect(box.socket)
            gateway.sendall(b"POST /v1/packages/1?status=200 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + TOKEN.encode() +
                            b"\r\nContent-Length: 1000\r\n\r\n{\"name\":")
            assert box.call("GET", "/v1/packages/wanted").status == 204, "it is being answered"
            assert box.call("POST", "/v1/packages/1?status=200", b"{}").status == 404
        activity = until_set_up(box, npm=["left"])
        assert activity["setup"]["state"] == "failed" and "broke off" in activity["setup"]["line"], activity


def test_a_large_answer_goes_through_in_pieces(folder):
    size = 64 * 1024 * 1024
    with tempfile.TemporaryDirectory(prefix="spillway-index-") as made:
        wheel(made, "large", "1.0", "")
        os.rename(f"{made}/large-1.0-py3-none-any.whl", f"{made}/small")
        with open(f"{made}/large-1.0-py3-none-any.whl", "wb") as file:
            with open(f"{made}/small", "rb") as small:
                file.write(os.urandom(size) + small.read())  # a zip's end counts
        os.remove(f"{made}/small")
        with Box(start=False) as box:
            start(box, requirements=["large"])
            Courier(box, Index(made))
            activity = until_set_up(box, requirements=["large"])
            assert activity["started"] and "large-1.0" in activity["setup"]["line"], activity
            with open(f"/proc/{box.agent_pid()}/status", encoding="ascii") as file:
                peak_kib = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
            assert peak_kib < size / 1024 / 2, "it does not lie in the agent"


@pytest.mark.parametrize("target,body", [("/v1/packages/1?status=200", b"x"), ("/v1/packages/99?status=200", b"x"), ("/v1/packages/x?status=200", b"x"),
                                         ("/v1/packages/1/refuse", {"status": 502, "why": "x"})])
def test_what_nobody_asked_for_is_not_taken(target, body):
    with Box(start=False) as box:
        assert box.call("POST", target, body).status == 404


@pytest.mark.parametrize("target,body", [("/v1/packages/1", b"x"), ("/v1/packages/1?status=99", b"x"), ("/v1/packages/1/refuse", {"status": 502}),
                                         ("/v1/packages/1/refuse", b"x"), ("/v1/packages/wanted?wait=x", None)])
def test_answers_have_their_form(target, body):
    with Box(start=False) as box:
        start(box, npm=["left"])
        wanted(box)
        assert box.call("POST" if body else "GET", target, body).status == 400


@pytest.mark.parametrize("index", [{"npm": "npm/"}, {"npm": "/a b"}, {"requirements": "/a\nnpm b"}, {"npm": "/" + "x" * 1024}])
def test_a_path_is_a_path(index):
    with Box(start=False) as box:
        answer = box.call("POST", "/v1/start", {"epoch": EPOCH, "env": {}, "deadline_ms": 600000, "npm": ["left"], "index": index})
        assert (answer.status, answer.json["code"]) == (400, "invalid_argument")
        assert json.loads(box.call("GET", "/v1/activity").body)["started"] is False
