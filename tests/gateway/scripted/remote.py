"""Another site as its gateway speaks to ours (docs/hybrid.md): room by its own word, sessions that are ready at once. Plain HTTP, which
gateways take from this machine only."""
import threading

from .http import Server, problem

TOKEN = "a-token-between-sites"
INTERNAL = "/internal/v1/"


class Remote:
    """rules: functions of a request, each gives an answer or None; the first answer counts, then the site itself."""

    def __init__(self, name, slots=100, **conf):
        self.name = name
        self.conf = conf  # priority, weight, max_sessions: of our gateways' configuration
        self.slots = slots
        self.sessions = {}
        self.poll_s = 30  # no poll waits longer
        self.rules = []
        self.changed = threading.Condition()
        self.server = Server(self.answer)
        self.port = self.server.port

    def row(self, folder):
        """Of the gateway's configuration."""
        return {"name": self.name, "url": f"http://127.0.0.1:{self.port}", "token_file": f"{folder}/remote.token",
                **{key: str(value) for key, value in self.conf.items()}}

    def calls(self, method, path):
        return [r for r in self.server.seen if r.method == method and r.path.startswith(INTERNAL + path)]

    def polls(self, name):
        return [r for r in self.calls("GET", f"sessions/{name}") if "wait" in r.query]

    def created(self):
        return [r.path.rpartition("/")[2] for r in self.calls("POST", "sessions/")]

    def refuse(self):
        """As a site without gateways: nobody listens."""
        self.server.close()

    def listen(self):
        """The same site again, where it was."""
        self.server = Server(self.answer, port=self.port)

    def answer(self, request, connection):
        for rule in list(self.rules):
            if answer := rule(request):
                return answer
        if request.fields.get("authorization") != f"Spillway {TOKEN}" or request.fields.get("spillway-hop") != "1":
            return problem(401, "unauthorized")
        if request.path == INTERNAL + "capacity":
            mine = len(self.sessions)
            return 200, {"state": "open" if self.slots else "closed", "reason": "none", "slots": self.slots, "sessions": mine}
        if request.path == INTERNAL + "sessions":
            return 200, {"items": list(self.sessions.values()), "more": False}
        if not request.path.startswith(INTERNAL + "sessions/"):
            return problem(404, "not_found")
        call = {"POST": self.create, "GET": self.get, "DELETE": self.delete}[request.method]
        with self.changed:
            return call(request, request.path.rpartition("/")[2])

    def create(self, request, name):
        if self.slots == 0:
            return full()
        if name in self.sessions:
            return 200, self.sessions[name]
        body = request.json()
        self.slots -= 1
        self.sessions[name] = {
            "session_id": name, "living": True, "tenant": request.fields["spillway-tenant"], "epoch": body["epoch"],
            "fingerprint": body["fingerprint"], "origin": request.fields["spillway-origin"], "again": False, "version": "1",
            "session": {"session_id": name, "status": "ready", "environment": body["request"]["environment"], "site": self.name,
                        "placement": {"kind": "remote", "reason": body["reason"]}, "cleanup": body["request"]["cleanup"]}}
        return 201, self.sessions[name]

    def change(self, name, **members):
        """Of the session object."""
        with self.changed:
            words = self.sessions[name]
            self.sessions[name] = {**words, "version": str(int(words["version"]) + 1), "session": {**words["session"], **members}}
            self.changed.notify_all()

    def get(self, request, name):
        wait_s = min(int(request.query.get("wait", 0)), self.poll_s)
        self.changed.wait_for(lambda: self.sessions.get(name, {}).get("version") != request.query.get("seen"), wait_s)
        return (200, self.sessions[name]) if name in self.sessions else problem(404, "session_not_found")

    def delete(self, _, name):
        if name not in self.sessions:
            return problem(404, "session_not_found")
        self.slots += 1
        del self.sessions[name]
        self.changed.notify_all()
        return 202, {"session_id": name, "status": "stopping"}

    def close(self):
        with self.changed:
            self.sessions.clear()
            self.changed.notify_all()
        self.server.close()


def full():
    code, body = problem(503, "capacity_full")
    return code, body, {"Retry-After": "5", "Spillway-Not-Started": "1", "Spillway-Reason": "capacity_full"}


def no_gateway():
    """What a front door says that has nobody behind it."""
    return problem(502, "upstream_failed")
