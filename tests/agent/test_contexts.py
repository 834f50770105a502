"""Interpreters that keep their variables."""
import time

import pytest

from box import Box


class Storing(Box):
    """A session may have 64 results that wait to be stored; here are more."""

    def run(self, language, code, **members):
        r = super().run(language, code, **members)
        self.call("POST", f"/v1/executions/{r['execution_id']}/stored")
        return r


@pytest.fixture(scope="module")
def session():
    with Storing() as b:
        yield b


def make(box, language, **members):
    answer = box.call("POST", "/v1/contexts", {"language": language, **members})
    assert answer.status == 201, answer
    return answer.json["context_id"]


@pytest.fixture(params=["python", "nodejs", "bash"])
def context(request, session):
    """(language, run) of a context of this test alone."""
    cid = make(session, request.param)
    run = lambda code, **members: session.run(request.param, code, context=cid, **members)  # noqa: E731
    run.id = cid
    yield request.param, run
    session.call("DELETE", f"/v1/contexts/{cid}")


SET = {"python": "x = 5", "nodejs": "let x = 5; var y = 6; function f() { return x + 1; }", "bash": "x=5; f() { echo $((x + 1)); }"}
SHOW = {"python": "print(x)", "nodejs": "console.log(x)", "bash": "echo $x"}


def test_variables_stay(context):
    language, run = context
    r = run(SET[language])
    assert r["status"] == "completed" and r["exit_code"] == 0 and r["context_id"] == run.id
    assert run(SHOW[language])["stdout"] == "5\n"


def test_outputs_are_apart(context):
    language, run = context
    out = {"python": "import sys\nprint('{0}'); print('e{0}', file=sys.stderr)", "nodejs": "console.log('{0}'); console.error('e{0}')",
           "bash": "echo {0}; echo e{0} >&2"}[language]
    for word in "abc":
        r = run(out.replace("{0}", word))
        assert (r["stdout"], r["stderr"]) == (f"{word}\n", f"e{word}\n")


def test_large_output(context):
    language, run = context
    code = {"python": "import sys\nfor i in range(3000): print('x' * 999)", "nodejs": "for (let i = 0; i < 3000; i++) console.log('x'.repeat(999))",
            "bash": "for i in {1..300}; do printf '%09999d\\n' 0; done"}[language]
    r = run(code)
    assert r["stdout_total"] == 3000000 and r["truncated"] and r["status"] == "completed"
    assert run(SET[language])["stdout"] == ""


def test_input_is_each_programs_own(context):
    language, run = context
    read = {"python": "print(input())", "nodejs": "console.log(require('fs').readFileSync(0, 'utf8').trim())", "bash": "read -r a; echo $a"}[language]
    assert run(read, stdin="one\n")["stdout"] == "one\n"
    assert run(read, stdin="two\n")["stdout"] == "two\n"
    none = {"python": "import sys\nrepr(sys.stdin.read())", "nodejs": "require('fs').readFileSync(0, 'utf8')", "bash": "cat"}[language]
    r = run(none)
    assert r["status"] == "completed" and r["stdout"] == ""


def test_node_stdin_stream(session):
    cid = make(session, "nodejs")
    code = "const parts = []; for await (const p of process.stdin) parts.push(p); Buffer.concat(parts.map(Buffer.from)).toString()"
    for word in ("ab", "cd"):
        assert session.run("nodejs", "{" + code.rsplit(";", 1)[0] + "; globalThis.got = Buffer.concat(parts.map(Buffer.from)).toString() } got",
                           context=cid, stdin=word)["result"] == f"'{word}'"
    session.call("DELETE", f"/v1/contexts/{cid}")


def test_args_env_and_cwd(context):
    language, run = context
    code = {"python": "import sys, os\nprint(sys.argv[1:], os.environ['V'], os.getcwd())",
            "nodejs": "console.log(process.argv.slice(2).join(), process.env.V, process.cwd())", "bash": "echo $* $V $PWD"}[language]
    r = run(code, args=["a", "b"], env={"V": "v"}, cwd="/tmp")
    assert "v" in r["stdout"] and "/tmp" in r["stdout"] and "a" in r["stdout"] and "b" in r["stdout"], r
    assert "SPILLWAY" not in run({"python": "import os\nprint(os.environ)", "nodejs": "console.log(process.env)", "bash": "env"}[language], stdin="x")["stdout"]


def test_errors_fail_and_the_context_stays(context):
    language, run = context
    run(SET[language])
    r = run({"python": "1/0", "nodejs": "throw new TypeError('bad')", "bash": "false"}[language])
    assert (r["status"], r["exit_code"]) == ("failed", 1)
    if language != "bash":
        assert r["error"]["name"] in ("ZeroDivisionError", "TypeError") and "runner" not in r["stderr"] and "_context" not in r["stderr"]
    r = run({"python": "def f(:", "nodejs": "let = = 2", "bash": "if"}[language])
    assert r["status"] == "failed" and "python_" not in r["stderr"] and "node_" not in r["stderr"]
    assert run(SHOW[language])["stdout"] == "5\n"


