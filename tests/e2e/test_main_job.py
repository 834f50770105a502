"""The main job: create, ready, run, poll, gone."""
import random
import time

import pytest
from harness.session import Session, new_id
from harness.wait import until

SLOW = """import time
for number in range(5):
    print('line', number, flush=True)
    time.sleep(0.3)
"""


def pod_gone(site, session, seconds=100):
    until(lambda: site.node().pod(session) is None, seconds, f"pod of {session} gone", every=0.1)


def test_session_from_create_to_gone_by_short_form(site, client):
    session = Session(client)
    created = session.create()
    assert created["session_id"] == session.id
    assert created["status"] in ("pending", "creating", "ready")
    ready = session.wait_ready()
    assert ready["placement"]["kind"] == "local"
    pod = site.node().pod(session.id)
    assert pod["metadata"]["name"] == ready["pod"]["name"]
    execution = session.submit(SLOW)
    pieces, final = session.output(execution)
    assert "".join(text for _, text in pieces) == "".join(f"line {number}\n" for number in range(5))
    running = [text for status, text in pieces if status == "running"]
    assert len(running) >= 3, f"partial output was not visible while it ran: {pieces}"
    assert (final["status"], final["exit_code"], final["signal"]) == ("completed", 0, None)
    assert final["execution_time"] >= 1.5
    pod_gone(site, session.id)
    ended = session.wait_ended()
    assert ended["status"] == "stopped"
    assert session.result(execution)["stdout"] == final["stdout"] or session.result(execution)["stdout_total"] == 35


def test_session_from_create_to_gone_by_resource_form(site, client):
    session = Session(client, form="resource")
    created = session.create()
    assert created["session_id"] == session.id
    session.wait_ready()
    answer = client.post(f"{session.base}/execute", {"code": "print(6 * 7)", "language": "python"}).expect(200).json()
    assert (answer["status"], answer["stdout"]) == ("completed", "42\n")
    assert session.status()["status"] == "ready"  # the form's clean-up is idle: it stays
    session.delete().expect(202)
    pod_gone(site, session.id)
    assert session.wait_ended()["status"] == "stopped"


def test_both_spellings_reach_the_same_session(client, make_session):
    session = make_session(cleanup="idle")
    other = Session(client, session.id, form="resource")
    execution = other.submit("print('same')")
    assert session.final(execution)["stdout"] == "same\n"
    assert session.status()["session_id"] == other.status()["session_id"]
    assert [item["execution_id"] for item in
            client.get(f"/{session.id}/executions").expect(200).json()["items"]] == [execution]


@pytest.mark.parametrize("language, code, output", [
    ("python", "import sys\nprint('out')\nprint('err', file=sys.stderr)", ("out\n", "err\n")),
    ("nodejs", "console.log('out'); console.error('err')", ("out\n", "err\n")),
    ("bash", "echo out; echo err >&2", ("out\n", "err\n")),
])
def test_languages_keep_their_two_streams_apart(shared_session, language, code, output):
    answer = shared_session.run(code, language)
    assert (answer["stdout"], answer["stderr"]) == output
    assert (answer["status"], answer["language"], answer["exit_code"]) == ("completed", language, 0)


def test_exec_on_an_id_that_does_not_exist_creates_the_session(site, client):
    session = Session(client)
    answer = session.run("print('made on the way')")
    assert answer["stdout"] == "made on the way\n"
    pod_gone(site, session.id)
    again = session.run("print('and again')")  # an ended `completion` session begins anew
    assert again["stdout"] == "and again\n" and again["execution_id"] != answer["execution_id"]


def test_exec_waits_for_the_pod_and_acknowledges_only_what_the_agent_has(client, make_session):
    session = make_session(ready=False)
    execution = session.submit("print('early')")
    listed = client.get(f"/{session.id}/executions").expect(200).json()["items"]
    assert execution in [item["execution_id"] for item in listed]
    assert session.final(execution)["stdout"] == "early\n"


def test_result_is_pending_before_anything_was_submitted(session):
    answer = session.result()
    assert (answer["status"], answer["execution_id"]) == ("pending", None)


def test_result_without_an_id_is_the_newest_execution(session):
    session.run("print(1)")
    newest = session.run("print(2)")
    assert session.result()["execution_id"] == newest["execution_id"]


def test_results_outlive_the_pod(site, client):
    session = Session(client)
    executions = [session.run(f"print({number})")["execution_id"] for number in range(3)]
    pod_gone(site, session.id)
    assert [session.result(execution)["stdout"] for execution in executions] == ["0\n", "1\n", "2\n"]
    listed = client.get(f"/{session.id}/executions").expect(200).json()["items"]
    assert sorted(item["execution_id"] for item in listed) == sorted(executions)


def test_long_poll_on_status_answers_when_ready_not_before(client):
    session = Session(client, new_id())
    session.create()
    begin = time.monotonic()
    answer = session.status_reply(wait=30, until="ready").expect(200).json()
    assert answer["status"] == "ready"
    assert time.monotonic() - begin < 30
    session.end()


def test_long_poll_on_a_result_returns_on_new_output_and_on_the_end(session):
    execution = session.submit("import os, time\ntime.sleep(0.5)\nos.write(1, b'x\\n')\ntime.sleep(0.5)")
    first = session.result(execution, wait=20, stdout_offset=0)
    assert (first["status"], first["stdout"]) == ("running", "x\n")
    last = session.result(execution, wait=20, stdout_offset=2)
    assert (last["status"], last["stdout"]) == ("completed", "")


def test_many_sessions_at_once_stay_apart(site, client):
    sessions = [Session(client) for _ in range(6)]
    marks = {session.id: random.randrange(10 ** 9) for session in sessions}
    for session in sessions:
        session.create(cleanup="idle")
    executions = {session.id: session.submit(f"import time\ntime.sleep(0.5)\nprint({marks[session.id]})")
                  for session in sessions}
    for session in sessions:
        answer = session.final(executions[session.id])
        assert answer["stdout"] == f"{marks[session.id]}\n"
        assert answer["session_id"] == session.id
    for session in sessions:
        session.end()
    assert not set(site.node().sessions()) & set(marks)
