"""What the agent alone needs for a run: without gateway, nginx and container, and without a limit to its processor."""
import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "agent"))

from box import TOKEN, Box, UnixConnection  # noqa: E402
from sessions import CODE, spread  # noqa: E402


class Caller:
    """One kept connection to the agent of a box."""

    def __init__(self, box):
        self.connection = UnixConnection(box.socket, 60)

    def call(self, method, target, body=None):
        self.connection.request(method, target, body=json.dumps(body),
                                headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"})
        reply = self.connection.getresponse()
        data = reply.read()
        if reply.status >= 300:
            raise SystemExit(f"bench: {reply.status} {data[:300]!r}")
        return json.loads(data) if data else None

    def run(self, language, **members):
        begun = time.perf_counter()
        result = self.call("POST", f"/v1/exec/{language}?wait=20", {"code": CODE[language], **members})
        taken = time.perf_counter() - begun
        if result["stdout"] != "1\n":
            raise SystemExit(f"bench: {result}")
        self.call("POST", f"/v1/executions/{result['execution_id']}/stored")
        return taken

    def runs(self, count, pause, language, **members):
        taken = []
        for _ in range(count):
            time.sleep(pause)
            taken.append(self.run(language, **members))
        return spread(taken)


def measure(agent_dir):
    os.environ["SPILLWAY_AGENT_DIR"] = str(agent_dir)
    rows = {}
    with Box() as box:
        box.wait_until_warm()
        caller = Caller(box)
        caller.runs(10, 0, "python")
        rows["warm python, 20 ms between"] = caller.runs(200, 0.02, "python")
        rows["warm python, back to back"] = caller.runs(200, 0, "python")
        for language in CODE:
            caller.call("POST", "/v1/contexts", {"language": language, "context_id": language})
            caller.runs(5, 0, language, context=language)
            rows[f"{language} in a context"] = caller.runs(200, 0, language, context=language)
        rows["warm nodejs, 0.5 s between"] = caller.runs(40, 0.5, "nodejs")
    return {f"at the agent: {name}": row for name, row in rows.items()}
