"""nginx with a rendered configuration in front of three scripted gateways."""
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from scripted_gateway import ScriptedGateway

TREE = Path(__file__).resolve().parents[2]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Front:
    """sites: a function of a free port that gives render's `sites`, or None."""

    def __init__(self, sites=None):
        self.gateways = [ScriptedGateway(name) for name in ("a", "b", "c")]
        self.directory = tempfile.mkdtemp(prefix="spillway-nginx-test-")
        os.chmod(self.directory, 0o711)  # the workers, who are nobody, keep long bodies below it
        self.port = free_port()
        self.configuration = Path(self.directory) / "nginx.conf"
        self.spec = {"directory": self.directory, "listen": [f"127.0.0.1:{self.port}"]}
        self.sites_port = free_port()
        if sites:
            self.spec["sites"] = sites(self.sites_port)
        self.render(self.gateways)
        self.process = subprocess.Popen(["nginx", "-e", f"{self.directory}/error.log", "-c", self.configuration])
        self.wait_until_up()

    def render(self, gateways):
        spec = dict(self.spec, gateways=[gateway.address for gateway in gateways])
        rendered = subprocess.run([TREE / "nginx/render", "-"], input=json.dumps(spec), text=True, check=True,
                                  capture_output=True).stdout
        self.configuration.write_text(rendered)

    def workers(self):
        return set(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split())

    def reload(self, gateways):
        """As an operator would; back when no worker of before is left."""
        before = self.workers()
        self.render(gateways)
        self.process.send_signal(signal.SIGHUP)
        for _ in range(3000):
            now = self.workers()
            if now and not now & before:
                return
            time.sleep(0.01)
        raise RuntimeError("nginx did not take its new configuration")

    def wait_until_up(self):
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.02)
        raise RuntimeError("nginx did not start")

    def ask(self, method, target, headers=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in headers.items() if isinstance(headers, dict) else headers or []:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            text = answer.read()
            return answer, json.loads(text) if text else None
        finally:
            connection.close()

    def raw(self, data):
        with socket.create_connection(("127.0.0.1", self.port), 20) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        return answer

    def calm(self):
        """All gateways well, nothing remembered; nginx forgets failures after fail_timeout."""
        for gateway in self.gateways:
            gateway.mode = "echo"
            gateway.seen.clear()

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        for gateway in self.gateways:
            gateway.close()
        shutil.rmtree(self.directory)


@pytest.fixture()
def front():
    front = Front()
    yield front
    front.stop()
