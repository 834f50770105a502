"""B13, the agent: every call of a client ends with an answer that is defined, or with the connection; afterwards all is as before."""
import http.client
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "agent"))
from box import Box  # noqa: E402
from failing import FailingCall, descriptors, settles, start_time  # noqa: E402
from forms import upload  # noqa: E402

CALLS = {"openat": "EMFILE", "openat2": "EMFILE", "pipe2": "EMFILE", "clone": "EAGAIN", "accept4": "ECONNABORTED",
         "mkdir": "ENOSPC", "mkdirat": "ENOSPC", "linkat": "ENOSPC", "unlink": "EIO", "unlinkat": "EIO", "fcntl": "EMFILE", "socketpair": "EMFILE",
         "newfstatat": "EIO",
         "getdents64": "EIO", "wait4": "EINTR", "kill": "EPERM"}
EACH = 12  # of a kind, or until it is called no more
DEFINED = (200, 201, 202, 204, 400, 403, 404, 409, 429, 500, 503, 507)


def attempts(box, n):
    """What a client does, once; the answers' statuses, None where the connection was lost."""
    context = f"c{n}"
    calls = [lambda: box.call("GET", "/v1/health", token=None),
             lambda: box.call("POST", "/v1/exec/bash?wait=5", {"code": "echo x; cat", "stdin": "y"}),
             lambda: upload(box, f"folder-{n}/up.txt", b"content"),
             lambda: box.call("POST", "/v1/exec/bash?wait=5", {"code": "cat", "stdin_file": f"folder-{n}/up.txt"}),
             lambda: box.call("GET", f"/v1/files/download/folder-{n}/up.txt"), lambda: box.call("GET", "/v1/files/list"),
             lambda: box.call("DELETE", f"/v1/files/delete/folder-{n}/up.txt"), lambda: box.call("GET", "/v1/processes"),
             lambda: box.call("POST", "/v1/contexts", {"language": "bash", "context_id": context}),
             lambda: box.call("DELETE", f"/v1/contexts/{context}"), lambda: box.call("GET", "/v1/activity")]
    statuses = []
    for call in calls:
        try:
            statuses.append(call().status)
        except (OSError, http.client.HTTPException):
            statuses.append(None)
    return statuses


@pytest.mark.parametrize("call", CALLS)
def test_the_nth_call_fails_and_the_agent_goes_on(call, record_property):
    with Box(warm=False) as box:
        pid = box.agent_pid()
        attempts(box, 0)
        before, born, happened = descriptors(pid), start_time(pid), 0
        for n in range(1, EACH + 1):
            with FailingCall(pid, call, CALLS[call], n) as failing:
                statuses = attempts(box, n)
            assert all(status in DEFINED for status in statuses if status is not None), (n, statuses)
            assert statuses.count(None) <= 1, (n, statuses)
            assert start_time(pid) == born, f"the agent died of the {n}th {call}"
            happened += failing.happened
            if not failing.happened:
                break
            result = box.run("bash", "cat", stdin="as ever")
            assert (result["status"], result["stdout"]) == ("completed", "as ever"), (n, result)
        assert settles(pid, before), f"{descriptors(pid)} descriptors, {before} before"
        record_property(f"B13 {call}", happened)
        assert happened > 0, "it is never called: nothing was tried"
        left = [name for name in box.run("bash", "ls -A /tmp /workspace")["stdout"].split() if name.startswith(".spillway")]
        # The folder of the one that asks; and what could not be removed.
        assert len(left) <= 1 + (happened if call in ("unlink", "unlinkat") else 0), f"left behind: {left}"
