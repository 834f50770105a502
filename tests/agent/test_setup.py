"""What a session installs before it is ready, from folders that the operator offers."""
import os
import shutil
import tarfile
import tempfile
import time

import box as boxes
import pytest
from box import EPOCH, Box
from packages import tarball, wheel


@pytest.fixture(scope="module")
def made():
    """The agent's folder with packages beside it."""
    folder = tempfile.mkdtemp(prefix="spillway-agent-data-")
    data = f"{folder}/spillway"
    shutil.copytree(boxes.agent_data(), data)
    packages = f"{data}/packages"
    os.mkdir(packages)
    wheel(packages, "greeting", "1.0", "def greet():\n    return 'old'\n")
    wheel(packages, "greeting", "1.2", "import words\n\ndef greet():\n    return words.HELLO\n", requires=["words>=1"])
    wheel(packages, "words", "1.0", "HELLO = 'hello from a wheel'\n")
    wheel(packages, "broken", "1.0", "", requires=["nowhere-to-be-found"])
    tarball(packages, "left", "1.0.0", "module.exports = 'left 1.0.0'")
    tarball(packages, "left", "1.4.2", "module.exports = 'left 1.4.2 with ' + require('@own/right')", {"@own/right": "^2.1.0"})
    tarball(packages, "left", "2.0.0-beta.1", "module.exports = 'beta'")
    tarball(packages, "left", "3.0.0", "module.exports = 'left 3'")
    tarball(packages, "@own/right", "2.1.7", "module.exports = 'right 2.1.7'")
    tarball(packages, "@own/right", "3.0.0", "module.exports = 'right 3'")
    tarball(packages, "modern", "1.0.0", "import right from '@own/right';\nexport default `modern with ${right}`;", {"@own/right": "^3.0.0"},
            type="module")
    for name, other in (("round", "about"), ("about", "round")):  # 1 needs 1 of the other, that needs 2 of the first, …
        tarball(packages, name, "1.0.0", "", {other: "1.0.0" if name == "round" else "2.0.0"})
        tarball(packages, name, "2.0.0", "", {other: "2.0.0" if name == "round" else "1.0.0"})
    climber = tarfile.TarInfo("package/../../../../home/sandbox/climbed")
    tarball(packages, "climber", "1.0.0", "", extra=[(climber, b"outside")])
    link = tarfile.TarInfo("package/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    tarball(packages, "linker", "1.0.0", "", extra=[(link, b"")])
    os.chmod(folder, 0o755)
    yield data
    shutil.rmtree(folder)


@pytest.fixture
def offered(made, monkeypatch):
    monkeypatch.setenv("SPILLWAY_AGENT_DIR", made)
    return made


def start(box, **members):
    answer = box.call("POST", "/v1/start", {"epoch": EPOCH, "env": {}, "deadline_ms": 600000, **members})
    assert answer.status == 200, answer
    return answer.json


def until_set_up(box, **members):
    end = time.monotonic() + 60
    activity = start(box, **members)
    while activity["setup"]["state"] == "running":
        assert not activity["started"] and time.monotonic() < end, activity
        time.sleep(0.05)
        activity = start(box, **members)
    return activity


@pytest.mark.parametrize("warm", [True, False])
def test_wheels_are_there_when_the_session_is_ready(offered, warm):
    with Box(start=False, warm=warm) as box:
        box.wait_until_warm()
        activity = start(box, requirements=["greeting"])
        assert activity["setup"]["state"] == "running" and not activity["started"] and activity["executions"] == 0
        refused = box.call("POST", "/v1/exec/python", {"code": "1"})
        assert (refused.status, refused.json["code"]) == (503, "session_not_ready")
        activity = until_set_up(box, requirements=["greeting"])
        assert activity["started"] and activity["setup"]["state"] == "done", activity
        assert "greeting-1.2" in activity["setup"]["line"] and "words-1.0" in activity["setup"]["line"]
        assert activity["executions"] == 0 and activity["last_execution"] is None
        assert box.run("python", "import greeting\ngreeting.greet()")["result"] == "'hello from a wheel'"
        assert box.run("bash", "python3 -c 'import greeting; print(greeting.greet())'")["stdout"] == "hello from a wheel\n"
        context = box.call("POST", "/v1/contexts", {"language": "python"}).json["context_id"]
        assert box.run("python", "import greeting\ngreeting.greet()", context=context)["result"] == "'hello from a wheel'"


def test_a_version_can_be_asked_for(offered):
    with Box(start=False) as box:
        assert until_set_up(box, requirements=["greeting==1.0"])["started"]
        assert box.run("python", "import greeting\ngreeting.greet()")["result"] == "'old'"


@pytest.mark.parametrize("name,value", [("left@^1.0.0", "left 1.4.2 with right 2.1.7"), ("left@1.0.0", "left 1.0.0"), ("left", "left 3"),
                                        ("left@~1.4", "left 1.4.2 with right 2.1.7"), ("left@>=1 <1.4.2", "left 1.0.0"), ("left@1.x", None),
                                        ("left@2.0.0-beta.1", "beta"), ("left@1.0.0 - 2", None), ("left@<=1.3 || 9", "left 1.0.0")])
def test_npm_packages_with_what_they_need(offered, name, value):
    with Box(start=False) as box:
        activity = until_set_up(box, npm=[name])
        assert activity["started"], activity
        value = value or "left 1.4.2 with right 2.1.7"
        assert box.run("nodejs", "require('left')")["result"] == f"'{value}'"
        assert box.run("nodejs", "import left from 'left';\nleft")["result"] == f"'{value}'"
        assert box.call("GET", "/v1/files/list").json["items"] == [], "the workspace is the client's own"


def test_two_versions_of_a_package_each_where_it_is_needed(offered):
    with Box(start=False) as box:
        activity = until_set_up(box, npm=["left@^1.4.0", "@own/right@3.0.0"])
        assert activity["started"], activity
        assert box.run("nodejs", "[require('left'), require('@own/right')]")["result"] == "[ 'left 1.4.2 with right 2.1.7', 'right 3' ]"


def test_es_modules_find_what_they_need(offered):
    with Box(start=False) as box:
        activity = until_set_up(box, npm=["modern"])
        assert activity["started"], activity
        assert box.run("nodejs", "import modern from 'modern';\nmodern")["result"] == "'modern with right 3'"


@pytest.mark.parametrize("members,words", [
    ({"requirements": ["no-such-thing"]}, ["No matching distribution found for no-such-thing"]),
    ({"requirements": ["greeting==9"]}, ["No matching distribution found for greeting==9"]),
    ({"requirements": ["broken"]}, ["nowhere-to-be-found"]),
    ({"npm": ["no-such-thing"]}, ["no-such-thing, which is not offered here"]),
    ({"npm": ["left@^7.0.0"]}, ["left@^7.0.0", "1.4.2"]),
    ({"npm": ["left@^1.4.0", "left@3"]}, ["the session needs left@3, but 1.4.2 is needed too"]),
    ({"npm": ["round"]}, ["in 16 others that need other versions"]),
    ({"npm": ["climber"]}, ["a name that leads elsewhere"]),
    ({"npm": ["linker"]}, ["no regular file"]),
    ({"npm": ["left@a b"]}, ["no range of versions"]),
])
def test_what_cannot_be_installed_is_said_and_nothing_runs(offered, members, words):
    with Box(start=False) as box:
        activity = until_set_up(box, **members)
        assert not activity["started"] and activity["setup"]["state"] == "failed", activity
        for word in words:
            assert word in activity["setup"]["line"], activity
        assert box.call("POST", "/v1/exec/bash", {"code": "true"}).status == 503
        assert not os.path.exists(f"/proc/{box.agent_pid()}/root/home/sandbox/climbed")


def test_an_installation_has_a_time_of_its_own(offered):
    script = f"{offered}/runtimes/install_packages.sh"
    with open(script, encoding="utf-8") as file:
        text = file.read()
    try:
        with open(script, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\necho looking for it\nsleep 600 & sleep 600\n")
        with Box(start=False, setup_ms=500) as box:
            activity = until_set_up(box, requirements=["greeting"])
            assert activity["setup"]["status"] == "timeout" and activity["setup"]["line"] == "looking for it", activity
            assert box.agent_children() == [], "nothing of it is left"
    finally:
        with open(script, "w", encoding="utf-8") as file:
            file.write(text)


@pytest.mark.parametrize("members", [{"requirements": "greeting"}, {"requirements": [1]}, {"requirements": [""]}, {"requirements": ["-e ."]},
                                     {"npm": ["a\nrequirements b"]}, {"npm": ["x" * 201]}, {"npm": ["x"] * 65}, {"npm": {}}])
def test_what_is_no_list_of_names_is_refused(offered, members):
    with Box(start=False) as box:
        answer = box.call("POST", "/v1/start", {"epoch": EPOCH, "env": {}, "deadline_ms": 600000, **members})
        assert (answer.status, answer.json["code"]) == (400, "invalid_argument")
        assert start(box)["started"], "nothing was begun"


def test_where_nothing_is_offered_that_is_said():
    with Box(start=False) as box:
        assert until_set_up(box, requirements=["greeting"])["setup"]["line"] == "this site offers no packages"
