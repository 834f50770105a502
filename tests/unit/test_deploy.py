#!/usr/bin/python3
"""deploy/: what an operator copies fits together, and the programs take it. Arguments: spillway-gateway, spillway-node.

That a cluster takes it too, and that it serves, is tests/kubernetes/whole/test_deployment.py's to show.
"""
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import yaml

GATEWAY, NODE = sys.argv[1:3]
DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
SITES = ("kubernetes/cloud", "kubernetes/local", "systemd")


def prepare(site, *words):
    return subprocess.run([DEPLOY / "prepare", site, *words], capture_output=True, text=True)


def settings_of(site):
    return yaml.safe_load((site / "gateway.yaml").read_text())


def paths_in(value):
    """Every path of a file in settings."""
    if isinstance(value, dict):
        return [path for each in value.values() for path in paths_in(each)]
    if isinstance(value, list):
        return [path for each in value for path in paths_in(each)]
    return [Path(value)] if isinstance(value, str) and value.startswith("/") else []


class Deploy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.root = Path(folder.name) / "deploy"
        shutil.copytree(DEPLOY, cls.root, ignore=shutil.ignore_patterns("made", "secrets"))
        cls.cloud, cls.local, cls.machine = (cls.root / name for name in SITES)
        cls.refusals = [prepare(cls.cloud), prepare(cls.local)]
        cls.done = [prepare(cls.cloud, "--host", "cloud.example")]
        for theirs, ours in (("sites.token", "cloud.token"), ("ca.pem", "cloud-ca.pem")):
            shutil.copy(cls.cloud / "secrets" / theirs, cls.local / "secrets" / ours)
        cls.done += [prepare(cls.local, "--environments", "python,node"), prepare(cls.machine)]

    def check(self, program, *arguments):
        done = subprocess.run([program, "--check-config", *arguments], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_prepare_says_what_it_misses(self):
        for done, what in zip(self.refusals, ("--host", "cloud.token is missing")):
            self.assertEqual(done.returncode, 1)
            self.assertIn(what, done.stderr)
        for done in self.done:
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("no environment 'cobol'", prepare(self.local, "--environments", "cobol").stderr)

    def test_prepare_changes_no_secret(self):
        for site in (self.cloud, self.local, self.machine):
            before = {path: path.read_bytes() for path in (site / "secrets").iterdir()}
            self.assertEqual(prepare(site).stdout, "")
            self.assertEqual({path: path.read_bytes() for path in (site / "secrets").iterdir()}, before)
        for path in (self.cloud / "secrets").iterdir():
            self.assertEqual(path.stat().st_mode & 0o077, 0, path)
        self.assertFalse((self.cloud / "secrets/ca.key").exists())

    def test_the_key_is_the_hashed_one(self):
        key = (self.local / "secrets/api-key.txt").read_text().strip()
        self.assertIn(hashlib.sha256(key.encode()).hexdigest(), (self.local / "secrets/keys").read_text())

    def test_the_certificate_is_of_its_authority(self):
        done = subprocess.run(["openssl", "verify", "-CAfile", self.cloud / "secrets/ca.pem", "-verify_hostname", "cloud.example",
                               self.cloud / "secrets/tls.crt"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_kustomizations_bring_what_settings_name(self):
        """Files that are there once prepare ran, under the paths where gateways and nginx look for them."""
        for site in (self.cloud, self.local):
            kustomization = yaml.safe_load((site / "kustomization.yaml").read_text())
            brought = {"/etc/spillway-secrets/redis.password"}
            for folder, kind in (("/etc/spillway", "configMapGenerator"), ("/etc/spillway-secrets", "secretGenerator")):
                for each in kustomization[kind]:
                    for name in each["files"]:
                        path = site / name.rpartition("=")[2]
                        self.assertTrue(path.is_file(), path)
                        brought.add(f"{folder}/{path.name}")
            wanted = paths_in(settings_of(site)) + paths_in(json.loads((site / "front.json").read_text()).get("sites", {}))
            self.assertEqual({str(path) for path in wanted} - brought, set())

    def test_images_stand_beside_the_agents(self):
        made = yaml.safe_load((self.local / "made/environments.yaml").read_text())["environments"]
        images = {name: f"registry.example/spillway/{name}:1" for name in ("python", "node")}  # also after a later prepare
        self.assertEqual({name: each["image"] for name, each in made.items()}, images)
        names = yaml.safe_load((self.local / "kustomization.yaml").read_text())["images"]
        self.assertIn("registry.example/spillway/gateway", [each["newName"] for each in names])

    def test_gateways_take_their_settings(self):
        for site in (self.cloud, self.local):
            self.check(GATEWAY, "--config", str(site / "gateway.yaml"), "--kubernetes.url", "http://127.0.0.1:1")

    def test_units_start_what_takes_their_arguments(self):
        units = {path.name: path.read_text() for path in self.machine.glob("*.service")}
        node = yaml.safe_load((self.machine / "node.yaml").read_text())
        images = self.root / "images-of-node"
        images.mkdir()
        node["images"] = {name: str(images) for name in node["images"]}
        node["agent"]["dir"] = str(images)
        (self.machine / "node.yaml").write_text(yaml.safe_dump(node))
        for name, program in (("spillway-gateway@.service", GATEWAY), ("spillway-node.service", NODE)):
            words = re.search(r"^ExecStart=(.*)$", units[name], re.MULTILINE)[1].replace("%i", "1").replace("%l", "host").split()
            self.assertEqual(words[0], f"/usr/lib/spillway/{Path(program).name}")
            self.check(program, *(word.replace("/etc/spillway", str(self.machine)) for word in words[1:]))
        listens = re.findall(r"127\.0\.0\.1:800\d", (self.machine / "made/nginx.conf").read_text())
        self.assertEqual(sorted(set(listens)), [f"127.0.0.1:800{number}" for number in (1, 2, 3)])
        self.assertIn(settings_of(self.machine)["kubernetes"]["url"].removeprefix("http://"), node["listen"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
