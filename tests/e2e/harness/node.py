"""The embedded node's Kubernetes API, read as any client of it would: which pods there are, and which there ever were."""
import http.client
import json
import re
import threading
import urllib.parse

from .client import Client, ConnectionLost, query
from .namespaces import connector


class Node:
    def __init__(self, entry):
        parts = urllib.parse.urlsplit(entry["url"])
        self.connect = connector(entry["pid"], parts.hostname, parts.port or 80)
        self.headers = {}
        token = token_of(entry.get("kubeconfig"))
        if token:
            self.headers["Authorization"] = "Bearer " + token
        self.client = Client(entry["url"], headers=self.headers, connect=self.connect, timeout=15)

    def get(self, path, **params):
        return self.client.get(path, params=params)

    def pods(self, session=None):
        selector = f"spillway.dev/session={session}" if session else "spillway.dev/session"
        return self.get("/api/v1/pods", labelSelector=selector).expect(200).json()["items"]

    def pod(self, session):
        found = self.pods(session)
        assert len(found) <= 1, f"{len(found)} pods for session {session}"
        return found[0] if found else None

    def sessions(self):
        return sorted(pod["metadata"]["labels"]["spillway.dev/session"] for pod in self.pods())

    def history(self):
        return PodHistory(self)


def token_of(kubeconfig):
    if not kubeconfig:
        return None
    with open(kubeconfig, encoding="utf-8") as file:
        match = re.search(r'"?token"?:\s*"?([^"\s]+)', file.read())
    return match.group(1) if match else None


class PodHistory:
    """Every pod the node ever had since the start of this object, by session: a watch that ends with the test.
    It shows how many incarnations a session had, whoever created them."""

    def __init__(self, node):
        self.node = node
        self.uids = {}
        self.gone = set()
        self.error = None
        listed = node.get("/api/v1/pods").expect(200).json()
        for pod in listed["items"]:
            self.see("ADDED", pod)
        self.socket = node.connect()
        self.thread = threading.Thread(target=self.watch, args=(listed["metadata"]["resourceVersion"],), daemon=True)
        self.thread.start()

    def see(self, kind, pod):
        session = pod["metadata"].get("labels", {}).get("spillway.dev/session")
        if session:
            self.uids.setdefault(session, set()).add(pod["metadata"]["uid"])
            if kind == "DELETED":
                self.gone.add(pod["metadata"]["uid"])

    def watch(self, version):
        connection = http.client.HTTPConnection("node")
        connection.sock = self.socket
        try:
            self.socket.settimeout(600)
            path = query("/api/v1/pods", {"watch": "true", "resourceVersion": version})
            connection.request("GET", path, headers=self.node.headers)
            for line in connection.getresponse():
                event = json.loads(line)
                if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
                    self.see(event["type"], event["object"])
            self.error = self.error or "the node ended the watch"
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.error = repr(error)

    def incarnations(self, session):
        assert self.error is None, f"the watch on the pods broke: {self.error}"
        return len(self.uids.get(session, ()))

    def close(self):
        try:
            self.socket.shutdown(2)
        except OSError:
            pass
        self.socket.close()
        self.thread.join(5)

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.close()


def pods_or_none(node):
    try:
        return node.pods()
    except ConnectionLost:
        return None
