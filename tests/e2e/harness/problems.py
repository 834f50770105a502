"""RFC 9457 problems, and the table they come from."""
import os
import re

ERR_DEF = os.path.join(os.path.dirname(__file__), "..", "..", "..", "base", "err.def")


def error_table():
    """code -> (status, retry_after), as the source has it."""
    row = re.compile(r'^X\(\w+, "(\w+)", (\d+), (\d+), "', re.M)
    with open(ERR_DEF, encoding="utf-8") as file:
        return {code: (int(status), int(retry)) for code, status, retry in row.findall(file.read())}


def check(reply, status, *codes):
    """The reply is a problem with that status and (when given) one of these codes; gives the problem."""
    assert reply.status == status, f"expected {status} {codes or ''}, got {reply!r}"
    kind = (reply.header("Content-Type") or "").split(";")[0].strip()
    assert kind == "application/problem+json", f"not a problem: {reply!r}"
    problem = reply.json()
    for member in ("type", "title", "status", "code", "request_id"):
        assert problem.get(member) not in (None, ""), f"problem without {member}: {problem}"
    assert problem["status"] == status, problem
    if codes:
        assert problem["code"] in codes, f"expected {codes}, got {problem}"
    table = error_table()
    if problem["code"] in table:
        assert table[problem["code"]][0] == status, f"{problem['code']} is {table[problem['code']]}, sent {status}"
    return problem


def check_retry_after(reply):
    """A temporary refusal says when to come back, in the field and in the body alike."""
    seconds = reply.header("Retry-After")
    assert seconds is not None and int(seconds) > 0, f"no Retry-After: {reply!r}"
    assert reply.json().get("retry_after") == int(seconds), reply
