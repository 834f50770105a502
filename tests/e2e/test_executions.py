"""What an execution may be given, and how it may end."""
import base64
import concurrent.futures

import pytest
from harness import problems
from harness.session import new_id


@pytest.mark.parametrize("language, code, value", [
    ("python", "x = 20\nx * 2 + 2", "42"),
    ("python", "'text'", "'text'"),
    ("python", "x = 1", None),
    ("python", "None", None),
    ("python", "def f():\n    return {'a': [1]}\nf()", "{'a': [1]}"),
    ("nodejs", "const x = 20; x * 2 + 2", "42"),
    ("nodejs", "({ a: [ 1 ] })", "{ a: [ 1 ] }"),
    ("nodejs", "undefined", None),
])
def test_the_last_expression_is_the_result(shared_session, language, code, value):
    answer = shared_session.run(code, language)
    assert (answer["status"], answer["result"]) == ("completed", value)
    assert answer["stdout"] == ""


@pytest.mark.parametrize("language, code, exit_code", [
    ("python", "import sys\nsys.exit(7)", 7),
    ("python", "import os\nos._exit(9)", 9),
    ("nodejs", "process.exit(7)", 7),
    ("bash", "exit 7", 7),
])
def test_another_exit_code_is_failed(shared_session, language, code, exit_code):
    answer = shared_session.run(code, language)
    assert (answer["status"], answer["exit_code"], answer["signal"]) == ("failed", exit_code, None)


@pytest.mark.parametrize("language, code, name", [
    ("python", "1 / 0", "ZeroDivisionError"),
    ("python", "this is no python", "SyntaxError"),
    ("nodejs", "null.x", "TypeError"),
])
def test_an_uncaught_exception_is_failed_and_described(shared_session, language, code, name):
    answer = shared_session.run(code, language)
    assert answer["status"] == "failed"
    assert answer["exit_code"] not in (0, None)
    assert answer["error"]["name"] == name
    assert name in answer["stderr"] + (answer["error"]["traceback"] or "")


@pytest.mark.parametrize("signal", ["SIGSEGV", "SIGKILL", "SIGTERM", "SIGABRT"])
def test_a_signal_is_killed_and_named(shared_session, signal):
    answer = shared_session.run(f"import os, signal\nos.kill(os.getpid(), signal.{signal})")
    assert (answer["status"], answer["signal"], answer["exit_code"]) == ("killed", signal, None)


def test_time_out_kills_everything_the_run_started(shared_session):
    answer = shared_session.run(
        "import os, subprocess, time\n"
        "subprocess.Popen(['setsid', 'sleep', '1234'], start_new_session=True)\n"
        "if os.fork() == 0:\n    os.setsid()\n    os.fork()\n    time.sleep(1234)\n"
        "print('started', flush=True)\ntime.sleep(1234)\n", timeout_seconds=1)
    assert (answer["status"], answer["stdout"]) == ("timeout", "started\n")
    after = shared_session.run("ps=''; for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $f 2>/dev/null; echo; done",
                               "bash")
    assert "1234" not in after["stdout"], after["stdout"]


def test_what_a_run_started_dies_with_its_end(shared_session):
    answer = shared_session.run("(setsid sleep 4321 >/dev/null 2>&1 &)\nnohup sleep 4321 >/dev/null 2>&1 &\necho done",
                                "bash")
    assert (answer["status"], answer["stdout"]) == ("completed", "done\n")
    after = shared_session.run("grep -l 4321 /proc/[0-9]*/cmdline 2>/dev/null | grep -v self | wc -l", "bash")
    assert int(after["stdout"]) <= 1, "grep itself at most"  # its own command line holds the number


def test_a_grandchild_that_holds_stdout_does_not_hold_the_answer(shared_session):
    answer = shared_session.run("sleep 30 &\necho done", "bash", timeout_seconds=20)
    assert (answer["status"], answer["stdout"]) == ("completed", "done\n")
    assert answer["execution_time"] < 20


def test_stdin_is_end_of_file_when_none_is_given(shared_session):
    assert shared_session.run("import sys\nprint(repr(sys.stdin.read()))")["stdout"] == "''\n"


def test_stdin_is_fed_and_closed(shared_session):
    answer = shared_session.run("import sys\nprint(sys.stdin.read().upper())", stdin="zeile\nümlaut")
    assert answer["stdout"] == "ZEILE\nÜMLAUT\n"


