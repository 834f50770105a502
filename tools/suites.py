"""The suites of ./test: what each runs, and with which build."""
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

TREE = Path(__file__).resolve().parents[1]
PYTHON = "/usr/bin/python3"  # the distribution's, which has the distribution's pytest; another one may come first in PATH
RUNSC = TREE / "tests/node/runsc/build"
KUBERNETES_NEEDS = ([TREE / "tools/packages", "kubernetes"], [TREE / "tests/kubernetes/build"])


def e2e_files(*names):
    return [f"test_{name}.py" for name in names]


# These are for the suite `faults` alone: they wait for time-outs and deadlines, or `redis` and `hybrid_faults` show most of them.
SLOW_FAULTS = e2e_files(*(f"faults_{what}" for what in ("api_server", "clock", "metrics", "network", "remote", "site", "watch")))
# These take a minute and more.
LONG_E2E = e2e_files("hybrid", "hybrid_faults", "load", "redis", "launcher_kill", "nginx", "overshoot", "faults_gateway", "packages", "launcher_stop")


@dataclass
class Part:
    """One program of a suite. It leaves a JUnit report, or prints a line `N passed, N failed`."""

    name: str
    command: list
    folder: Path = TREE
    report: Path = None  # where the program was told to leave it
    long: bool = False  # begins before the others, so that nothing waits for it in the end


def pytest_part(name, files, folder, report, long=False, before=()):
    """`before`: words in front of the command."""
    command = [*before, PYTHON, "-m", "pytest", "-q", "--tb=short", "-o", f"cache_dir={report.with_suffix('.cache')}",
               "-o", "junit_family=xunit1", f"--junitxml={report}", *files]
    return Part(name, command, folder, report, long)


def by_pytest(folder):
    """One program for the whole folder: its files share what is dear to start."""
    return lambda preset, reports: [pytest_part(folder, ["."], TREE / "tests" / folder, reports / f"{folder.replace('/', '-')}.xml")]


def by_file(folder, files="test_*.py", without=(), long=()):
    """Each file a part of its own, side by side. `files`: a pattern; `without`, `long`: names."""
    def parts(preset, reports):
        where = TREE / "tests" / folder
        chosen = sorted(path.name for path in where.glob(files) if path.name not in without)
        return [pytest_part(name, [name], where, reports / f"{folder}-{name}.xml", name in long) for name in chosen]
    return parts


def by_ctest(label):
    def parts(preset, reports):
        report = reports / f"{label}.xml"
        return [Part(label, ["ctest", "--test-dir", TREE / "build" / preset, "-L", label, "-j", str(os.cpu_count() or 1), "--no-tests=error",
                             "--output-on-failure", "--output-junit", report], report=report)]
    return parts


def wire(preset, reports):
    run = [PYTHON, TREE / "tests/wire/run", "--server", TREE / "build" / preset / "tests/wire_server"]
    return [Part("direct", run), Part("through nginx", [*run, "--through-nginx"])]


def program(path):
    """A suite that is one program, which counts by itself."""
    return lambda preset, reports: [Part(Path(path).name, [TREE / path])]


def schema(preset, reports):
    report = reports / "schema.xml"
    return [Part("schema", [TREE / "tests/schema/run", "--report", report], report=report)]


def kubernetes(preset, reports):
    """Our own tests of the cluster's failures, then the main job's files of e2e with the cluster as a parameter."""
    return [pytest_part("whole", ["."], TREE / "tests/kubernetes/whole", reports / "kubernetes-whole.xml"),
            pytest_part("e2e", e2e_files("main_job", "executions", "sessions"), TREE / "tests/e2e", reports / "kubernetes-e2e.xml",
                        before=["env", "SPILLWAY_E2E_KUBERNETES=1"])]


