"""One session, as a client that polls sees it."""
import uuid

from .client import ConnectionLost
from .wait import until

FINAL = ("completed", "failed", "timeout", "killed", "oom", "lost")
READY = 200  # s; about 20 busy pods may come up at once on two cores


def new_id(prefix="e2e"):
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


class Session:
    def __init__(self, client, session_id=None, form="short"):
        self.client = client
        self.id = session_id or new_id()
        self.base = f"/{self.id}" if form == "short" else f"/api/v1/sessions/{self.id}"
        self.form = form

    def create(self, **body):
        """201; the session object."""
        return self.try_create(**body).expect(201).json()

    def try_create(self, **body):
        if self.form == "short":
            return self.client.post(f"/{self.id}", body)
        return self.client.post("/api/v1/sessions", dict(body, session_id=self.id))

    def status_reply(self, **params):
        if self.form == "short":
            return self.client.get(f"/{self.id}/status", params=params)
        return self.client.get(self.base, params=params)

    def status(self):
        return self.status_reply().expect(200).json()

    def wait_ready(self, seconds=READY):
        def ready():
            session = self.status_reply(wait=20, until="ready").expect(200).json()
            assert session["status"] not in ("error", "stopped", "stopping"), session
            return session if session["status"] in ("ready", "executing") else None
        return until(ready, seconds, f"{self.id} ready")

    def start(self, **body):
        self.create(**body)
        self.wait_ready()
        return self

    def try_exec(self, language="python", code="", wait=None, headers=None, **body):
        return self.client.post(f"{self.base}/exec/{language}", dict(body, code=code), headers=headers,
                                params={"wait": wait})

    def submit(self, code, language="python", **body):
        """202; the execution's id."""
        answer = self.try_exec(language, code, **body).expect(202).json()
        assert answer["status"] == "running", answer
        return answer["execution_id"]

    def run(self, code, language="python", **body):
        """Submits and waits for the end; the result object."""
        reply = self.try_exec(language, code, wait=20, **body).expect(200, 202)
        answer = reply.json()
        return answer if reply.status == 200 else self.final(answer["execution_id"])

    def result_reply(self, execution_id=None, **params):
        return self.client.get(f"{self.base}/result", params=dict(params, execution_id=execution_id))

    def result(self, execution_id=None, **params):
        return self.result_reply(execution_id, **params).expect(200).json()

    def final(self, execution_id=None, seconds=120):
        def ended():
            answer = self.result(execution_id)
            return answer if answer["status"] in FINAL else None
        return until(ended, seconds, f"{self.id} result", every=0.05)

    def final_through_silence(self, execution_id, seconds=120):
        """As final(), of code that leaves its own agent no processor (in gVisor): a poll may be answered 504."""
        def ended():
            reply = self.result_reply(execution_id).expect(200, 504)
            return reply.json() if reply.status == 200 and reply.json()["status"] in FINAL else None
        return until(ended, seconds, f"{self.id} result", every=0.1)

    def output(self, execution_id, seconds=120, stream="stdout"):
        """Polls by offsets until the end: (pieces in order, final result). Checks that the offsets fit together."""
        pieces, offset = [], 0

        def page():
            nonlocal offset
            answer = self.result(execution_id, **{f"{stream}_offset": offset, "wait": 5})
            assert answer[f"{stream}_offset"] == offset, answer
            text = answer[stream]
            assert answer[f"{stream}_next"] == offset + len(text.encode()), answer
            if text:
                pieces.append((answer["status"], text))
            offset = answer[f"{stream}_next"]
            assert offset <= answer[f"{stream}_total"], answer
            ended = answer["status"] in FINAL and offset == answer[f"{stream}_total"]
            return answer if ended else None

        return pieces, until(page, seconds, f"{self.id} output", every=0)

    def delete(self):
        return self.client.delete(self.base)

    def wait_ended(self, seconds=120):
        def ended():
            session = self.status()
            return session if session["status"] in ("stopped", "error") else None
        return until(ended, seconds, f"{self.id} ended", every=0.1)

    def end(self):
        """Deletes it and waits until it is over; never fails because it ended already."""
        try:
            reply = self.delete()
        except ConnectionLost:
            reply = self.delete()
        if reply.status != 404:
            reply.expect(200, 202)
            self.wait_ended()
