#!/usr/bin/python3
"""demo STATE.JSON - shows the main job on running sites, through the front door, as any client would.

Sessions are created until the local site is full and the next ones run in the cloud (with one site: until the answer is that there
is no room); code that prints slowly runs in all of them and is polled while it runs; the pods go; and when there is room again, a
new session stays here. Without Redis each gateway has a share of the room, and each pod stays with its results until the session's
deadline. One line a step, a table at the end. Status 0 only if every step held.
"""
import http.client
import json
import sys
import threading
import time
import urllib.parse

LINES = 5
CODE = f"""import os, socket, time
for i in range(1, {LINES + 1}):
    print("line", i, "from", socket.gethostname(), flush=True)
    time.sleep(0.4)
6 * 7
"""
READY_SECONDS = 60
RESULT_SECONDS = 60
GONE_SECONDS = 60
BACK_SECONDS = 60
SESSIONS_MAX = 200
OVERFLOW = 3  # sessions that are to be seen in the cloud
LIFE_WITHOUT_STORE = 30  # s; the deadline of sessions without Redis
LINGER_PASSED = 8  # s; ./run sets 5


class Broken(Exception):
    """A step did not hold."""


class Client:
    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.host, self.port = parts.hostname, parts.port

    def call(self, method, path, body=None):
        """(status, object, headers). JSON goes as JSON, text as text."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=70)
        headers = {}
        if body is not None:
            headers["Content-Type"] = "text/plain" if isinstance(body, str) else "application/json"
            body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None, answer.headers
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Broken(f"{method} {path}: {type(error).__name__}: {error}") from None
        finally:
            connection.close()

    def expect(self, wanted, method, path, body=None):
        status, answer, _ = self.call(method, path, body)
        if status not in wanted:
            raise Broken(f"{method} {path}: {status} {json.dumps(answer)}")
        return answer


class Session:
    def __init__(self, client, name):
        self.client = client
        self.name = name
        self.site = self.kind = self.reason = "-"
        self.ready_ms = self.execution_ms = None
        self.polls = 0
        self.error = None

    def wait_ready(self, created_at):
        status = self.client.expect({200}, "GET", f"/{self.name}/status")
        while status["status"] in ("pending", "creating"):
            if time.monotonic() - created_at > READY_SECONDS:
                raise Broken(f"{self.name} is still {status['status']} after {READY_SECONDS} s")
            status = self.client.expect({200}, "GET", f"/{self.name}/status?wait=5&until=ready")
        if status["status"] != "ready":
            raise Broken(f"{self.name} is {status['status']} instead of ready: {status.get('reason')} {status.get('message')}")
        self.ready_ms = (time.monotonic() - created_at) * 1000
        self.site = status["site"]
        placement = status.get("placement") or {}
        self.kind = placement.get("kind") or "-"
        self.reason = placement.get("reason") or "-"

    def run_code(self):
        """In a thread of its own: submit, poll with offsets until the end, check what came."""
        try:
            started = time.monotonic()
            submitted = self.client.expect({202}, "POST", f"/{self.name}/exec/python", CODE)
            execution = submitted["execution_id"]
            output, offset, result = "", 0, {"status": "pending"}
            while result["status"] in ("pending", "running"):
                if time.monotonic() - started > RESULT_SECONDS:
                    raise Broken(f"{self.name}: no end of the execution after {RESULT_SECONDS} s")
                result = self.client.expect(
                    {200}, "GET", f"/{self.name}/result?execution_id={execution}&stdout_offset={offset}&wait=5")
                output += result["stdout"]
                offset = result["stdout_next"]
                if result["status"] == "running" and result["stdout"]:
                    self.polls += 1
            self.execution_ms = (time.monotonic() - started) * 1000
            self.check(result, output)
        except (Broken, KeyError, TypeError) as error:
            self.error = str(error) if isinstance(error, Broken) else f"{self.name}: an answer without {error}"

    def check(self, result, output):
        wanted = "".join(f"line {i} from {self.name}\n" for i in range(1, LINES + 1))
        if (result["status"], result["exit_code"], result["result"], output) != ("completed", 0, "42", wanted):
            raise Broken(f"{self.name}: unexpected end {json.dumps(result)}, output {output!r}")
        if self.polls == 0:
            raise Broken(f"{self.name}: no poll saw partial output")


class Demo:
    def __init__(self, state):
        self.client = Client(state["url"])
        self.nodes = {name: Client(node["url"]) for name, site in state["sites"].items() for node in site["nodes"]}
        self.overflows = len(state["sites"]) > 1
        self.stored = all(site["redis"]["pid"] for site in state["sites"].values())
        self.wishes = {} if self.stored else {"timeout_seconds": LIFE_WITHOUT_STORE}
        self.sessions = []
        self.returned = None

    def say(self, text):
        print(f"  {text}", flush=True)

    def create(self, name):
        session = Session(self.client, name)
        created_at = time.monotonic()
        self.client.expect({201}, "POST", f"/{name}", self.wishes)
        session.wait_ready(created_at)
        self.say(f"create {name}: 201, ready at site {session.site} after {session.ready_ms:.0f} ms ({session.reason})")
        return session

    def fill_and_overflow(self):
        """Creates sessions until a few run in the cloud."""
        while sum(session.kind == "remote" for session in self.sessions) < OVERFLOW:
            if len(self.sessions) >= SESSIONS_MAX:
                raise Broken(f"nothing overflowed within {SESSIONS_MAX} sessions")
            self.sessions.append(self.create(f"demo-{len(self.sessions) + 1}"))
        kinds = [session.kind for session in self.sessions]
        here = kinds.count("local")
        if here == 0 or (self.stored and kinds != ["local"] * here + ["remote"] * OVERFLOW):
            raise Broken(f"expected local ones first and then remote ones, got {kinds}")
        for session in self.sessions:
            site = "local" if session.kind == "local" else "cloud"
            if session.site != site or session.name not in self.pods_of(site):
                raise Broken(f"{session.name} says {session.kind} at {session.site}, and its pod is not there")
        self.say(f"{here} sessions run here, and {OVERFLOW} in the cloud; the clusters say so too")

    def come_back(self):
        """With room again, and after the short wait that keeps it from swinging, a new session stays here."""
        end = time.monotonic() + BACK_SECONDS
        attempt = 0
        while self.returned is None:
            attempt += 1
            session = self.create(f"demo-back-{attempt}")
            self.client.expect({202}, "DELETE", f"/{session.name}")
            if session.kind == "local":
                self.returned = session
            elif time.monotonic() > end:
                raise Broken(f"new sessions still go to {session.site} after {BACK_SECONDS} s ({session.reason})")
            else:
                time.sleep(1)
        self.wait_gone()
        self.say("local again: room has returned")

    def fill(self):
        """Creates sessions until the answer is that there is no room."""
        while len(self.sessions) < SESSIONS_MAX:
            session = Session(self.client, f"demo-{len(self.sessions) + 1}")
            created_at = time.monotonic()
            status, answer, headers = self.client.call("POST", f"/{session.name}", self.wishes)
            if status == 503 and answer.get("code") == "capacity_full" and self.sessions:
                if not headers.get("Retry-After"):
                    raise Broken("503 capacity_full without Retry-After")
                self.say(f"create {session.name}: 503 {answer['code']}, as it must be: {answer['detail']}")
                return
            if status != 201:
                raise Broken(f"create {session.name}: {status} {json.dumps(answer)}")
            session.wait_ready(created_at)
            self.sessions.append(session)
            self.say(f"create {session.name}: 201, ready at site {session.site} after {session.ready_ms:.0f} ms")
        raise Broken(f"the site is not full after {SESSIONS_MAX} sessions")

    def run_everywhere(self):
        self.say(f"run the same slow Python in all {len(self.sessions)} at once, and poll the results")
        threads = [threading.Thread(target=session.run_code) for session in self.sessions]
        for thread in threads:
            thread.start()
        for session, thread in zip(self.sessions, threads):
            thread.join()
            if session.error:
                raise Broken(session.error)
            self.say(f"result {session.name}: completed, 42, output right; {session.polls} polls saw a part of it")

    def end(self):
        if self.stored:
            self.end_with_store()
        else:
            self.end_without_store()

    def end_without_store(self):
        """No copy can be made of a result: its pod is the only one that has it, and stays for it."""
        time.sleep(LINGER_PASSED)
        for session in self.sessions:
            kept = self.client.expect({200}, "GET", f"/{session.name}/result")
            if kept["status"] != "completed" or session.name not in self.pods_of("local" if session.kind == "local" else "cloud"):
                raise Broken(f"{session.name}: a result that is {kept['status']}, and its pod is gone before the deadline")
        self.say(f"{LINGER_PASSED} s later all results can still be read: each pod stays with what nobody could copy")
        self.wait_gone()
        self.say(f"the deadline came: no cluster has a pod any more ({', '.join(self.nodes)})")

    def end_with_store(self):
        first = self.sessions[0].name
        self.client.expect({200, 202}, "DELETE", f"/{first}")
        self.say(f"delete {first}; the others go by themselves, 5 s after their execution ended")
        self.wait_gone()
        self.say(f"no cluster has a pod any more ({', '.join(self.nodes)})")
        for session in self.sessions:
            status = self.client.expect({200}, "GET", f"/{session.name}/status")["status"]
            kept = self.client.expect({200}, "GET", f"/{session.name}/result")
            if status != "stopped" or kept["status"] != "completed":
                raise Broken(f"{session.name}: {status} with a result that is {kept['status']}, expected stopped and completed")
        self.say("their results can still be read")

    def wait_gone(self):
        end = time.monotonic() + GONE_SECONDS
        while pods := [pod for site in self.nodes for pod in self.pods_of(site)]:
            if time.monotonic() > end:
                raise Broken(f"pods are still there after {GONE_SECONDS} s: {' '.join(pods)}")
            time.sleep(0.2)

    def pods_of(self, site):
        pods = self.nodes[site].expect({200}, "GET", "/api/v1/pods?labelSelector=spillway.dev%2Fsession")
        return [pod["metadata"]["name"] for pod in pods["items"]]

    def table(self):
        heads = ("session", "site", "reason", "create → ready", "execution")
        shown = self.sessions + ([self.returned] if self.returned else [])
        rows = [(s.name, s.site, s.reason, f"{s.ready_ms:.0f} ms", f"{s.execution_ms:.0f} ms" if s.execution_ms else "-") for s in shown]
        widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
        for row in [heads, tuple("-" * width for width in widths), *rows]:
            self.say("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())

    def run(self):
        if self.overflows:
            self.fill_and_overflow()
        else:
            self.fill()
        self.run_everywhere()
        self.end()
        if self.overflows:
            self.come_back()
        self.table()


def main(arguments):
    if len(arguments) != 1:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    with open(arguments[0]) as file:
        demo = Demo(json.load(file))
    try:
        demo.run()
    except Broken as error:
        print(f"  FAILED: {error}", flush=True)
        return 1
    except (KeyError, TypeError) as error:
        print(f"  FAILED: an answer without {error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