def test_python_traceback_shows_the_right_program(session):
    cid = make(session, "python")
    session.run("python", "def f():\n    return 1 / 0  # here", context=cid)
    r = session.run("python", "\n\nf()", context=cid)
    assert "1 / 0  # here" in r["stderr"] and "f()" in r["stderr"]
    session.call("DELETE", f"/v1/contexts/{cid}")


def test_value(session):
    for language, code, want in (("python", "a = 2; a + 1", "3"), ("nodejs", "const a = 2; [a]", "[ 2 ]"),
                                 ("nodejs", "await Promise.resolve(4)", "4")):
        cid = make(session, language)
        assert session.run(language, code, context=cid)["result"] == want
        assert session.run(language, {"python": "None", "nodejs": "undefined"}[language], context=cid)["result"] is None
        session.call("DELETE", f"/v1/contexts/{cid}")


LONG = {"python": ["while True: pass", "import time\ntime.sleep(60)", "import subprocess\nsubprocess.run(['sleep', '60'])"],
        "nodejs": ["while (true);", "await new Promise(() => {})", "new Promise(r => setTimeout(r, 60000))"], "bash": ["while :; do :; done", "sleep 60"]}


@pytest.mark.parametrize("language,code", [(k, v) for k in LONG for v in LONG[k]])
def test_timeout_keeps_the_context_where_it_can(session, language, code):
    cid = make(session, language)
    session.run(language, SET[language], context=cid)
    r = session.run(language, code, context=cid, timeout_seconds=0.4)
    assert r["status"] == "timeout" and r["error"]["name"] == "TimeoutError" and r["execution_time"] < 3
    after = session.call("POST", f"/v1/exec/{language}?wait=10", {"code": SHOW[language], "context": cid})
    if language == "bash":
        assert "ended" in r["error"]["value"] and after.status == 409 and after.json["code"] == "context_ended" and cid in after.json["detail"]
    else:
        assert "kept" in r["error"]["value"] and after.json["stdout"] == "5\n" and r["signal"] == "SIGINT"
    session.call("DELETE", f"/v1/contexts/{cid}")


def test_a_program_that_does_not_obey_loses_its_context(session):
    cid = make(session, "python")
    session.run("python", "'up'", context=cid)
    r = session.run("python", "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass", context=cid, timeout_seconds=1)
    assert r["status"] == "timeout" and "ended" in r["error"]["value"]
    assert session.call("GET", f"/v1/contexts/{cid}").json["code"] == "context_ended"


def test_cancel_keeps_the_context(session):
    cid = make(session, "python")
    session.run("python", "x = 5", context=cid)
    eid = session.submit("python", "import time\ntime.sleep(60)", context=cid)
    time.sleep(0.2)
    assert session.call("DELETE", f"/v1/executions/{eid}").status == 202
    r = session.ended(eid)
    assert r["status"] == "killed" and "kept" in r["error"]["value"]
    assert session.run("python", "x", context=cid)["result"] == "5"
    session.call("DELETE", f"/v1/contexts/{cid}")


def test_one_at_a_time(session):
    cid = make(session, "bash")
    eid = session.submit("bash", "sleep 0.5", context=cid)
    assert session.call("GET", f"/v1/contexts/{cid}").json["busy"] is True
    r = session.call("POST", "/v1/exec/bash", {"code": "true", "context": cid})
    assert r.status == 409 and r.json["code"] == "context_busy" and cid in r.json["detail"]
    session.ended(eid)
    assert session.call("GET", f"/v1/contexts/{cid}").json["busy"] is False
    session.call("DELETE", f"/v1/contexts/{cid}")


def test_delete_while_it_runs(session):
    cid = make(session, "python")
    eid = session.submit("python", "import time\ntime.sleep(60)", context=cid)
    time.sleep(0.2)
    assert session.call("DELETE", f"/v1/contexts/{cid}").status == 204
    r = session.ended(eid)
    assert r["status"] == "killed" and r["exit_code"] is None and r["error"]["name"] == "ContextEnded"
    r = session.call("POST", "/v1/exec/python", {"code": "1", "context": cid})
    assert r.status == 409 and "deleted" in r.json["detail"]
    assert session.call("DELETE", f"/v1/contexts/{cid}").status == 204  # it may come twice on its way


@pytest.mark.parametrize("language,code,status,exit_code", [
    ("bash", "exit 7", "failed", 7), ("nodejs", "process.exit(3)", "failed", 3), ("python", "import os\nos._exit(4)", "failed", 4),
    ("python", "import os\nos.kill(os.getpid(), 9)", "killed", None), ("bash", "kill -SEGV $$", "killed", None)])
def test_an_interpreter_that_ends_is_said_to(session, language, code, status, exit_code):
    cid = make(session, language)
    r = session.run(language, code, context=cid)
    assert (r["status"], r["exit_code"]) == (status, exit_code), r
    r = session.call("POST", f"/v1/exec/{language}", {"code": "", "context": cid})
    assert r.status == 409 and r.json["code"] == "context_ended" and "interpreter" in r.json["detail"]


