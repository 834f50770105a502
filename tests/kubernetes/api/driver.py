"""The client under test (kube_driver) as an object."""
import http.client
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

TREE = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("SPILLWAY_BUILD", TREE / "build/release"))


class Unix(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("driver", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Refused(Exception):
    """There is no client with this configuration."""


class Driver:
    """wrap: a command that runs the driver in another place, for example nsenter."""

    def __init__(self, wrap=(), **conf):
        self.folder = tempfile.TemporaryDirectory(prefix="kube-driver-")
        self.socket = f"{self.folder.name}/s"
        self.log = open(f"{self.folder.name}/log", "w+")
        self.process = subprocess.Popen([*map(str, wrap), BUILD / "tests/kube_driver", f"unix:{self.socket}", json.dumps(conf)],
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        said = self.process.stdout.readline().strip()
        if said != "ready":
            self.process.wait(30)
            errors = self.errors()
            self.forget()
            raise Refused(f"{said}\n{errors}".strip())

    def errors(self):
        self.log.seek(0)
        return self.log.read()

    def forget(self):
        self.process.stdout.close()
        self.log.close()
        self.folder.cleanup()

    def close(self):
        """It must end in order; with sanitizers a leak is an end with a status."""
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        status = self.process.wait(20)
        errors = self.errors()
        self.forget()
        assert status == 0, errors

    def ask(self, method, path, body=None, timeout=40):
        connection = Unix(self.socket, timeout)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"} if body is not None else {})
            reply = connection.getresponse()
            data = json.loads(reply.read())
            assert reply.status == 200, data
            return data
        finally:
            connection.close()

    def call(self, verb, **arguments):
        result = self.ask("POST", "/call", {"verb": verb, **arguments})
        assert self.state()["too_early"] == 0
        return result

    def create(self, pod):
        return self.call("create", body=pod)

    def get(self, name):
        return self.call("get", name=name)

    def delete(self, name, uid, grace=0):
        return self.call("delete", name=name, uid=uid, grace=grace)

    def patch(self, name, body):
        return self.call("patch", name=name, body=body)

    def manifest(self, **how):
        return self.ask("POST", "/manifest", how)

    def watch(self, path, **how):
        self.ask("POST", "/watch", {"path": path, **how})
        return self

    def store(self):
        self.ask("POST", "/store", {})
        return self

    def state(self):
        state = self.ask("GET", "/state")
        assert state["too_early"] == 0, "a callback before the call returned"
        return state

    def events(self):
        return self.ask("GET", "/events")

    def told(self, kind=None):
        """(type, name) of what the watch told, in order; without what says that a list is complete."""
        return [(each["type"], each["object"]["metadata"]["name"]) for each in self.events()
                if each["type"] != "SYNCED" and kind in (None, each["type"])]

    def lists(self):
        return sum(each["type"] == "SYNCED" for each in self.events())

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)


def error_code(result):
    return result["error"]["code"] if result["error"] else None


def wait_for(condition, what, seconds=20, pause=0.03):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"after {seconds} s: {what}: {value!r}"
        time.sleep(pause)
