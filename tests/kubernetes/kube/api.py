"""Plain HTTP to an API server in a network namespace: what the tests do with a cluster besides what they test."""
import base64
import contextlib
import ctypes
import http.client
import json
import os
import socket
import ssl
import tempfile
import threading
import urllib.parse
from pathlib import Path

CLONE_NEWNET = 0x40000000
PLURALS = {"NetworkPolicy": "networkpolicies"}
libc = ctypes.CDLL(None, use_errno=True)


def enter_network(path):
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {path}")
    finally:
        os.close(descriptor)


def connect(address, network=None, timeout=10):
    """A socket belongs to the namespace that it was made in, so a thread of its own makes it there."""
    if network is None:
        return socket.create_connection(address, timeout)
    found = []

    def work():
        try:
            enter_network(network)
            found.append(socket.create_connection(address, timeout))
        except OSError as error:
            found.append(error)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if isinstance(found[0], OSError):
        raise found[0]
    return found[0]


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    def expect(self, *statuses):
        assert self.status in statuses, f"expected {statuses}, got {self.status}: {self.body[:2000].decode(errors='replace')}"
        return self


def collection(api_version, kind, namespace=None):
    plural = PLURALS.get(kind, kind.lower() + ("es" if kind.endswith("s") else "s"))
    root = "/api/v1" if api_version == "v1" else f"/apis/{api_version}"
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"


class Api:
    """kubeconfig: a path. One connection a call: simple, and a restart of the server needs no care."""

    def __init__(self, kubeconfig, network=None):
        import yaml
        data = yaml.safe_load(Path(kubeconfig).read_text())
        cluster, user = data["clusters"][0]["cluster"], data["users"][0]["user"]
        self.url = urllib.parse.urlsplit(cluster["server"])
        self.network = network
        self.token = user.get("token")
        self.tls = self.make_tls(cluster, user) if self.url.scheme == "https" else None

    @staticmethod
    def make_tls(cluster, user):
        context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        if "client-certificate-data" in user:
            with tempfile.NamedTemporaryFile() as file:
                for key in ("client-certificate-data", "client-key-data"):
                    file.write(base64.b64decode(user[key]))
                file.flush()
                context.load_cert_chain(file.name)
        return context

    @contextlib.contextmanager
    def connection(self, timeout):
        connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=timeout)
        channel = connect((self.url.hostname, self.url.port), self.network, timeout)
        try:
            connection.sock = self.tls.wrap_socket(channel, server_hostname=self.url.hostname) if self.tls else channel
            yield connection
        finally:
            connection.close()
            channel.close()

    def ask(self, connection, method, path, body, content_type, headers=None):
        fields = {"Accept": "application/json", **(headers or {})}
        if self.token:
            fields["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            fields["Content-Type"] = content_type
            body = json.dumps(body).encode()
        connection.request(method, path, body, fields)
        return connection.getresponse()

    @contextlib.contextmanager
    def open(self, method, path, body=None, content_type="application/json", headers=None, timeout=30):
        """The reply, to be read as it comes."""
        with self.connection(timeout) as connection:
            yield self.ask(connection, method, path, body, content_type, headers)

    def call(self, method, path, body=None, **options):
        with self.open(method, path, body, **options) as reply:
            return Answer(reply.status, reply.headers, reply.read())

    def try_get(self, path):
        """Status 0: no answer."""
        try:
            return self.call("GET", path, timeout=5)
        except (OSError, http.client.HTTPException):
            return Answer(0, {}, b"")

    def get(self, path):
        return self.call("GET", path)

    def create(self, body):
        return self.call("POST", collection(body["apiVersion"], body["kind"], body["metadata"].get("namespace")), body)

    def create_all(self, bodies):
        """Many, on one connection."""
        with self.connection(60) as connection:
            for body in bodies:
                path = collection(body["apiVersion"], body["kind"], body["metadata"].get("namespace"))
                reply = self.ask(connection, "POST", path, body, "application/json")
                Answer(reply.status, reply.headers, reply.read()).expect(201)

    def delete(self, path, grace=None, **options):
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **({} if grace is None else {"gracePeriodSeconds": grace}), **options}
        return self.call("DELETE", path, body)

    def patch(self, path, body):
        return self.call("PATCH", path, body, content_type="application/merge-patch+json")