def test_python_exit_keeps_the_context(session):
    cid = make(session, "python")
    assert session.run("python", "x = 5\nimport sys\nsys.exit(3)", context=cid)["exit_code"] == 3
    assert session.run("python", "x", context=cid)["result"] == "5"
    session.call("DELETE", f"/v1/contexts/{cid}")


def test_list_limit_and_ids():
    with Box() as box:
        ids = [make(box, "bash", context_id=f"mine-{i}") for i in range(4)]
        assert ids == [f"mine-{i}" for i in range(4)]
        body = box.call("GET", "/v1/contexts").json
        assert [c["context_id"] for c in body["items"]] == ids and body["continue"] is None
        assert set(body["items"][0]) == {"context_id", "language", "created_at", "busy"}
        r = box.call("POST", "/v1/contexts", {"language": "bash"})
        assert r.status == 429 and r.json["code"] == "too_many_contexts" and "4" in r.json["detail"]
        assert box.call("DELETE", "/v1/contexts/mine-0").status == 204
        assert box.call("POST", "/v1/contexts", {"language": "bash", "context_id": "mine-1"}).json["code"] == "context_conflict"
        assert make(box, "bash", context_id="mine-0") == "mine-0"
        assert box.run("bash", "echo anew", context="mine-0")["stdout"] == "anew\n"


@pytest.mark.parametrize("body,status,code", [
    ({"language": "cobol"}, 400, "unknown_language"), ({"language": 5}, 400, "invalid_argument"), ({"nonsense": 1}, 400, "invalid_argument"),
    ({"context_id": "a/b"}, 400, "invalid_id"), ({"context_id": ""}, 400, "invalid_id"), ({"context_id": 1}, 400, "invalid_id"),
    ({"language": ""}, 400, "invalid_argument"), ({"context_id": "x" * 65}, 400, "invalid_id"), ([], 400, "bad_json")])
def test_refused(session, body, status, code):
    r = session.call("POST", "/v1/contexts", body)
    assert (r.status, r.json["code"]) == (status, code)


def test_unknown_and_of_another_language(session):
    assert session.call("DELETE", "/v1/contexts/nobody").json["code"] == "context_not_found"
    assert session.call("GET", "/v1/contexts/nobody").status == 404
    cid = make(session, "bash")
    r = session.call("POST", "/v1/exec/python", {"code": "1", "context": cid})
    assert r.status == 400 and "bash" in r.json["detail"]
    session.call("DELETE", f"/v1/contexts/{cid}")


def test_an_empty_body_makes_one_of_python(session):
    r = session.call("POST", "/v1/contexts", b"")
    assert r.status == 201 and r.json["language"] == "python"
    session.call("DELETE", f"/v1/contexts/{r.json['context_id']}")


def test_contexts_are_activity_and_end_with_the_session():
    with Box() as box:
        time.sleep(0.3)
        before = box.activity()
        cid = make(box, "python")
        after = box.activity()
        assert after["idle_ms"] < before["idle_ms"] and after["seq"] > before["seq"]
        eid = box.submit("python", "import time\ntime.sleep(60)", context=cid)
        assert box.call("POST", "/v1/quiesce", {"epoch": after["epoch"], "force": True}).status == 200
        assert box.ended(eid)["status"] == "killed"
        assert box.call("POST", "/v1/contexts", {"language": "bash"}).json["code"] == "session_ended"


def test_the_walls_are_around_contexts_too(session):
    cid = make(session, "bash")
    r = session.run("bash", "kill -9 1; kill -9 -1; kill -9 $PPID; grep -E 'Seccomp:|NoNewPrivs' /proc/self/status; ls /proc/self/fd", context=cid)
    assert r["stdout"].split() == ["NoNewPrivs:", "1", "Seccomp:", "2", "0", "1", "2", "3"] and r["stderr"].count("not permitted") == 3
    session.call("DELETE", f"/v1/contexts/{cid}")


def test_what_a_context_started_ends_with_it(session):
    cid = make(session, "bash")
    session.run("bash", "setsid sleep 4711 & true", context=cid)
    session.call("DELETE", f"/v1/contexts/{cid}")
    end = time.monotonic() + 3
    while time.monotonic() < end and any("(sleep)" in p for p in session.processes()):
        pass
    assert not any("(sleep)" in p for p in session.processes())


def test_node_timers_go_on_and_do_not_kill_the_context(session):
    cid = make(session, "nodejs")
    session.run("nodejs", "let n = 0; setInterval(() => n++, 5); setTimeout(() => { throw new Error('later') }, 20)", context=cid)
    time.sleep(0.3)
    assert int(session.run("nodejs", "n", context=cid)["result"]) > 5
    session.call("DELETE", f"/v1/contexts/{cid}")


def test_events_in_contexts(session):
    for language, code in (("python", "def handler(event):\n    return event['a']"), ("nodejs", "function handler(event) { return event.a }")):
        cid = make(session, language)
        assert session.run(language, code, context=cid, event={"a": [1]})["result"] in ("[1]",)
        session.call("DELETE", f"/v1/contexts/{cid}")
