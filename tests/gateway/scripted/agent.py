"""An agent as docs/agent-api.md has it, in so far as gateways ask: executions end at once and print their code."""
import hashlib
import json
import re
import threading
import time

from .http import Server, problem

UNSET = object()


class Agent:
    """rules: functions of (request, connection), each gives an answer, or UNSET for "as usual"; the first that answers counts."""

    def __init__(self, host, port, pod):
        self.session_id = pod["metadata"]["name"]
        self.epoch = pod["metadata"]["annotations"]["spillway.dev/epoch"]
        self.rules = []
        self.seq = 1
        self.started = self.quiesced = False
        self.executions = {}  # by id: {"body", "code", "stored"}; in order
        self.past = {}  # let go: id to the hash of the body
        self.told_let_go = None  # instead of the truth
        self.ran = []  # every id that was run, as often as it was
        self.deadline_ms = 0
        self.last_activity = time.monotonic()
        self.tender = None
        self.changed = threading.Condition()
        self.server = Server(self.answer, host, port)

    def close(self):
        self.server.close()
        with self.changed:
            self.changed.notify_all()

    def calls(self, method, path):
        return [r for r in self.server.seen if r.method == method and r.path == path]

    def change(self):
        with self.changed:
            self.seq += 1
            self.changed.notify_all()

    def activity(self):
        newest = next(reversed(self.executions), None)
        return {"session_id": self.session_id, "epoch": self.epoch, "seq": self.seq, "started": self.started, "quiesced": self.quiesced,
                "running": 0, "idle_ms": int((time.monotonic() - self.last_activity) * 1000), "last_execution": newest,
                "last_end_ms": 0 if newest else -1, "executions": len(self.ran),
                "unstored": [eid for eid, e in list(self.executions.items()) if not e["stored"]], "tender": self.tender, "tended_ms": 0,
                "deadline_ms": self.deadline_ms}

    def answer(self, request, connection):
        for rule in list(self.rules):
            if (answer := rule(request, connection)) is not UNSET:
                return answer
        for method, pattern, call in CALLS:
            found = re.fullmatch(pattern, request.path)
            if found and method == request.method:
                return call(self, request, *found.groups())
        return problem(404, "not_found")

    def start(self, request):
        if not self.started:
            self.started = True
            self.deadline_ms = request.json()["deadline_ms"]
            self.change()
        return 200, self.activity()

    def deadline(self, request):
        self.deadline_ms = request.json()["deadline_ms"]
        self.change()
        return 200, {}

    def watch_activity(self, request):
        since, wait = int(request.query.get("since", 0)), int(request.query.get("wait", 0))
        with self.changed:
            if "tender" in request.query and self.tender != request.query["tender"]:
                self.tender = request.query["tender"]
                self.changed.notify_all()
            mine = self.tender
            self.changed.wait_for(lambda: self.seq > since or self.tender != mine, wait)
            return 200, self.activity()

    def execute(self, request, language):
        body = request.json()
        eid = body.get("execution_id") or request.fields.get("idempotency-key") or f"e{len(self.ran):032x}"
        body.pop("execution_id", None)
        canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(f"{language}\njson\n{canonical}".encode()).hexdigest()
        known = self.executions.get(eid, {}).get("digest") or self.past.get(eid)
        if known and known != digest:
            return problem(409, "execution_conflict")
        if not known and self.quiesced:
            return problem(409, "session_ended")
        if not known:
            self.ran.append(eid)
            self.executions[eid] = {"digest": digest, "code": body.get("code", ""), "stored": False, "language": language}
            self.last_activity = time.monotonic()
            self.change()
        return 202, {"execution_id": eid, "status": "completed"}, {"Spillway-Execution-Id": eid, "Spillway-Execution-Status": "completed"}

    def let_go(self, eid):
        """As the agent does beyond 64 of them."""
        self.past[eid] = self.executions.pop(eid)["digest"]
        self.change()

    def meta(self, eid):
        return {"session_id": self.session_id, "execution_id": eid, "language": self.executions[eid]["language"], "status": "completed",
                "exit_code": 0}

    def missing(self, eid):
        return problem(410, "gone") if eid in self.past else problem(404, "execution_not_found")

    def result(self, request):
        eid = request.query.get("execution_id") or next(reversed(self.executions), None)
        if eid not in self.executions:
            return self.missing(eid)
        return 200, {**self.meta(eid), "stdout": self.executions[eid]["code"]}, {"Spillway-Execution-Id": eid}

    def events(self, request):
        """Of those that are kept: nothing, they have all ended."""
        eid = request.query.get("execution_id")
        return (204, b"") if eid in self.executions else self.missing(eid)

    def list(self, _):
        return 200, {"items": [self.meta(eid) for eid in self.executions], "continue": None}

    def get(self, _, eid):
        return (200, self.meta(eid)) if eid in self.executions else self.missing(eid)

    def let_go_digests(self, _):
        digests = "".join(hashlib.sha256(eid.encode()).hexdigest()[:12] for eid in self.past)
        return 200, (self.told_let_go or digests).encode()

    def record(self, _, eid):
        if eid not in self.executions:
            return self.missing(eid)
        out = self.executions[eid]["code"].encode()
        outputs = {"stdout": {"total": len(out), "head": len(out), "tail": 0}, "stderr": {"total": 0, "head": 0, "tail": 0}}
        line = {**self.meta(eid), "fingerprint": self.executions[eid]["digest"], "outputs": outputs}
        return 200, json.dumps(line).encode() + b"\n" + out

    def stored(self, _, eid):
        if eid in self.executions:
            self.executions[eid]["stored"] = True
            self.change()
        return 204, b""

    def quiesce(self, request):
        idle_ms = (time.monotonic() - self.last_activity) * 1000
        if not request.json().get("force") and idle_ms < request.json().get("if_idle_ms", 0):
            return problem(409, "busy")
        self.quiesced = True
        self.change()
        return 200, self.activity()


CALLS = [("POST", "/v1/start", Agent.start), ("POST", "/v1/deadline", Agent.deadline), ("GET", "/v1/activity", Agent.watch_activity),
         ("POST", "/v1/exec/([a-z]+)", Agent.execute), ("GET", "/v1/result", Agent.result), ("GET", "/v1/events", Agent.events), ("GET", "/v1/executions", Agent.list),
         ("GET", "/v1/let_go", Agent.let_go_digests), ("GET", "/v1/executions/([^/]+)", Agent.get), ("DELETE", "/v1/executions/([^/]+)", Agent.get), ("GET", "/v1/executions/([^/]+)/record", Agent.record),
         ("POST", "/v1/executions/([^/]+)/stored", Agent.stored), ("POST", "/v1/quiesce", Agent.quiesce)]
