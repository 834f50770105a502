#!/usr/bin/python3
"""Runs test suites and sums up: the end of ./test.

Every suite is one program or more; each leaves a JUnit report, or prints a line `N passed, N failed`. That is what is counted;
the output goes to the terminal as it comes, but for such lines, which are for the end.
"""
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree
from pathlib import Path

TREE = Path(__file__).resolve().parents[1]
PYTHON = "/usr/bin/python3"  # the distribution's, which has the distribution's pytest; another one may come first in PATH


SECOND_LOOK_MAX = 8  # more than that is no accident
SUM = re.compile(r"(\d+) passed, (\d+) failed\n?")


def by_pytest(folder, files="test_*.py", without=()):
    """A suite's commands for a preset: (command, working directory) pairs. `files`: a pattern; `without`: names."""
    def commands(preset, report):
        where = TREE / "tests" / folder
        chosen = sorted(path.name for path in where.glob(files) if path.name not in without)
        return [([PYTHON, "-m", "pytest", "-q", "--tb=short", "-o", f"cache_dir={report.with_suffix('.cache')}",
                  "-o", "junit_family=xunit1", f"--junitxml={report}",
                  *chosen], where)]
    return commands


def by_ctest(label):
    def commands(preset, report):
        return [(["ctest", "--test-dir", TREE / "build" / preset, "-L", label, "-j", str(os.cpu_count() or 1), "--no-tests=error",
                  "--output-on-failure", "--output-junit", report], TREE)]
    return commands


def wire(preset, report):
    run = [PYTHON, TREE / "tests/wire/run", "--server", TREE / "build" / preset / "tests/wire_server"]
    return [(run, TREE), ([*run, "--through-nginx"], TREE)]


def program(path):
    """A suite that is one program, which counts by itself."""
    return lambda preset, report: [([TREE / path], TREE)]