def gvisor(preset, reports):
    """What runs code, in sandboxes with a kernel of their own, warm and cold; then cold with crun, which e2e has warm."""
    runsc = subprocess.run([RUNSC, "--path"], capture_output=True, text=True, check=True).stdout.strip()
    files = e2e_files("executions", "isolation", "contexts", "files", "processes", "published_holes")
    own, cold = f"SPILLWAY_E2E_RUNTIME=gvisor={runsc}", "SPILLWAY_E2E_COLD=1"
    return [pytest_part(name, files, TREE / "tests/e2e", reports / f"gvisor-{name}.xml", before=["env", *how])
            for name, how in (("warm", [own]), ("cold", [own, cold]), ("crun cold", [cold]))]


@dataclass
class Suite:
    preset: str
    parts: callable  # of (preset, folder for reports): what it runs
    minutes: int  # that a part may take
    text: str
    default: bool = True
    alone: bool = False  # its parts run one by one, and nothing beside them
    needs: tuple = ()  # commands that bring what only this suite needs
    second_look: bool = False  # real processes on a machine with other work: what failed runs once more, and is named
    fixed: bool = False  # the preset is the suite's point: SPILLWAY_PRESET does not change it


# The preset `debug` has sanitizers; SPILLWAY_PRESET sets one for all suites.
SUITES = {
    "unit": Suite("debug", by_ctest("unit"), 5, "pure code and parsers, with sanitizers", alone=True),
    "wire": Suite("debug", wire, 5, "HTTP, bytes in and bytes out, with sanitizers"),
    "sim": Suite("release", program("tests/sim/run"), 15, "gateways in virtual time: 2,000 histories, and planted bugs that must be found",
                 fixed=True),  # a gateway that is killed there frees nothing: the sanitizers would take that for leaks
    "gateway": Suite("debug", by_file("gateway"), 5, "gateways between a scripted cluster and scripted agents, with sanitizers"),
    "nginx": Suite("release", by_file("nginx"), 5, "the front door before scripted gateways"),
    "agent": Suite("release", by_file("agent"), 15, "the agent alone", second_look=True),
    "languages": Suite("release", by_pytest("languages"), 15, "every language in its environment; makes their root file systems on first use",
                       default=False, alone=True, second_look=True),
    "node": Suite("release", by_file("node"), 15, "the embedded node with real containers", second_look=True),
    "gvisor": Suite("release", gvisor, 30, "what runs code, warm and cold, in gVisor; and cold with crun", default=False, alone=True,
                    needs=([RUNSC],)),
    "kubernetes-api": Suite("debug", by_pytest("kubernetes/api"), 10, "the Kubernetes client against a real API server and the embedded node",
                            default=False, alone=True, needs=KUBERNETES_NEEDS),
    "kubernetes": Suite("release", kubernetes, 30, "the whole system on a real Kubernetes cluster", default=False, alone=True,
                        needs=KUBERNETES_NEEDS),
    "fuzz": Suite("fuzz", program("tests/fuzz/run"), 30, "a minute of libFuzzer for each parser", default=False, alone=True, fixed=True),
    "bench": Suite("release", program("tests/bench/run"), 30, "measurements: ratios to nginx and HAProxy, latencies, memory", default=False,
                   alone=True, needs=([TREE / "tools/packages", "bench"],), fixed=True),
    "prometheus": Suite("release", by_pytest("prometheus"), 15, "a real Prometheus with the rules and the dashboard of deploy/ on a site",
                        default=False, alone=True, needs=([TREE / "tools/packages", "prometheus"],)),
    "faults": Suite("release", by_file("e2e", files="test_faults_*.py"), 45, "every part and every way between parts fails in every way",
                    default=False, second_look=True),
    "torture": Suite("release", by_file("torture"), 10, "system calls of the agent and of a gateway fail, the n-th of each kind", default=False,
                     needs=([TREE / "tools/packages", "torture"],)),
    "schema": Suite("release", schema, 15, "every call of /openapi.json with made-up values, by schemathesis (from PyPI)", default=False,
                    needs=([TREE / "tools/packages", "schema"], [TREE / "tests/schema/venv"])),
    "e2e": Suite("release", by_file("e2e", without=SLOW_FAULTS, long=LONG_E2E), 30, "the whole system, started by ./run", second_look=True),
}
