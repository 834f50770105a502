"""Another site, as gateways see it: it has room, takes sessions, and says what has become of them. They are ready at once."""
import json
import re
import threading

from .http import Server, problem

POLL_S = 1  # a poll that hears of no change ends sooner than was asked for, so that nobody sleeps for long


class Site:
    def __init__(self, folder, name="cloud"):
        self.name = name
        self.sessions = {}  # by id: the session object
        self.changed = threading.Condition()
        self.creates = threading.Event()  # cleared: they wait
        self.creates.set()
        self.hidden = False  # who only looks is told that there is none
        self.server = Server(self.answer)
        (folder / f"{name}.token").write_text("0123456789abcdef0123456789abcdef0123456789abcdef\n")
        self.config = folder / f"{name}.yaml"
        self.config.write_text(json.dumps({"remotes": [{"name": name, "url": f"http://127.0.0.1:{self.server.port}",
                                                        "token_file": str(folder / f"{name}.token")}]}))

    def close(self):
        with self.changed:
            self.changed.notify_all()
        self.server.close()

    def polls(self, name):
        return [r for r in self.server.seen if "wait" in r.query and r.path.endswith("/" + name)]

    def answer(self, request, _):
        if request.path == "/internal/v1/capacity":
            return 200, {"site": self.name, "state": "open", "reason": "quiet", "slots": 40, "sessions": len(self.sessions)}
        if request.path == "/internal/v1/sessions":
            return 200, {"items": [], "more": False}
        if not (found := re.fullmatch("/internal/v1/sessions/([a-z0-9-]+)", request.path)):
            return problem(404, "not_found")
        return self.create(request, found[1]) if request.method == "POST" else self.look(request, found[1])

    def create(self, request, name):
        asked = request.json()
        self.creates.wait(60)
        with self.changed:
            if name in self.sessions:
                return 200, self.sessions[name]
            self.sessions[name] = {
                "session_id": name, "living": True, "tenant": request.fields["spillway-tenant"], "epoch": asked["epoch"],
                "fingerprint": asked["fingerprint"], "origin": request.fields["spillway-origin"], "again": False, "version": "1",
                "session": {"session_id": name, "status": "ready", "reason": None, "message": None, "environment": "python", "site": self.name,
                            "placement": {"kind": "remote", "reason": asked["reason"]}, "pod": None, "cleanup": "idle"}}
            return 201, self.sessions[name]

    def look(self, request, name):
        with self.changed:
            if "wait" in request.query and int(request.query["wait"]) > 0:
                seen = request.query.get("seen")
                self.changed.wait_for(lambda: self.sessions.get(name, {}).get("version") != seen, POLL_S)
            return (200, self.sessions[name]) if name in self.sessions and not self.hidden else problem(404, "session_not_found")

    def change(self, name, **members):
        with self.changed:
            words = self.sessions[name]
            self.sessions[name] = {**words, "version": words["version"] + "+", "session": {**words["session"], **members}}
            self.changed.notify_all()
