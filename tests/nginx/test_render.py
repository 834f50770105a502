"""nginx/render: what it makes nginx takes, what it is not told right it refuses by name."""
import json
import subprocess

import pytest
from conftest import TREE, free_port


def render(**spec):
    spec = {"directory": "/tmp", "listen": ["127.0.0.1:1"], "gateways": ["127.0.0.1:2"]} | spec
    return subprocess.run([TREE / "nginx/render", "-"], input=json.dumps(spec), text=True, capture_output=True)


@pytest.mark.parametrize("logs, access, error", [
    ("files", "{folder}/access.log ", "{folder}/error.log "), ("standard", "/dev/stdout ", "stderr "), ("syslog", "syslog:", "syslog:")])
def test_logs(tmp_path, logs, access, error):
    done = render(directory=str(tmp_path), listen=[f"127.0.0.1:{free_port()}"], logs=logs)
    assert done.returncode == 0, done.stderr
    assert f"access_log {access.format(folder=tmp_path)}" in done.stdout and f"error_log {error.format(folder=tmp_path)}" in done.stdout
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(done.stdout)
    taken = subprocess.run(["nginx", "-e", "stderr", "-t", "-q", "-c", configuration], capture_output=True, text=True)
    assert taken.returncode == 0, taken.stderr


@pytest.mark.parametrize("spec, what", [
    ({"logs": "nowhere"}, "nowhere"), ({"directory": "here"}, "here"), ({"gateways": []}, "gateway"), ({"listen": ["8080"]}, "address"),
    ({"sites": {"listen": ["127.0.0.1:3"], "certificate": "/a b;", "key": "/k"}}, "certificate")])
def test_refused(spec, what):
    done = render(**spec)
    assert done.returncode == 1 and done.stdout == "" and what in done.stderr, done.stderr