def kubernetes(preset, report):
    """Our own tests of the cluster's failures, then the main job's files of e2e with the cluster as a parameter."""
    e2e = [TREE / "tests/e2e" / f"test_{name}.py" for name in ("main_job", "executions", "sessions")]
    run = [PYTHON, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", f"--junitxml={report}"]
    return [([*run, "."], TREE / "tests/kubernetes/whole"),
            (["env", "SPILLWAY_E2E_KUBERNETES=1", *run, *e2e], TREE / "tests/e2e")]


# Files of e2e that are for the suite `faults` alone: they wait for time-outs and deadlines.
SLOW_FAULTS = [f"test_faults_{what}.py" for what in ("api_server", "clock", "metrics", "network", "remote", "watch")]
def schema(preset, report):
    return [([TREE / "tests/schema/run", "--report", report], TREE)]


RUNSC = TREE / "tests/node/runsc/build"


def gvisor(preset, report):
    """What runs code, in sandboxes with a kernel of their own, warm and cold; then cold with crun, which e2e has warm."""
    program = subprocess.run([RUNSC, "--path"], capture_output=True, text=True, check=True).stdout.strip()
    e2e = [TREE / "tests/e2e" / f"test_{name}.py" for name in ("executions", "isolation", "contexts", "files", "processes", "published_holes")]
    run = [PYTHON, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", f"--junitxml={report}"]
    own = f"SPILLWAY_E2E_RUNTIME=gvisor={program}"
    return [(["env", *how, *run, *e2e], TREE / "tests/e2e") for how in ([own], [own, "SPILLWAY_E2E_COLD=1"], ["SPILLWAY_E2E_COLD=1"])]


KUBERNETES_NEEDS = ([TREE / "tools/packages", "kubernetes"], [TREE / "tests/kubernetes/build"])


class Suite:
    def __init__(self, preset, commands, minutes, text, default=True, needs=(), second_look=False, fixed=False):
        self.second_look = second_look  # real processes on a machine with other work: what failed runs once more, and is named
        self.needs = needs  # commands that bring what only this suite needs; their time is their own
        self.fixed = fixed  # the preset is the suite's point: SPILLWAY_PRESET does not change it
        self.preset = preset
        self.commands = commands
        self.minutes = minutes
        self.text = text
        self.default = default


# The preset `debug` has sanitizers; SPILLWAY_PRESET sets one for all suites.
SUITES = {
    "unit": Suite("debug", by_ctest("unit"), 5, "pure code and parsers, with sanitizers"),
    "wire": Suite("debug", wire, 5, "HTTP, bytes in and bytes out, with sanitizers"),
    "sim": Suite("release", program("tests/sim/run"), 15, "gateways in virtual time: 2,000 histories, and planted bugs that must be found",
                 fixed=True),  # a gateway that is killed there frees nothing: the sanitizers would take that for leaks
    "gateway": Suite("debug", by_pytest("gateway"), 5, "gateways between a scripted cluster and scripted agents, with sanitizers"),
    "nginx": Suite("release", by_pytest("nginx"), 5, "the front door before scripted gateways"),
    "agent": Suite("release", by_pytest("agent"), 15, "the agent alone", second_look=True),
    "languages": Suite("release", by_pytest("languages"), 15, "every language in its environment; makes their root file systems on first use",
                       default=False, second_look=True),
    "node": Suite("release", by_pytest("node"), 15, "the embedded node with real containers", second_look=True),
    "gvisor": Suite("release", gvisor, 60, "what runs code, warm and cold, in gVisor; and cold with crun", default=False, needs=([RUNSC],)),
    "kubernetes-api": Suite("debug", by_pytest("kubernetes/api"), 10, "the Kubernetes client against a real API server and the embedded node",
                            default=False, needs=KUBERNETES_NEEDS),
    "kubernetes": Suite("release", kubernetes, 30, "the whole system on a real Kubernetes cluster", default=False, needs=KUBERNETES_NEEDS),
    "fuzz": Suite("fuzz", program("tests/fuzz/run"), 30, "a minute of libFuzzer for each parser", default=False, fixed=True),
    "bench": Suite("release", program("tests/bench/run"), 30, "measurements: ratios to nginx and HAProxy, latencies, memory", default=False,
                   needs=([TREE / "tools/packages", "bench"],), fixed=True),
    "prometheus": Suite("release", by_pytest("prometheus"), 15, "a real Prometheus with the rules and the dashboard of deploy/ on a site",
                        default=False, needs=([TREE / "tools/packages", "prometheus"],)),
    "faults": Suite("release", by_pytest("e2e", files="test_faults_*.py"), 45, "every part and every way between parts fails in every way",
                    default=False, second_look=True),
    "torture": Suite("release", by_pytest("torture"), 10, "system calls of the agent and of a gateway fail, the n-th of each kind", default=False,
                     needs=([TREE / "tools/packages", "torture"],)),
    "schema": Suite("release", schema, 15, "every call of /openapi.json with made-up values, by schemathesis (from PyPI)", default=False,
                    needs=([TREE / "tools/packages", "schema"], [TREE / "tests/schema/venv"])),
    "e2e": Suite("release", by_pytest("e2e", without=SLOW_FAULTS), 30, "the whole system, started by ./run", second_look=True),
}


class Result:
    def __init__(self, name):
        self.name = name
        self.seconds = 0.0
        self.passed = self.failed = self.skipped = 0
        self.note = ""
        self.second_look = []  # names of tests that passed only when they ran again

    @property
    def good(self):
        return self.passed > 0 and self.failed == 0 and not self.note


def fail(text):
    print(f"test: {text}", file=sys.stderr)
    sys.exit(2)


def count(result, report):
    root = xml.etree.ElementTree.parse(report).getroot()
    for suite in [root] if root.tag == "testsuite" else root.iter("testsuite"):
        tests, skipped = (int(suite.get(name) or 0) for name in ("tests", "skipped"))
        skipped += int(suite.get("disabled") or 0)
        failed = int(suite.get("failures") or 0) + int(suite.get("errors") or 0)
        result.passed += tests - skipped - failed
        result.failed += failed
        result.skipped += skipped


def failed_names(report):
    root = xml.etree.ElementTree.parse(report).getroot()
    return [f"{case.get('classname')}::{case.get('name')}" for case in root.iter("testcase")
            if case.find("failure") is not None or case.find("error") is not None]


def look_again(result, command, folder, environment, end, report):
    """Runs once more what failed. What passes then counts as passed, and is named: it is worth a look."""
    names = failed_names(report)
    report.unlink()
    print(f"\n== {result.name}: {len(names)} failed; once more", flush=True)
    again = Result(result.name)
    run_command(again, [*command, "--last-failed", "--last-failed-no-failures=none"], folder, environment, end)
    if not report.is_file():
        return
    count(again, report)
    still = failed_names(report)
    result.second_look = [name for name in names if name not in still]
    result.passed += len(result.second_look)
    result.failed -= len(result.second_look)


def stop_group(process, signum, seconds):
    """Asks, then insists. Fixtures take down what they started."""
    try:
        os.killpg(process.pid, signum)
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    except ProcessLookupError:
        process.wait()


def run_command(result, command, folder, environment, end):
    """Streams the output, counts its sums; (exit status, was there a sum)."""
    process = subprocess.Popen([str(word) for word in command], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    timer = threading.Timer(max(0, end - time.monotonic()), stop_group, (process, signal.SIGINT, 60))
    timer.start()
    counted = False
    try:
        for line in io.TextIOWrapper(process.stdout, errors="replace"):
            found = SUM.fullmatch(line)
            if found:
                counted = True
                result.passed += int(found.group(1))
                result.failed += int(found.group(2))
            else:
                sys.stdout.write(line)
                sys.stdout.flush()
        return process.wait(), counted
    except BaseException:
        stop_group(process, signal.SIGINT, 120)
        raise
    finally:
        timer.cancel()


def run_suite(name, preset, reports):
    suite, result = SUITES[name], Result(name)
    report = reports / f"{name}.xml"
    build = TREE / "build" / preset
    environment = dict(os.environ, SPILLWAY_BUILD=str(build), SPILLWAY_E2E_PRESET=preset, PYTHONDONTWRITEBYTECODE="1",
                       PYTHONUNBUFFERED="1")
    if name == "agent":  # elsewhere this variable is the node's setting agent.dir
        environment["SPILLWAY_AGENT_DIR"] = str(build / "spillway-agent-dir")
    print(f"\n== {name}: {suite.text} (build: {preset})", flush=True)
    for command in suite.needs:
        if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).returncode != 0:
            result.note = f"{command[0].name} failed"
            return result
    started = time.monotonic()
    end = started + suite.minutes * 60
    for command, folder in suite.commands(preset, report):
        if not folder.is_dir():
            result.note = f"{folder} is missing"
            break
        failed_before = result.failed
        status, counted = run_command(result, command, folder, environment, end)
        if report.is_file():
            count(result, report)
            if suite.second_look and 0 < result.failed <= SECOND_LOOK_MAX:
                look_again(result, command, folder, environment, end, report)
                status = 0 if result.failed == failed_before else status
            report.unlink(missing_ok=True)
        elif not counted:
            result.note = "ended without a result"
        if status != 0 and result.failed == failed_before:
            result.note = f"ended with status {status}"
        if time.monotonic() > end:
            result.note = f"stopped after {suite.minutes} minutes"
            break
    result.seconds = time.monotonic() - started
    return result


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
        notes += [result.note] if result.note else []
        notes += ["no test ran"] if not result.passed + result.failed else []
        print(f"{result.name}: {result.seconds:.1f} s" + "".join(f", {note}" for note in notes))
        for test in result.second_look:
            print(f"  passed only the second time: {test}")
        print(f"{result.passed} passed, {result.failed} failed", flush=True)


def usage():
    print("usage: ./test [suite…]\n")
    for name, suite in SUITES.items():
        print(f"  {name:14} {suite.text}" + ("" if suite.default else " (only by name)"))
    print("\nSPILLWAY_PRESET=release|debug|tsan: one build for all suites (default: debug for unit and wire, release for the others)")


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
    reports = Path(tempfile.mkdtemp(prefix="spillway-test-"))
    try:
        results = [run_suite(name, presets[name], reports) for name in names]
    finally:
        shutil.rmtree(reports)
    sum_up(results)
    return 0 if all(result.good for result in results) else 1


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
