"""The standard input from a file of the workspace."""
import pytest

from box import Box

READ_ALL = "import sys, hashlib\ndata = sys.stdin.buffer.read()\nprint(len(data), hashlib.sha256(data).hexdigest())"


@pytest.fixture(params=["openat2", "walk"])
def either(request):
    """Both ways of opening: one openat2(), and component by component, as in gVisor."""
    with Box(plain_paths=request.param == "walk") as b:
        yield b


@pytest.mark.parametrize("language,code", [("python", "import sys\nprint(sys.stdin.read().upper())"),
                                           ("nodejs", "console.log(require('fs').readFileSync(0, 'utf8').toUpperCase())"),
                                           ("bash", "tr a-z A-Z; echo")])
def test_a_program_reads_the_file_to_its_end(box, language, code):
    box.run("bash", "mkdir -p in; printf 'one\\ntwo' >in/words.txt")
    r = box.run(language, code, stdin_file="in/words.txt")
    assert (r["status"], r["stdout"]) == ("completed", "ONE\nTWO\n"), r


def test_an_empty_file_is_the_end_at_once(box):
    box.run("bash", ": >empty")
    assert box.run("bash", "cat | wc -c", stdin_file="empty")["stdout"].strip() == "0"


def test_a_large_file_costs_the_agent_no_memory(fresh):
    """30 MiB: more than any text in a request may have."""
    made = fresh.run("python", "import os, hashlib\ndata = os.urandom(1 << 20) * 30\nopen('big', 'wb').write(data)\n"
                               "print(len(data), hashlib.sha256(data).hexdigest())")
    before = fresh.agent_memory_kib()
    assert fresh.run("python", READ_ALL, stdin_file="big")["stdout"] == made["stdout"]
    assert fresh.agent_memory_kib() - before < 4096


def test_a_program_that_does_not_read_its_file_ends_as_ever(fresh):
    fresh.run("bash", "head -c 20000000 /dev/zero >zeros")
    assert fresh.run("bash", "head -c 5 | wc -c", stdin_file="zeros")["stdout"].strip() == "5"
    assert fresh.run("bash", "sleep 60", stdin_file="zeros", timeout_seconds=0.5)["status"] == "timeout"
    assert fresh.run("bash", "echo after", stdin_file="zeros")["stdout"] == "after\n"


@pytest.mark.parametrize("language,code", [("python", "print(input())"), ("bash", "read -r line; echo $line"),
                                           ("nodejs", "console.log(require('fs').readFileSync(0, 'utf8').trim())")])
def test_in_a_context(box, language, code):
    context = box.call("POST", "/v1/contexts", {"language": language}).json["context_id"]
    box.run("bash", "echo first >a.txt; echo second >b.txt")
    for name, line in (("a.txt", "first\n"), ("b.txt", "second\n")):
        assert box.run(language, code, context=context, stdin_file=name)["stdout"] == line
    box.call("DELETE", f"/v1/contexts/{context}")


def test_what_comes_with_the_run_can_be_its_input(box):
    r = box.run("bash", "cat", stdin_file="given.txt", files=[{"name": "given.txt", "content": "with the run"}])
    assert r["stdout"] == "with the run"


def test_the_same_id_with_another_file_is_another_run(box):
    box.run("bash", "echo 1 >one; echo 2 >two")
    assert box.run("bash", "cat", stdin_file="one", execution_id="from-one")["stdout"] == "1\n"
    assert box.run("bash", "cat", stdin_file="one", execution_id="from-one")["stdout"] == "1\n"
    again = box.call("POST", "/v1/exec/bash", {"code": "cat", "stdin_file": "two", "execution_id": "from-one"})
    assert (again.status, again.json["code"]) == (409, "execution_conflict")


@pytest.mark.parametrize("name,status,word", [
    ("folder", 403, "is a folder"), ("fifo", 403, "no regular file"), ("link", 403, "symbolic link"), ("away/passwd", 403, "symbolic link"),
    ("secret", 403, "may not be reached"), ("file/x", 404, "no folder"), ("gone", 404, "there is no"),
])
def test_only_a_regular_file_below_the_workspace_is_opened(either, name, status, word):
    either.run("bash", "mkdir folder; mkfifo fifo; ln -s /etc/passwd link; ln -s /etc away; : >secret; chmod 0 secret; : >file")
    answer = either.call("POST", "/v1/exec/bash", {"code": "cat", "stdin_file": name})
    assert answer.status == status and word in answer.json["detail"] and "stdin_file" in answer.json["detail"], answer
    assert either.activity()["executions"] == 1, "nothing ran"
