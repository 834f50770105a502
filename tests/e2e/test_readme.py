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
    """A reader's pace: the first result is asked again until the first line is there."""
    first_result = next((command for command in commands if "/result" in command), None)
    assert first_result, "no line polls a result"
    partial = None
    for command in commands:
        output = run(command)
        if command == first_result and partial is None:
            until(lambda: '"line 0\\n' in run(first_result), 60, "the first line", every=0.05)
            partial = run(first_result)
        assert '"request_id"' not in output, f"a problem: {command}\n{output}"
    assert '"running"' in partial and "line 4" not in partial, f"no partial output was visible: {partial}"
    until(lambda: '"completed"' in run(first_result), 60, "the result is final", every=0.2)
    until(lambda: not site.node().pods(), 100, "the pod is gone", every=0.2)
    final = run(first_result)
    assert '"completed"' in final and "line 4" in final, "the result outlives the pod"
    assert '"stopped"' in run(commands[-1]), "the last line shows the end"
