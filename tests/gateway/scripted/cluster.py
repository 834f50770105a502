"""An API server with one node and the pods that gateways make; a pod that is made runs at once, with a scripted agent in it."""
import itertools
import json
import re
import threading
import time
from email.utils import formatdate

from .agent import Agent
from .http import Server

PODS = "/api/v1/namespaces/sandboxes/pods"
NODE = {"metadata": {"name": "node-1", "uid": "node-uid-1", "resourceVersion": "1"},
        "status": {"allocatable": {"cpu": "64", "memory": "64Gi", "pods": "100"},
                   "conditions": [{"type": "Ready", "status": "True"}]}}


def stamp(at, form="%Y-%m-%dT%H:%M:%SZ"):
    return time.strftime(form, time.gmtime(at))


def status(code, reason, message="scripted"):
    return code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message}


def merge(target, patch):
    """RFC 7396."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            merge(target.setdefault(key, {}), value)
        else:
            target[key] = value


class Cluster:
    """rules: functions of a request, each gives an answer or None; the first answer counts, then the API itself."""

    def __init__(self, agent_port):
        self.agent_port = agent_port
        self.nodes = [NODE]
        self.pods = {}
        self.agents = {}  # by session id, the last one made
        self.rules = []
        self.agent_rules = []  # that every new agent begins with
        self.events = []  # of pods: (version, event)
        self.ahead = 0  # s, of this machine's clock, which the gateways have
        self.binds = True  # the scheduler does its work; else a pod has no node, and nothing runs
        self.silent = False  # watches lag: they are told nothing
        self.closed = False
        self.version = itertools.count(10)
        self.hosts = itertools.count(2)
        self.lock = threading.RLock()
        self.happened = threading.Condition(self.lock)
        self.server = Server(self.answer)
        self.url = f"http://127.0.0.1:{self.server.port}"

    def calls(self, method, path_part):
        return [r for r in self.server.seen if r.method == method and path_part in r.target]

    def now(self):
        return time.time() + self.ahead

    def answer(self, request, connection):
        answer = self.decide(request, connection)
        if answer is None:
            return None
        code, body, *fields = answer
        return code, body, {"Date": formatdate(self.now(), usegmt=True), **(fields[0] if fields else {})}

    def decide(self, request, connection):
        for rule in list(self.rules):
            if answer := rule(request):
                return answer
        if request.path in ("/api/v1/nodes", PODS) and request.method == "GET":
            if "sendInitialEvents" in request.query:
                return status(422, "Invalid", "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled")
            if "watch" in request.query:
                return self.watch(request, connection)
            with self.lock:
                return self.list(self.nodes if request.path != PODS else list(self.pods.values()))
        if request.path == PODS:
            return self.create(request.json())
        if found := re.fullmatch(PODS + "/([a-z0-9-]+)", request.path):
            return self.one(request, found.group(1))
        return status(404, "NotFound")

    def list(self, items):
        return 200, {"kind": "List", "metadata": {"resourceVersion": str(next(self.version))}, "items": items}

    def watch(self, request, connection):
        """All that happened behind the version that was asked for, and what comes, until one of the two goes away."""
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        def send(event):
            line = json.dumps(event).encode() + b"\n"
            connection.sendall(b"%x\r\n%s\r\n" % (len(line), line))

        at, since = 0, int(request.query.get("resourceVersion", 0))
        if "sendInitialEvents" in request.query:
            with self.lock:
                now_there = self.nodes if request.path != PODS else list(self.pods.values())
                at, since = len(self.events), next(self.version)
            for item in now_there:
                send({"type": "ADDED", "object": item})
            send({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(since),
                                                              "annotations": {"k8s.io/initial-events-end": "true"}}}})
        while True:
            with self.happened:
                self.happened.wait_for(lambda: len(self.events) > at or self.closed)
                if self.closed:
                    return None
                news, at = self.events[at:], len(self.events)
            for version, event in news if request.path == PODS else ():
                if version > since:
                    send(event)

    def tell(self, kind, pod):
        if self.silent:
            return
        self.events.append((int(pod["metadata"]["resourceVersion"]), {"type": kind, "object": json.loads(json.dumps(pod))}))
        self.happened.notify_all()

    def create(self, pod):
        with self.lock:
            name = pod["metadata"]["name"]
            if name in self.pods:
                return status(409, "AlreadyExists")
            host = f"127.66.{next(self.hosts)}.1"
            number = next(self.version)
            pod["metadata"].update(uid=f"uid-{number}", resourceVersion=str(number), creationTimestamp=stamp(self.now()), namespace="sandboxes")
            pod["status"] = {"phase": "Pending"}
            if self.binds:
                pod["spec"]["nodeName"] = "node-1"
                pod["status"] = {"phase": "Running", "podIP": host, "conditions": [
                    {"type": "Ready", "status": "True", "lastTransitionTime": stamp(self.now())}]}
            self.agents[name] = Agent(host, self.agent_port, pod)
            self.agents[name].rules += self.agent_rules
            self.pods[name] = pod
            self.tell("ADDED", pod)
            return 201, pod

    def one(self, request, name):
        with self.lock:
            pod = self.pods.get(name)
            if not pod:
                return status(404, "NotFound")
            if request.method == "PATCH":
                return self.patch(pod, request.json())
            if request.method == "DELETE":
                return self.delete(pod, request.json())
            return 200, pod

    def patch(self, pod, patch):
        meta = patch.get("metadata", {})
        if meta.get("uid", pod["metadata"]["uid"]) != pod["metadata"]["uid"]:
            return status(409, "Conflict")
        if meta.get("resourceVersion", pod["metadata"]["resourceVersion"]) != pod["metadata"]["resourceVersion"]:
            return status(409, "Conflict")
        merge(pod, patch)
        pod["metadata"]["resourceVersion"] = str(next(self.version))
        self.tell("MODIFIED", pod)
        return 200, pod

    def delete(self, pod, options):
        expected = options.get("preconditions", {})
        if any(pod["metadata"][name] != value for name, value in expected.items()):
            return status(409, "Conflict")
        self.remove(pod["metadata"]["name"])
        return 200, pod

    def remove(self, name):
        """As if somebody else had deleted it."""
        with self.lock:
            pod = self.pods.pop(name)
            pod["metadata"]["resourceVersion"] = str(next(self.version))
            self.agents[name].close()
            self.tell("DELETED", pod)

    def deadline(self, name):
        return self.pods[name]["metadata"]["annotations"]["spillway.dev/deadline"]

    def set_deadline(self, name, seconds):
        """As another gateway would, that many seconds from now."""
        at = self.now() + seconds
        text = stamp(at, f"%Y-%m-%dT%H:%M:%S.{int(at * 1000) % 1000:03d}Z")
        with self.lock:
            self.patch(self.pods[name], {"metadata": {"annotations": {"spillway.dev/deadline": text}}})

    def close(self):
        with self.happened:
            self.closed = True
            self.happened.notify_all()
        self.server.close()
        for agent in self.agents.values():
            agent.close()
