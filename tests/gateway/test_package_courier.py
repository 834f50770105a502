"""What an installer asks for is brought from the site's index, and from nowhere else."""
import os
import socket
import sys
import tempfile
import threading
import time

import pytest
from scripted.agent import UNSET
from scripted.http import problem

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "agent"))
from package_index import IndexServer  # noqa: E402
from packages import tarball, wheel  # noqa: E402


class Installer:
    """An agent whose installer asks what the test says, one after the other."""

    def __init__(self, world):
        self.start = None  # the body of the call
        self.questions, self.given, self.refused = [], [], []
        self.done = self.failed = False
        self.changed = threading.Condition()
        self.answered = 0
        world.cluster.agent_rules.append(self.rule)

    def ask(self, target, accept="*/*"):
        with self.changed:
            self.questions.append({"id": len(self.questions) + 1, "target": target, "accept": accept})
            self.changed.notify_all()

    def rule(self, request, _):
        part = request.path.split("/")[1:]
        if request.path == "/v1/start":
            return self.begin(request)
        if part[:2] != ["v1", "packages"]:
            return UNSET
        if part[2] == "wanted":
            return self.wanted(float(request.query["wait"]))
        with self.changed:
            if int(part[2]) != self.answered + 1:
                return problem(404, "not_found")
            self.answered += 1
            if part[3:] == ["refuse"]:
                self.refused.append((request.json()["status"], request.json()["why"]))
            else:
                self.given.append((int(request.query["status"]), request.fields.get("content-type"), request.fields.get("location"), request.body))
            self.changed.notify_all()
        return 204, b""

    def begin(self, request):
        self.start = request.json()
        state = "failed" if self.failed else "done" if self.done else "running"
        return UNSET if self.done else (200, {"session_id": "s", "epoch": self.start["epoch"], "seq": 1, "started": False, "quiesced": False,
                                              "running": 0, "unstored": [], "setup": {"state": state, "line": "installing"}})

    def wanted(self, wait):
        with self.changed:
            self.changed.wait_for(lambda: len(self.questions) > self.answered or self.done, wait)
            if self.done:
                return problem(410, "gone")
            return (200, self.questions[self.answered]) if len(self.questions) > self.answered else (204, b"")

    def finish(self):
        with self.changed:
            self.done = True
            self.changed.notify_all()


@pytest.fixture
def index():
    with tempfile.TemporaryDirectory(prefix="spillway-index-") as folder:
        wheel(folder, "greeting", "1.0", "x = 1\n")
        tarball(folder, "left", "1.4.2", "")
        server = IndexServer(folder)
        yield server
        server.close()


@pytest.fixture
def installer(world):
    return Installer(world)


def begin(world, index, wait, installer, **keys):
    keys = {"packages.python_index": f"{index.url}/simple/", "packages.npm_registry": f"{index.url}/npm", **keys}
    gateway = world.gateway(**keys)
    assert gateway.post("/api/v1/sessions", {"session_id": "s", "requirements": ["greeting"]}).status == 201
    wait(lambda: installer.start, "the agent to be started")
    return gateway


def brought(installer, wait, target, accept="*/*"):
    count = len(installer.given) + len(installer.refused)
    installer.ask(target, accept)
    wait(lambda: len(installer.given) + len(installer.refused) > count, f"an answer to {target}")
    return installer.given[-1] if installer.given else None


def test_pages_and_files_are_brought_until_all_is_installed(world, index, installer, wait):
    gateway = begin(world, index, wait, installer)
    assert installer.start["index"] == {"requirements": "/simple/", "npm": "/+npm/"}
    assert gateway.get("/s/status").json["status"] == "creating"
    status, kind, _, page = brought(installer, wait, "/simple/greeting/", "text/html;q=0.1")
    assert (status, kind) == (200, "text/html") and b'href="/wheels/greeting-1.0-py3-none-any.whl#sha256=' in page
    name = "greeting-1.0-py3-none-any.whl"
    assert brought(installer, wait, f"/wheels/{name}") == (200, "application/octet-stream", None, index.index.read(name))
    assert b'"tarball": "/+npm/-/left-1.4.2.tgz"' in brought(installer, wait, "/+npm/left")[3]
    assert brought(installer, wait, "/+npm/-/left-1.4.2.tgz")[3] == index.index.read("left-1.4.2.tgz")
    assert brought(installer, wait, "/simple/unknown/")[0] == 404
    installer.finish()
    wait(lambda: gateway.get("/s/status").json["status"] == "ready", "the session to be ready")
    assert installer.refused == []


