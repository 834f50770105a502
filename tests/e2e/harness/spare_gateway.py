"""One more gateway of a site, started by the test with the site's own configuration, next to the launcher's: it comes when the test
says so, knowing nothing."""
import os
import re
import shutil
import signal
import subprocess
import tempfile

from .client import Client, ConnectionLost
from .namespaces import connector
from .prometheus import Metrics
from .site import ROOT
from .wait import until

API, ADMIN = 8091, 9091  # in the site's own network, where nobody else has them
NAME = "gateway-9"


class SpareGateway:
    def __init__(self, site):
        self.site = site
        self.directory = tempfile.mkdtemp(prefix="e2e-gateway-")
        self.environment = {}
        self.process = None
        with open(os.path.join(site.state_dir, "local", "gateway-1.yaml"), encoding="utf-8") as file:
            text = file.read()
        text = re.sub(r"^name: .*$", f'name: "{NAME}"', text, flags=re.M)
        self.configuration = self.write("gateway.yaml", text.replace("127.0.0.1:8001", f"127.0.0.1:{API}")
                                        .replace("127.0.0.1:9001", f"127.0.0.1:{ADMIN}"))

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path + ".new", "w", encoding="ascii") as file:
            file.write(text)
        os.replace(path + ".new", path)
        return path

    def start(self):
        program = os.path.join(ROOT, "build", os.environ.get("SPILLWAY_E2E_PRESET", "release"), "bin", "spillway-gateway")
        command = ["nsenter", f"--net=/proc/{self.site.entry('node')['pid']}/ns/net", "env"]
        command += [f"{key}={value}" for key, value in self.environment.items()] + [program, "--config", self.configuration]
        with open(os.path.join(self.directory, "log"), "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={"PATH": os.environ["PATH"]})
        until(lambda: self.client().get("/readyz").status == 200, 60, "the gateway is ready", ignore=(OSError, ConnectionLost))
        return self

    def client(self, port=API):
        return Client(f"http://127.0.0.1:{port}", connect=connector(self.process.pid, "127.0.0.1", port))

    def metrics(self):
        return Metrics(self.client(ADMIN).get("/metrics").expect(200).body.decode())

    def stop(self):
        """It ends as it was asked to, whatever the test did to it."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(60)
        finally:
            self.process.kill()
            self.process.wait()
            with open(os.path.join(self.directory, "log"), encoding="utf-8", errors="replace") as file:
                said = file.read()
            shutil.rmtree(self.directory, ignore_errors=True)
        assert status in (0, -signal.SIGTERM), f"ended with {status}:\n{said[-3000:]}"

    def __enter__(self):
        return self.start()

    def __exit__(self, *ignored):
        self.stop()
