"""An unmodified kubectl, as tests/kubernetes/build makes it, against a node of the tests."""
import json
import os
import subprocess
import tempfile
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
PORT = 8001


def find():
    """Path of the program, or None and why there is none."""
    given = os.environ.get("SPILLWAY_KUBECTL")
    if given:
        return Path(given), None
    asked = subprocess.run([TREE / "tests/kubernetes/build", "--path"], capture_output=True, text=True)
    if asked.returncode != 0:
        return None, "kubectl has not been built: ./test kubernetes-api builds it"
    return Path(asked.stdout.strip()) / "kubectl", None


class Kubectl:
    def __init__(self, node, namespace="sandboxes"):
        program, why = find()
        assert program, why
        self.node = node
        self.home = tempfile.TemporaryDirectory(prefix="spillway-kubectl-")
        self.command = node.enter("env", f"HOME={self.home.name}", "KUBECONFIG=", program, f"--server=http://127.0.0.1:{PORT}",
                                  f"--namespace={namespace}")

    def close(self):
        self.home.cleanup()

    def popen(self, *args, **more):
        return subprocess.Popen([*self.command, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)

    def run(self, *args, body=None, status=0):
        """Its standard output; body goes to its standard input as JSON."""
        done = subprocess.run([*self.command, *args], input=json.dumps(body) if body is not None else None, capture_output=True, text=True, timeout=60)
        assert done.returncode == status, f"{args}: {done.returncode}\n{done.stdout}{done.stderr}\n{self.node.log()[-2000:]}"
        return done.stdout if status == 0 else done.stderr

    def table(self, *args):
        """Rows as dictionaries by the headings; columns are apart by two blanks at least."""
        lines = self.run(*args).splitlines()
        starts = [i for i, c in enumerate(lines[0]) if c != " " and (i == 0 or lines[0][i - 2:i] == "  ")]
        return [{lines[0][a:b].strip(): line[a:b].strip() for a, b in zip(starts, [*starts[1:], None])} for line in lines[1:]]
