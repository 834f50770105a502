"""Files that come with a run, and what a one-shot run is told."""
import base64

import pytest

RUN = {"code": "print(open('a.txt').read() + open('sub/b.bin').read())"}


def test_files_are_there_when_the_code_begins(box):
    files = [{"name": "a.txt", "content": "grüße"}, {"name": "sub/b.bin", "content_base64": base64.b64encode(b"bytes!").decode()}]
    assert box.run("python", RUN["code"], files=files)["stdout"] == "grüßebytes!\n"
    files[0]["content"] = "new "
    assert box.run("python", RUN["code"], files=files)["stdout"] == "new bytes!\n"


@pytest.mark.parametrize("size", range(7))
def test_base64_of_every_length(box, size):
    data = bytes(range(250, 256))[:size]
    files = [{"name": "c.bin", "content_base64": base64.b64encode(data).decode()}]
    assert box.run("python", "open('c.bin', 'rb').read()", files=files)["result"] == repr(data)


@pytest.mark.parametrize("files", [
    1, {}, ["a"], [{"name": "a"}], [{"content": "x"}], [{"name": "../a", "content": ""}], [{"name": "/a", "content": ""}],
    [{"name": "a", "content": "", "content_base64": ""}], [{"name": "a", "content": 1}], [{"name": "a", "content_base64": "x"}],
    [{"name": "a", "content_base64": "=AAA"}], [{"name": "a", "content_base64": "AA=A"}], [{"name": "a", "content": "", "mode": 1}],
    [{"name": "a", "content": ""}] * 65,
])
def test_bad_files_are_refused_and_nothing_runs(box, files):
    before = len(box.call("GET", "/v1/executions").json["items"])
    answer = box.call("POST", "/v1/exec/python", {"code": "1", "files": files})
    assert answer.status == 400 and answer.json["code"] in ("invalid_argument", "limit_exceeded"), answer
    assert len(box.call("GET", "/v1/executions").json["items"]) == before


def test_no_file_lands_behind_a_link(box):
    box.run("bash", "ln -sfn /tmp away")
    answer = box.call("POST", "/v1/exec/bash", {"code": "true", "files": [{"name": "away/x", "content": ""}]})
    assert answer.status in (403, 409) and box.run("bash", "ls /tmp/x")["status"] == "failed"


def test_a_run_is_called_by_its_session(box):
    answer = box.call("POST", "/v1/exec/bash", {"code": "true", "one_shot": True})
    assert answer.status == 202 and answer.json["run_id"] == "test-session" and answer.json["result"] == "/api/run/test-session"
