"""Interpreters that keep their variables, through the whole chain."""
import pytest

from harness import problems

WORDS = {"python": ("x = 20", "x + 22"), "nodejs": ("var x = 20", "x + 22"), "bash": ("x=20", "echo $((x + 22))")}


@pytest.mark.parametrize("language", WORDS)
def test_variables_stay_and_contexts_are_apart(session, language):
    contexts = f"{session.base}/contexts"
    made = session.client.post(contexts, {"language": language, "context_id": f"mine-{language}"}).expect(201).json()
    other = session.client.post(contexts, {"language": language}).expect(201).json()
    assert made["context_id"] == f"mine-{language}" and not made["busy"] and made["language"] == language
    listed = [item["context_id"] for item in session.client.get(contexts).expect(200).json()["items"]]
    assert {made["context_id"], other["context_id"]} <= set(listed)

    put, show = WORDS[language]
    assert session.run(put, language=language, context=made["context_id"])["status"] == "completed"
    result = session.run(show, language=language, context=made["context_id"])
    assert "42" in (result["result"] or result["stdout"]), result
    result = session.run(show, language=language, context=other["context_id"])
    assert "42" not in (result["result"] or result["stdout"]), result

    for one in (made, other):
        session.client.delete(f"{contexts}/{one['context_id']}").expect(200, 204)
    problems.check(session.client.get(f"{contexts}/{made['context_id']}"), 409, "context_ended")


def test_ids_are_checked_and_unknown_ones_are_said(session):
    contexts = f"{session.base}/contexts"
    problems.check(session.client.get(f"{contexts}/no-such"), 404, "context_not_found")
    problems.check(session.client.get(f"{contexts}/" + "x" * 65), 400, "invalid_id")
    problems.check(session.client.post(contexts, {"language": "cobol"}), 400, "unknown_language")
    problems.check(session.client.post(contexts, {"language": "python", "context_id": "x" * 65}), 400)


def test_a_context_never_makes_a_session(client):
    problems.check(client.get("/no-such-session/contexts"), 404, "session_not_found")
    problems.check(client.post("/no-such-session/contexts", {"language": "python"}), 404, "session_not_found")