def test_stdin_comes_from_a_file_of_the_workspace(shared_session):
    shared_session.run("mkdir -p in; seq 100000 >in/numbers", language="bash")
    for language, code in (("python", "import sys\nprint(sum(map(int, sys.stdin)))"), ("bash", "awk '{ n += $1 } END { print n }'")):
        assert shared_session.run(code, language=language, stdin_file="in/numbers")["stdout"] == "5000050000\n"
    for name in ("in", "gone", "../etc/passwd"):
        problems.check(shared_session.try_exec("bash", "cat", stdin_file=name), {"in": 403, "gone": 404}.get(name, 400))


def test_a_language_has_other_names_everywhere(client, shared_session):
    for name, code in (("py", "print('python')"), ("node", "console.log('nodejs')"), ("sh", "echo bash")):
        result = shared_session.run(code, language=name)
        assert result["stdout"].strip() == result["language"], result
        assert client.post("/api/run/sync", {"language": name, "code": code}).expect(200).json()["stdout"] == result["stdout"]
    context = client.post(f"/{shared_session.id}/contexts", {"language": "node"}).expect(201).json()
    assert context["language"] == "nodejs"
    assert shared_session.run("6 * 7", language="js", context=context["context_id"])["result"] == "42"
    client.delete(f"/{shared_session.id}/contexts/{context['context_id']}").expect(200, 204)


def test_open_stdin_is_fed_until_its_end(client, session):
    execution = session.submit("import os, sys\nfor line in sys.stdin:\n    os.write(1, b'got ' + line.encode())",
                               stdin_open=True)
    path = f"/{session.id}/executions/{execution}/stdin"
    raw_bytes = {"Content-Type": "application/octet-stream"}
    client.post(path, body=b"one\n", headers=raw_bytes).expect(204)
    assert session.result(execution, wait=20, stdout_offset=0)["stdout"] == "got one\n"
    client.post(path, body=b"two\n", headers=raw_bytes, params={"eof": "true"}).expect(204)
    assert session.final(execution)["stdout"] == "got one\ngot two\n"
    problems.check(client.post(path, body=b"three\n", headers=raw_bytes), 409)


def test_args_env_cwd_and_filename_reach_the_program(shared_session):
    answer = shared_session.run(
        "import os, sys\nprint(sys.argv[1:], os.environ['COLOUR'], os.getcwd())",
        args=["a b", "ü"], env={"COLOUR": "red"}, cwd="/tmp")
    assert answer["stdout"] == "['a b', 'ü'] red /tmp\n"


def test_plain_text_is_the_code_itself(client, session):
    reply = client.post(f"/{session.id}/exec/python", body="print('plain ü')".encode(),
                        headers={"Content-Type": "text/plain; charset=utf-8"}, params={"wait": 20})
    assert reply.expect(200).json()["stdout"] == "plain ü\n"


def test_exec_with_wait_gives_the_whole_result_or_says_that_it_runs(session):
    quick = session.try_exec(code="print(1)", wait=20).expect(200).json()
    assert (quick["status"], quick["stdout"]) == ("completed", "1\n")
    slow = session.try_exec(code="import time\ntime.sleep(4)", wait=1).expect(202).json()
    assert slow["status"] == "running"
    assert session.final(slow["execution_id"])["status"] == "completed"


def test_the_same_execution_id_is_the_same_execution(client, session):
    name = new_id("run")
    code = "import os\nopen('/workspace/count', 'a').write('x')\nprint(len(open('/workspace/count').read()))"
    first = session.try_exec(code=code, execution_id=name).expect(202).json()
    again = session.try_exec(code=code, execution_id=name).expect(200, 202).json()
    assert first["execution_id"] == again["execution_id"] == name
    assert session.final(name)["stdout"] == "1\n"
    after = session.try_exec(code=code, execution_id=name, wait=20).expect(200, 202).json()
    assert after["execution_id"] == name
    assert session.final(name)["stdout"] == "1\n"
    assert session.run("print(open('/workspace/count').read())")["stdout"] == "x\n"
    assert len(client.get(f"/{session.id}/executions").json()["items"]) == 2


def test_the_same_execution_id_from_many_clients_at_once_runs_once(client, session):
    name = new_id("race")
    code = "open('/workspace/race', 'a').write('x')"
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: session.try_exec(code=code, execution_id=name), range(16)))
    assert {reply.status for reply in replies} <= {200, 202}, replies
    session.final(name)
    assert session.run("print(open('/workspace/race').read())")["stdout"] == "x\n"


def test_idempotency_key_names_the_execution(session):
    key = {"Idempotency-Key": new_id("key")}
    first = session.try_exec(code="print('once')", headers=key).expect(202).json()["execution_id"]
    again = session.try_exec(code="print('once')", headers=key).expect(200, 202).json()["execution_id"]
    assert first == again
    problems.check(session.try_exec(code="print('other')", headers=key), 409, "execution_conflict")


