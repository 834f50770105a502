"""One file, one behaviour."""
import pathlib
import time
import tomllib

from wirekit.client import Client, Closed

REJECTIONS = {400, 405, 408, 411, 413, 414, 415, 417, 431, 494, 501, 505}


def load(folder: pathlib.Path):
    return [Case(path) for path in sorted(folder.glob("*.toml"))]


class Case:
    def __init__(self, path):
        self.name = path.stem
        self.spec = tomllib.loads(path.read_text())
        known = {"what", "server", "send", "direct", "nginx", "method"}
        unknown = set(self.spec) - known
        assert not unknown, f"{path}: unknown keys {unknown}"

    def applies(self, through_nginx):
        return ("nginx" if through_nginx else "direct") in self.spec

    def run(self, stand, through_nginx):
        server = stand.server(*self.spec.get("server", []))
        want = self.spec["nginx" if through_nginx else "direct"]
        port = stand.nginx(server.port) if through_nginx else server.port
        before = server.count()["requests"]
        client = Client(port)
        try:
            began = time.monotonic()
            self.send(client)
            answers, closed = self.collect(client, want)
            took_ms = (time.monotonic() - began) * 1000
        finally:
            client.close()
        seen = server.count()["requests"] - before
        if want.get("either"):
            self.check_either(answers, seen, want)
        else:
            self.check(answers, closed, took_ms, seen, want)
            if not through_nginx:  # its own errors are made into problems by the product's configuration
                self.check_problem(answers)

    def send(self, client):
        steps = self.spec["send"]
        for step in steps if isinstance(steps, list) else [steps]:
            if isinstance(step, str):
                client.send(step)
            elif "repeat" in step:
                client.send(step["repeat"] * step["times"])
            elif "drip" in step:
                for byte in step["drip"]:
                    if not client.send(byte):
                        break
                    time.sleep(step["every_ms"] / 1000)
            elif "wait_ms" in step:
                time.sleep(step["wait_ms"] / 1000)
            else:
                raise AssertionError(f"unknown step {step}")

    def collect(self, client, want):
        """As many answers as are expected (by default all that come), and whether the connection closed behind."""
        answers = []
        expected = len(want["status"]) if "status" in want else 1
        method = self.spec.get("method", "GET")
        try:
            while len(answers) < expected:
                answers.append(client.answer(method))
                if want.get("either"):
                    client.socket.settimeout(0.3)
        except (Closed, TimeoutError):
            pass
        if "closes" in want and not want["closes"]:
            return answers, client.closed_within(0.15)
        return answers, client.closed_within(3 if want.get("closes") else 0.05)

    def check(self, answers, closed, took_ms, seen, want):
        statuses = [a[0] for a in answers]
        assert statuses == want["status"], f"answers {statuses}, expected {want['status']}"
        if "closes" in want:
            assert closed == want["closes"], "it closed" if closed else "it did not close"
        if "body" in want:
            body = answers[-1][2].decode("latin-1")
            assert body == want["body"], f"body {body[:200]!r}"
        if "body_length" in want:
            assert len(answers[-1][2]) == want["body_length"], f"{len(answers[-1][2])} bytes"
        if "contains" in want:
            body = answers[-1][2].decode("latin-1")
            assert want["contains"] in body, f"body {body[:300]!r}"
        for name, value in want.get("fields", {}).items():
            have = answers[-1][1].get(name.lower())
            assert have == value or (value == "" and have is None), f"{name}: {have!r}"
        if "within_ms" in want:
            assert took_ms <= want["within_ms"], f"it took {took_ms:.0f} ms"
        if "requests" in want:
            assert seen == want["requests"], f"the handler saw {seen} requests"

    def check_problem(self, answers):
        for status, fields, body in answers:
            kind = fields.get("content-type")
            assert status < 400 or not body or kind == "application/problem+json", f"no problem: {kind}"

    def check_either(self, answers, seen, want):
        """Rejected, or passed on as exactly the requests that were meant."""
        most = want.get("requests", 1)
        assert seen <= most, f"the backend saw {seen} requests where {most} were sent"
        if seen == 0:
            assert not answers or answers[0][0] in REJECTIONS, f"{answers[0][0]} without a request"
        if "status" in want and answers:
            assert answers[0][0] in want["status"], f"answer {answers[0][0]}"