def test_files_of_another_host_and_redirects(world, index, installer, wait):
    begin(world, index, wait, installer, **{"packages.python_files": f"{index.url}/wheels/"})
    page = brought(installer, wait, "/simple/greeting/")[3]
    assert b'href="/+files/greeting-1.0-py3-none-any.whl#' in page
    assert brought(installer, wait, "/+files/greeting-1.0-py3-none-any.whl")[0] == 200
    index.rule = lambda path: (301, {"Location": f"{index.url}/simple/greeting/"}, b"") if path == "/simple/Greeting/" else None
    assert brought(installer, wait, "/simple/Greeting/")[:3:2] == (301, "/simple/greeting/")
    index.rule = lambda path: (302, {"Location": "http://169.254.169.254/latest"}, b"")
    brought(installer, wait, "/simple/elsewhere/")
    assert installer.refused == [(403, "the site's package index answered with 302")]


@pytest.mark.parametrize("target", ["http://127.0.0.1:1/", "//127.0.0.1:1/x", "@127.0.0.1:1/", "/+npm/../admin", "/a b", "/a\r\nX: y", "",
                                    "/+files/x"])
def test_a_pod_reaches_nothing_but_the_index(world, index, installer, wait, target):
    begin(world, index, wait, installer)
    brought(installer, wait, target)
    answered = [given[0] for given in installer.given] + [status for status, _ in installer.refused]
    assert answered == [404]
    assert all(path == "/127.0.0.1:1/x" for path in index.asked), "a path of the index at most"


def test_where_no_index_is_configured_nobody_asks(world, installer, wait):
    gateway = world.gateway()
    assert gateway.post("/api/v1/sessions", {"session_id": "s", "requirements": ["greeting"]}).status == 201
    wait(lambda: installer.start, "the agent to be started")
    assert "index" not in installer.start
    time.sleep(0.3)  # half a second's calls
    assert world.cluster.agents["s"].calls("GET", "/v1/packages/wanted") == []


@pytest.mark.parametrize("status,seen", [(500, 502), (503, 502), (401, 403), (403, 403), (429, 403)])
def test_an_index_that_refuses(world, index, installer, wait, status, seen):
    begin(world, index, wait, installer)
    index.rule = lambda path: (status, {}, b"no")
    brought(installer, wait, "/simple/greeting/")
    assert installer.refused == [(seen, f"the site's package index answered with {status}")]
    index.rule = lambda path: None
    assert brought(installer, wait, "/simple/greeting/")[0] == 200, "the next question is asked as ever"


def test_an_index_that_cannot_be_reached(world, index, installer, wait):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        gateway = begin(world, index, wait, installer, **{"packages.python_index": f"http://127.0.0.1:{nobody.getsockname()[1]}/simple/"})
        brought(installer, wait, "/simple/greeting/")
    assert installer.refused == [(502, "the site's package index cannot be reached")]
    wait(lambda: gateway.logged("package_index_failed"), "where it is, and why, to be told the operator")


def test_an_answer_that_breaks_off_is_not_given_as_whole(world, index, installer, wait):
    begin(world, index, wait, installer)
    index.rule = lambda path: (200, {"Content-Length": "1000"}, [b"half"]) if path == "/half" else None
    installer.ask("/half")
    wait(lambda: index.asked.count("/half") > 1, "it to be asked again")
    assert installer.given == []


def test_what_is_too_large_is_refused(world, index, installer, wait):
    begin(world, index, wait, installer, **{"limits.packages": "1Mi"})
    index.rule = lambda path: (200, {}, b"x" * (600 * 1024)) if path == "/part" else None
    assert len(brought(installer, wait, "/part")[3]) == 600 * 1024
    brought(installer, wait, "/part")
    assert installer.refused == [(403, "the packages are larger than the site allows (1048576 bytes)")]


def test_what_is_too_large_and_does_not_say_so_is_cut(world, index, installer, wait):
    gateway = begin(world, index, wait, installer, **{"limits.packages": "1Mi"})
    index.rule = lambda path: (200, {}, [b"x" * 65536] * 64) if path == "/much" else None
    installer.ask("/much")
    wait(lambda: gateway.logged("packages_too_large"), "the gateway to stop")
    assert installer.given == []


def test_a_session_that_ends_meanwhile_leaves_nothing(world, index, installer, wait):
    gateway = begin(world, index, wait, installer)
    held = threading.Event()
    index.rule = lambda path: held.wait(30) and None
    installer.ask("/simple/greeting/")
    wait(lambda: index.asked, "the index to be asked")
    assert gateway.delete("/s").status == 202
    wait(lambda: "s" not in world.cluster.pods, "the end")
    held.set()


def test_another_gateway_goes_on(world, index, installer, wait):
    first = begin(world, index, wait, installer)
    first.process.kill()
    world.gateways.remove(first)
    first.process.wait()
    world.gateway(**{"packages.python_index": f"{index.url}/simple/"})
    assert brought(installer, wait, "/simple/greeting/")[0] == 200
