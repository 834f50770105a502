"""The README's curl lines do what it says, as they are printed; only the example's address is this site's."""
import subprocess

import pytest
from harness import readme
from harness.wait import until


def run(command):
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def commands(shared_site):
    found = readme.commands_for(shared_site.url)
    assert len(found) >= 4, f"README.md shows create, status, exec and result; found {found}"
    return found


def test_the_curl_lines_in_order(site, commands):
    outputs = [run(command) for command in commands]
    for command, output in zip(commands, outputs):
        assert '"code":' not in output or '"request_id"' not in output, f"a problem: {command}\n{output}"
    results = [command for command in commands if "/result" in command]
    assert results, "no line polls a result"
    until(lambda: '"completed"' in run(results[-1]), 60, "the result is final", every=0.2)
    until(lambda: not site.node().pods(), 100, "the pod is gone", every=0.2)
    assert '"completed"' in run(results[-1]), "the result outlives the pod"