def test_the_same_execution_id_with_another_body_is_a_conflict(session):
    name = new_id("run")
    session.try_exec(code="print(1)", execution_id=name).expect(202)
    problems.check(session.try_exec(code="print(2)", execution_id=name), 409, "execution_conflict")
    assert session.final(name)["stdout"] == "1\n"


def test_the_fifth_execution_at_once_is_refused_and_costs_the_others_nothing(session):
    running = [session.submit("import time\ntime.sleep(3)\nprint('ok')") for _ in range(4)]
    refused = session.try_exec(code="print('too many')")
    problems.check(refused, 429, "too_many_executions")
    problems.check_retry_after(refused)
    assert [session.final(execution)["stdout"] for execution in running] == ["ok\n"] * 4


def test_cancel_ends_an_execution_as_killed(client, session):
    execution = session.submit("print('up', flush=True)\nimport time\ntime.sleep(1000)", timeout_seconds=200)
    session.result(execution, wait=20, stdout_offset=0)
    client.delete(f"/{session.id}/executions/{execution}").expect(202)
    assert session.final(execution)["status"] == "killed"
    client.delete(f"/{session.id}/executions/{execution}").expect(200)
    problems.check(client.delete(f"/{session.id}/executions/unknown"), 404, "execution_not_found")


def test_offsets_page_through_a_long_output(session):
    execution = session.submit("for number in range(0, 60000, 100):\n    print('\\n'.join('%07d' % n for n in range(number, number + 100)))")
    session.final(execution)
    text, offset, pages = "", 0, 0
    while True:
        page = session.result(execution, stdout_offset=offset, limit=100000)
        assert len(page["stdout"]) <= 100000
        text += page["stdout"]
        offset = page["stdout_next"]
        pages += 1
        if offset == page["stdout_total"]:
            break
    assert text == "".join(f"{number:07d}\n" for number in range(60000)) and pages == 5
    problems.check(session.result_reply(execution, stdout_offset=offset + 1), 416, "offset_beyond_end")


def test_a_flood_keeps_head_and_tail_and_says_what_is_gone(session):
    execution = session.submit(
        "import sys\nfor number in range(0, 500000, 100):\n    sys.stdout.write(''.join('%07d\\n' % n for n in range(number, number + 100)))",
        timeout_seconds=60)
    answer = session.final(execution)
    assert (answer["status"], answer["truncated"], answer["stdout_total"]) == ("completed", True, 4000000)
    assert answer["stdout"].startswith("0000000\n")
    assert answer["stdout_dropped"] == 4000000 - 1024 * 1024
    gap = session.result(execution, stdout_offset=1000000, limit=1048576)
    assert gap["stdout_skipped"] > 0 and gap["stdout_offset"] == 1000000 + gap["stdout_skipped"]
    assert gap["stdout"].endswith("0499999\n")


def test_bytes_that_are_no_text_are_marked_and_given_exactly_on_wish(session):
    execution = session.submit("import sys\nsys.stdout.buffer.write(b'a\\xff\\x00b')")
    answer = session.final(execution)
    assert (answer["stdout"], answer["stdout_binary"], answer["stdout_total"]) == ("a\ufffd\x00b", True, 4)
    exact = session.result(execution, encoding="base64")
    assert base64.b64decode(exact["stdout"]) == b"a\xff\x00b"


def test_an_unknown_execution_is_404(session):
    problems.check(session.result_reply("never-was"), 404, "execution_not_found")


def test_a_page_is_cut_at_a_character_and_counted_in_bytes(shared_session):
    answer = shared_session.run("print('é' * 3, end='')")
    assert (answer["stdout"], answer["stdout_total"]) == ("ééé", 6)
    page = shared_session.result(answer["execution_id"], stdout_offset=0, limit=3)
    assert (page["stdout"], page["stdout_next"]) == ("é", 2)  # cut at a character


def test_a_result_that_the_agent_let_go_comes_from_the_store(site, make_session):
    """The agent keeps 64; a gateway that did not copy the first one has it from the store only."""
    session = make_session(cleanup="idle")
    first = session.run("print('first')")["execution_id"]
    for _ in range(66):
        session.run("true", "bash")
    for entry in site.gateways:
        client = site.client_of(entry["name"])
        answer = client.get(f"/{session.id}/result?execution_id={first}").expect(200).json()
        assert (answer["status"], answer["stdout"]) == ("completed", "first\n")
        client.close()
