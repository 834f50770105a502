#!/usr/bin/python3
"""--check-config of both programs, and SIGHUP of a gateway. Arguments: spillway-gateway, spillway-node."""
import contextlib
import hashlib
import http.client
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

GATEWAY, NODE = sys.argv[1:3]

GATEWAY_YAML = """\
listen: ["127.0.0.1:0"]
admin:
  listen: ["127.0.0.1:0"]
site_key_file: {folder}/site.key
environments_file: {folder}/environments.yaml
auth:
  keys_file: {folder}/keys
kubernetes:
  url: http://127.0.0.1:1
redis:
  url: redis://127.0.0.1:1
limits:
  idle: {idle}
  tombstones: {tombstones}
"""
NODE_YAML = """\
data_dir: {folder}/node
capacity:
  memory: 1Gi
"""


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = Path(self.folder.name)
        self.write("site.key", "ab" * 32 + "\n")
        self.write("keys", "first " + "0" * 64 + "\n")
        self.write("environments.yaml", "environments:\n  python:\n    image: i\n    languages: [python]\n")

    def write(self, name, text):
        (self.path / name).write_text(text)
        return str(self.path / name)

    def gateway_yaml(self, idle="300s", tombstones=2000):
        return self.write("gateway.yaml", GATEWAY_YAML.format(folder=self.path, idle=idle, tombstones=tombstones))

    def node_yaml(self):
        return self.write("node.yaml", NODE_YAML.format(folder=self.path))


class CheckConfig(Folder):
    def check(self, program, path):
        done = subprocess.run([program, "--config", path, "--check-config"], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def refuses(self, program, path, old, new, wanted):
        text = Path(path).read_text()
        self.assertIn(old, text)
        Path(path).write_text(text.replace(old, new))
        status, said = self.check(program, path)
        self.assertEqual(status, 1, said)
        self.assertIn(wanted, said)

    def test_good_ones(self):
        for program, path in ((GATEWAY, self.gateway_yaml()), (NODE, self.node_yaml())):
            status, said = self.check(program, path)
            self.assertEqual((status, "is fine" in said), (0, True), said)

    def test_unknown_key_names_its_line(self):
        self.refuses(GATEWAY, self.gateway_yaml(), "  idle:", "  idel:", "gateway.yaml:13: unknown key 'limits.idel'")
        self.refuses(NODE, self.node_yaml(), "  memory:", "  memori:", "node.yaml:3: unknown key 'capacity.memori'")

    def test_wrong_unit_names_its_line(self):
        self.refuses(GATEWAY, self.gateway_yaml(), "idle: 300s", "idle: 300", "gateway.yaml:13: limits.idle")
        self.refuses(NODE, self.node_yaml(), "memory: 1Gi", "memory: 1GB", "node.yaml:3: capacity.memory")

    def test_what_the_table_cannot_say(self):
        self.refuses(GATEWAY, self.gateway_yaml(), "  idle:", "  session: 200h\n  idle:", "limits.session")
        self.refuses(GATEWAY, self.gateway_yaml(), "  idle:", "  session: 25h\n  idle:", "limits.session is above limits.session_max")
        self.refuses(NODE, self.node_yaml(), "data_dir: ", "data_dir: relative", "data_dir: must be an absolute path")


class Reload(Folder):
    def setUp(self):
        super().setUp()
        self.log = self.path / "log"
        with self.log.open("w") as log:
            self.gateway = subprocess.Popen([GATEWAY, "--config", self.gateway_yaml()], stdout=log, stderr=log)
        self.addCleanup(self.stop)
        self.ports = re.search(r"event=started.* port=(\d+) admin_port=(\d+)", self.wait_for(r"event=started.*\n"))

    def stop(self):
        self.gateway.kill()
        self.gateway.wait()

    def wait_for(self, pattern):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if re.search(pattern, text := self.log.read_text()):
                return text
            time.sleep(0.02)
        self.fail(f"no {pattern!r} in the log:\n{text}")

    def config(self):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", int(self.ports[2]), timeout=10)) as admin:
            admin.request("GET", "/debug/config")
            return json.loads(admin.getresponse().read())

    def status_with(self, key):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", int(self.ports[1]), timeout=10)) as api:
            api.request("GET", "/abc/status", headers={"X-API-Key": key})
            return api.getresponse().status

    def test_what_can_change_does(self):
        self.assertEqual(self.status_with("secret"), 401)
        self.gateway_yaml(idle="77s", tombstones=7)
        self.write("keys", "second " + hashlib.sha256(b"secret").hexdigest() + "\n")
        self.gateway.send_signal(signal.SIGHUP)
        log = self.wait_for("event=reloaded")
        self.assertIn("key=limits.tombstones", log)
        self.assertEqual(self.config()["limits.idle"], 77000)
        self.assertEqual(self.config()["limits.tombstones"], 2000)
        self.assertEqual(self.status_with("secret"), 503)  # it has not seen its cluster yet

    def test_a_fault_changes_nothing(self):
        self.gateway_yaml(idle="77")
        self.gateway.send_signal(signal.SIGHUP)
        self.assertIn("gateway.yaml:13", self.wait_for("event=reload_refused"))
        self.gateway_yaml(idle="78s")
        self.write("keys", "nonsense\n")
        self.gateway.send_signal(signal.SIGHUP)
        self.wait_for("(?s)event=reload_refused.*event=reload_refused")
        self.assertEqual(self.config()["limits.idle"], 300000)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
