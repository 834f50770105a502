#!/usr/bin/python3
"""Runs test suites and sums up: the end of ./test.

What a suite (suites.py) runs are parts, each a program; parts run side by side, as most of them wait more than they work. A part's
output goes to the terminal when it has ended, or as it comes when it runs alone.
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree
from pathlib import Path

from side_by_side import Job, run_jobs
from suites import SUITES, TREE

SECOND_LOOK_MAX = 8  # more than that is no accident
WORKERS = (os.cpu_count() or 1) + 1


class Result:
    """What came of a suite."""

    def __init__(self, name):
        self.name = name
        self.suite = SUITES[name]
        self.passed = self.failed = self.skipped = 0
        self.began = self.ended = None
        self.notes = []
        self.red = []  # jobs in which tests failed
        self.second_look = []  # names of tests that passed only when they ran again

    @property
    def good(self):
        return self.passed > 0 and self.failed == 0 and not self.notes

    def add(self, job):
        """What a job that has ended counts for."""
        self.began = min(self.began or job.began, job.began)
        self.ended = max(self.ended or job.ended, job.ended)
        passed, failed, skipped = job.sums
        report = job.part.report
        if report and report.is_file():
            passed, failed, skipped = count(report)
        elif not job.sums_came:
            self.notes.append(f"{job.part.name}: ended without a result")
        self.passed += passed
        self.failed += failed
        self.skipped += skipped
        if failed:
            self.red.append(job)
        if job.timed_out:
            self.notes.append(f"{job.part.name}: stopped after {self.suite.minutes} minutes")
        elif job.status != 0 and not failed:
            self.notes.append(f"{job.part.name}: ended with status {job.status}")


def fail(text):
    print(f"test: {text}", file=sys.stderr)
    sys.exit(2)


def count(report):
    """(passed, failed, skipped) of a JUnit report."""
    root = xml.etree.ElementTree.parse(report).getroot()
    all_tests = all_failed = all_skipped = 0
    for suite in [root] if root.tag == "testsuite" else root.iter("testsuite"):
        tests, failures, errors, skipped, disabled = (int(suite.get(name) or 0) for name in ("tests", "failures", "errors", "skipped", "disabled"))
        all_tests += tests
        all_failed += failures + errors
        all_skipped += skipped + disabled
    return all_tests - all_failed - all_skipped, all_failed, all_skipped


def failed_names(report):
    root = xml.etree.ElementTree.parse(report).getroot()
    return [f"{case.get('classname')}::{case.get('name')}" for case in root.iter("testcase")
            if case.find("failure") is not None or case.find("error") is not None]


def environment_of(name, preset):
    build = TREE / "build" / preset
    environment = dict(os.environ, SPILLWAY_BUILD=str(build), SPILLWAY_E2E_PRESET=preset, PYTHONDONTWRITEBYTECODE="1",
                       PYTHONUNBUFFERED="1")
    if name == "agent":  # elsewhere this variable is the node's setting agent.dir
        environment["SPILLWAY_AGENT_DIR"] = str(build / "spillway-agent-dir")
    return environment


def look_again(result):
    """Runs once more what failed, now with the machine for itself. What passes then counts as passed, and is named: it is worth a look."""
    for job in result.red:
        report = job.part.report
        names = failed_names(report)
        report.unlink()
        print(f"\n== {result.name} {job.part.name}: {len(names)} failed; once more", flush=True)
        again = Job(job.part, job.environment, job.minutes, more=["--last-failed", "--last-failed-no-failures=none"])
        run_jobs([again], 1, lambda job: None)
        result.ended = again.ended
        if not report.is_file():
            continue
        still = failed_names(report)
        passed = [name for name in names if name not in still]
        result.second_look += passed
        result.passed += len(passed)
        result.failed -= len(passed)


def run_batch(results, presets, reports):
    """The parts of suites that may run beside each other; the long ones begin."""
    jobs, owner = [], {}
    for result in results:
        print(f"\n== {result.name}: {result.suite.text} (build: {presets[result.name]})", flush=True)
        missing = [command for command in result.suite.needs
                   if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).returncode != 0]
        if missing:
            result.notes.append(f"{missing[0][0].name} failed")
            continue
        for part in result.suite.parts(presets[result.name], reports):
            jobs.append(Job(part, environment_of(result.name, presets[result.name]), result.suite.minutes, title=f"{result.name} {part.name}"))
            owner[jobs[-1]] = result
    jobs.sort(key=lambda job: not job.part.long)
    run_jobs(jobs, 1 if results[0].suite.alone else WORKERS, lambda job: owner[job].add(job))
    for result in results:
        if result.suite.second_look and 0 < result.failed <= SECOND_LOOK_MAX:
            look_again(result)


def batches(results):
    """Suites that want to be alone, each by itself where it stands; the others together, behind the first ones."""
    alone = [result for result in results if result.suite.alone]
    together = [result for result in results if not result.suite.alone]
    return [[result] for result in alone if result.suite.default] + [together] * bool(together) + \
        [[result] for result in alone if not result.suite.default]


def build(presets):
    for preset in presets:
        started = time.monotonic()
        if subprocess.run([TREE / "tools/build", preset], stdin=subprocess.DEVNULL).returncode != 0:
            print(f"test: the {preset} build failed", file=sys.stderr)
            sys.exit(1)
        print(f"build {preset}: {time.monotonic() - started:.1f} s", flush=True)


def sum_up(results):
    print()
    for result in results:
        notes = [f"{result.skipped} skipped"] if result.skipped else []
        notes += result.notes
        notes += ["no test ran"] if not result.passed + result.failed else []
        seconds = result.ended - result.began if result.ended else 0
        print(f"{result.name}: {seconds:.1f} s" + "".join(f", {note}" for note in notes))
        for test in result.second_look:
            print(f"  passed only the second time: {test}")
        print(f"{result.passed} passed, {result.failed} failed", flush=True)


def usage():
    print("usage: ./test [suite…]\n")
    for name, suite in SUITES.items():
        print(f"  {name:14} {suite.text}" + ("" if suite.default else " (only by name)"))
    print("\nSPILLWAY_PRESET=release|debug|tsan: one build for all suites (default: debug for unit, wire and gateway, release for the others)")


def main(arguments):
    if "-h" in arguments or "--help" in arguments:
        usage()
        return 0
    for name in arguments:
        if name not in SUITES:
            fail(f"there is no suite {name!r}; there are: {' '.join(SUITES)}")
    names = list(dict.fromkeys(arguments)) or [name for name, suite in SUITES.items() if suite.default]
    chosen = os.environ.get("SPILLWAY_PRESET")
    if chosen not in (None, "", "release", "debug", "tsan"):
        fail(f"SPILLWAY_PRESET: {chosen!r} is none of release, debug, tsan")
    presets = {name: SUITES[name].preset if SUITES[name].fixed else chosen or SUITES[name].preset for name in names}
    build(sorted(set(presets.values())))
    results = [Result(name) for name in names]
    began = time.monotonic()
    reports = Path(tempfile.mkdtemp(prefix="spillway-test-"))
    try:
        for batch in batches(results):
            run_batch(batch, presets, reports)
    finally:
        shutil.rmtree(reports)
    sum_up(results)
    if len(results) > 1:
        print(f"all: {time.monotonic() - began:.0f} s")
    return 0 if all(result.good for result in results) else 1


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
