"""tools/run_suites: what parts count for, what fails, what runs once more, and that nothing outlives an interrupt."""
import contextlib
import io
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tools"))

import run_suites  # noqa: E402
from side_by_side import Job, run_jobs  # noqa: E402
from suites import Part, Suite  # noqa: E402

JUNIT = '<testsuite tests="3" failures="{0}" errors="0" skipped="1"><testcase classname="c" name="a">{1}</testcase></testsuite>'
RED = JUNIT.format(1, "<failure/>")
GREEN = JUNIT.format(0, "")


def shell(name, script, folder, report=None):
    return Part(name, ["sh", "-c", script, "sh"], Path(folder), report)


class Suites(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="spillway-suites-test-")
        self.path = Path(self.folder.name)
        self.usual = run_suites.SUITES
        self.addCleanup(self.put_back)

    def put_back(self):
        run_suites.SUITES = self.usual
        self.folder.cleanup()

    def result_of(self, *parts, **how):
        run_suites.SUITES = {"s": Suite("release", lambda preset, reports: list(parts), 1, "", **how)}
        result = run_suites.Result("s")
        with contextlib.redirect_stdout(io.StringIO()) as said:
            run_suites.run_batch([result], {"s": "release"}, self.path)
        self.said = said.getvalue()
        return result

    def test_lines_and_reports_are_counted(self):
        report = self.path / "r.xml"
        result = self.result_of(shell("lines", "echo 3 passed, 0 failed; echo more; echo 4 passed, 0 failed", self.path),
                                shell("report", f"echo '{GREEN}' > {report}", self.path, report))
        self.assertEqual((result.passed, result.failed, result.skipped, result.good), (9, 0, 1, True))
        self.assertIn("more", self.said)
        self.assertNotIn("3 passed", self.said)

    def test_what_is_not_good(self):
        for script in ("echo 1 passed, 1 failed; exit 1", "echo 1 passed, 0 failed; exit 1", "exit 0", "echo 0 passed, 0 failed"):
            self.assertFalse(self.result_of(shell("part", script, self.path)).good, script)

    def test_what_failed_runs_once_more_and_is_named(self):
        report = self.path / "r.xml"
        for second, failed in ((GREEN, 0), (RED, 1)):
            script = f'if [ "$1" = --last-failed ]; then echo \'{second}\' > {report}; else echo \'{RED}\' > {report}; exit 1; fi'
            result = self.result_of(shell("part", script, self.path, report), second_look=True)
            self.assertEqual((result.failed, result.second_look, result.good), (failed, [] if failed else ["c::a"], not failed))
            report.unlink()

    def test_parts_run_beside_each_other_unless_the_suite_is_alone(self):
        meet = "touch {0}; for i in $(seq 100); do [ -e {1} ] && echo 1 passed, 0 failed && exit; sleep 0.1; done"
        parts = [shell(a, meet.format(a, b), self.path) for a, b in (("left", "right"), ("right", "left"))]
        self.assertTrue(self.result_of(*parts).good)
        began = []
        run_jobs([Job(shell(n, f"echo {n} >> order; sleep 0.1; echo {n} >> order", self.path), {}, 1) for n in "ab"], 1, began.append)
        self.assertEqual((self.path / "order").read_text().split(), ["a", "a", "b", "b"])

    def test_an_interrupt_reaches_all_and_is_waited_for(self):
        """Each part takes something down when it is interrupted; the third had not begun."""
        program = f"""
import sys; sys.path.insert(0, {str(TREE / "tools")!r})
from pathlib import Path
from side_by_side import Job, run_jobs
from suites import Part
script = "trap 'sleep 0.3; touch {{0}}.down; exit' INT; touch {{0}}.up; while :; do sleep 0.1; done"
run_jobs([Job(Part(n, ["sh", "-c", script.format(n)], Path({self.folder.name!r})), {{}}, 1) for n in "abc"], 2, print)
"""
        process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while not all((self.path / f"{n}.up").exists() for n in "ab") and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        self.assertNotEqual(process.wait(60), 0)
        self.assertEqual(sorted(os.listdir(self.path)), ["a.down", "a.up", "b.down", "b.up"])


if __name__ == "__main__":
    unittest.main()
