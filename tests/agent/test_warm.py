"""Interpreters that are kept ready: used, the same as cold ones, and made again when user code broke them."""
import os
import time

import pytest

from box import Box


@pytest.fixture(scope="module")
def warm():
    with Box() as b:
        b.wait_until_warm()
        yield b


@pytest.fixture
def own():
    """A session of this test alone."""
    with Box() as b:
        b.wait_until_warm()
        yield b


def test_every_python_run_is_warm(warm):
    for _ in range(5):
        assert warm.was_warm(warm.run("python", "1")["execution_id"])


def test_node_is_used_up_and_the_next_one_comes(own):
    for turn in range(1, 4):
        own.wait_until_warm(["nodejs"], turn)
        r = own.run("nodejs", f"console.log({turn}); process.argv.length", args=["a"])
        assert own.was_warm(r["execution_id"]) and r["stdout"] == f"{turn}\n" and r["result"] == "3"


def test_switched_off():
    with Box(warm=False) as box:
        assert not box.was_warm(box.run("python", "1")["execution_id"])
        assert box.warm_languages() == []
        assert [p for p in box.processes() if p.split()[1] in ("(warm)", "(node)")] == []


@pytest.mark.parametrize("name", ["PYTHONHASHSEED", "LD_PRELOAD", "MALLOC_ARENA_MAX", "LANG", "TZ", "HOME"])
def test_environment_that_counts_at_the_start_is_cold(warm, name):
    r = warm.run("python", f"import os\nos.environ[{name!r}]", env={name: "0"})
    assert not warm.was_warm(r["execution_id"]) and r["result"] == "'0'"


def test_session_environment_that_counts_at_the_start_is_cold():
    with Box(start=False) as box:
        box.start(env={"PYTHONUTF8": "1"})
        box.wait_until_warm()
        r = box.run("python", "import sys\nsys.flags.utf8_mode")
        assert not box.was_warm(r["execution_id"]) and r["result"] == "1"


def test_environment_is_the_runs_own(warm):
    r = warm.run("python", "import os, subprocess\nprint(subprocess.run('env', capture_output=True, text=True).stdout)\nsorted(os.environ)",
                 env={"MINE": "a=b"})
    names = {line.split("=")[0] for line in r["stdout"].splitlines() if line} - {"LC_CTYPE"}
    assert names == {"PATH", "HOME", "LANG", "TMPDIR", "USER", "PYTHONDONTWRITEBYTECODE", "MINE"} and "MINE=a=b" in r["stdout"]
    assert warm.was_warm(r["execution_id"])
    assert warm.run("python", "import os\n'MINE' in os.environ")["result"] == "False"


SELF = """
import sys, os, signal, resource
mask = [l for l in open('/proc/self/status') if l.split(':')[0] in
        ('SigBlk', 'SigIgn', 'SigCgt', 'Seccomp', 'NoNewPrivs', 'Name', 'CapEff', 'Threads', 'Groups', 'Uid', 'Umask')]
(mask, sys.argv, sys.orig_argv[:3], sys.orig_argv[4:], sys.flags, sys.path, sorted(set(globals())), os.getcwd(),
 os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid(), sorted(os.listdir('/proc/self/fd')), sys.stdin.seekable(), sys.stdout.line_buffering, sys.stdout.encoding,
 sys.stdin.isatty(), resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_CORE), open('/proc/self/oom_score_adj').read(),
 signal.getsignal(signal.SIGINT) is signal.default_int_handler, os.nice(0), sys.getrecursionlimit(), sys.dont_write_bytecode,
 sys.executable, sys.prefix, sys._xoptions, sys.warnoptions)
"""


def test_a_warm_run_cannot_be_told_from_a_cold_one(warm):
    a = warm.run("python", SELF, args=["x", "y z"], filename="self.py")
    with Box(warm=False) as cold:
        b = cold.run("python", SELF, args=["x", "y z"], filename="self.py")
    assert a["error"] is None and b["error"] is None, a
    assert a["result"] == b["result"] or a["result"].replace("Seccomp:\\t2", "") == b["result"].replace("Seccomp:\\t2", "")


@pytest.mark.parametrize("code", [
    "import atexit\natexit.register(print, 'atexit')\nprint(1)",
    "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.05), print('thread'))).start()",
    "class A:\n    def __del__(self): print('del')\na = A()\nb = [a]\nb.append(b)",
    "f = open('/workspace/unflushed', 'w')\nf.write('x' * 100)\nNone",
    "def f():\n    g = open('/workspace/unflushed', 'w')\n    g.write('y')\n    f.kept = g\nf()",
    "import sys, io\nsys.stdout = open('/workspace/out', 'w')\nprint('to the file')",
    "import multiprocessing as m\nif __name__ == '__main__':\n    with m.get_context('fork').Pool(2) as p: print(p.map(abs, [-1, -2]))",
    "import subprocess\nprint(subprocess.check_output(['sh', '-c', 'echo sub; exit 0'], text=True))",
    "import sys\nsys.exit('text')", "import sys\nsys.exit(4)", "raise SystemExit", "import os\nos._exit(5)", "1/0", "import os\nos.abort()",
    "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)", "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nimport time; time.sleep(1)",
    "import ctypes\nctypes.c_int(5).value", "import socket\nsocket.socketpair()[0].family", "import random, uuid, tempfile, logging\nlogging.warning('w')",
    "import sys\nsys.excepthook = lambda *a: print('hook', a[0].__name__)\n1/0", "input()", "print(input()); import sys; sys.stdin.read()",
    "import asyncio\nasyncio.run(asyncio.sleep(0.01, 'slept'))", "import gc\ngc.collect() >= 0", "exit(3)", "quit()", "print(open(__file__).read())",
    "import resource\nresource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n'x' * (1 << 31)",
    "import builtins\nclass A:\n    def __del__(self): print('late')\nbuiltins.kept = A()",
    "import sys\nsys.stdout.close()", "import sys\nsys.stderr.close()", "import sys\nsys.stdout.close()\nsys.stderr.close()",
    "import sys\nsys.stdout.detach()\n5", "import sys\nsys.stderr.detach()", "import sys\nsys.stdout.buffer.close()", "import os\nos.close(1)\nos.close(2)",
    "import weakref\nclass A: pass\na = A()\nweakref.finalize(a, print, 'finalized')\nNone",
    "import os\npid = os.fork()\nif pid == 0:\n    print('child')\nelse:\n    os.waitpid(pid, 0)\n    print('parent')",
    "import signal, os\nsignal.signal(signal.SIGALRM, lambda *a: print('alarm'))\nsignal.setitimer(signal.ITIMER_REAL, 0.05)\nsignal.pause()",
])
def test_programs_end_the_same(warm, code):
    results = []
    with Box(warm=False) as cold:
        for box in (warm, cold):
            r = box.run("python", code, stdin="line\nmore")
            box.call("POST", f"/v1/executions/{r['execution_id']}/stored")
            left = box.run("bash", "cat /workspace/unflushed /workspace/out 2>/dev/null; rm -f /workspace/*")["stdout"]
            results.append([r[k] for k in ("status", "exit_code", "signal", "stdout", "stderr", "result", "error")] + [left])
    assert results[0] == results[1]


@pytest.mark.parametrize("code", [
    "process.on('exit', (code) => console.log('bye', code))", "process.exitCode = 3", "process.exit(4)", "process.on('exit', () => { process.exitCode = 5; })",
    "setTimeout(() => console.log('later'), 30)", "process.on('beforeExit', () => console.log('before'))", "throw new Error('x')",
    "Promise.reject(new Error('y'))", "process.on('uncaughtException', (e) => console.log('caught', e.message)); throw new Error('z')",
    "process.stdout.write('x'.repeat(300000))", "require('child_process').spawn('sh', ['-c', 'echo child'], {stdio: 'inherit'})",
    "new (require('worker_threads').Worker)(\"console.log('worker')\", {eval: true})", "process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 5000)",
])
def test_node_ends_as_it_does_by_itself(warm, code):
    warm.wait_until_warm(["nodejs"], warm.warm_languages().count("nodejs"))
    ours = warm.run("nodejs", code)
    alone = warm.run("bash", f"cat > p.js << 'END'\n{code}\nEND\nexec node p.js")
    for r in (ours, alone):
        warm.call("POST", f"/v1/executions/{r['execution_id']}/stored")
    assert [ours[k] for k in ("stdout", "exit_code", "signal", "status")] == [alone[k] for k in ("stdout", "exit_code", "signal", "status")]
    assert bool(ours["stderr"]) == bool(alone["stderr"])


def test_random_numbers_are_not_the_same_in_two_runs(warm):
    code = "import random, uuid, os, tempfile\n(random.random(), uuid.uuid4(), os.urandom(4), next(tempfile._get_candidate_names()))"
    assert warm.run("python", code)["result"] != warm.run("python", code)["result"]


def numbered(box, name):
    """The process of that name."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        found = [int(p.split()[0]) for p in box.processes() if p.split()[1] == f"({name})"]
        if found:
            return found[0]
        time.sleep(0.02)
    raise AssertionError(f"no {name}")


def server(box):
    return numbered(box, "warm")


@pytest.mark.parametrize("number", ["KILL", "STOP", "SEGV"])
def test_a_server_that_user_code_broke_is_replaced(own, number):
    own.run("bash", f"kill -{number} {server(own)}; sleep 0.1")
    for _ in range(2):  # one process may have been forked before; the next one is missing
        r = own.run("python", "print('still')")
        assert r["stdout"] == "still\n" and r["status"] == "completed"
    own.wait_until_warm(["python"], 2)
    r = own.run("python", "print('again')")
    assert own.was_warm(r["execution_id"]) and r["stdout"] == "again\n"


@pytest.mark.parametrize("number", ["KILL", "STOP", "SEGV", "INT", "TERM"])
@pytest.mark.parametrize("whom", ["spare", "leader"])
def test_a_waiting_python_that_user_code_broke_is_replaced(own, number, whom):
    spare = numbered(own, "spare")
    pid = spare if whom == "spare" else f"$(cut -d ' ' -f 4 /proc/{spare}/stat)"
    own.run("bash", f"kill -{number} {pid}; sleep 0.1")
    for _ in range(2):
        r = own.run("python", "print('still')")
        assert (r["stdout"], r["stderr"], r["status"]) == ("still\n", "", "completed")
    own.wait_until_warm(["python"], 1)
    end = time.monotonic() + 20
    while not own.was_warm(own.run("python", "1")["execution_id"]):
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize("number", ["KILL", "STOP"])
def test_a_waiting_node_that_user_code_broke_is_replaced(own, number):
    own.run("bash", f"for p in /proc/[0-9]*; do read -r i n _ < $p/stat; [ $n = '(node)' ] && kill -{number} $i; done; sleep 0.1")
    assert own.run("nodejs", "1 + 1")["result"] == "2"
    own.wait_until_warm(["nodejs"], 2)
    assert own.was_warm(own.run("nodejs", "1")["execution_id"])


def test_a_server_cannot_be_read_or_reached_from_a_warm_run(warm):
    pid = server(warm)
    r = warm.run("python", f"""
import os, signal
out = []
for name in ("mem", "environ", "fd/4", "maps"):
    try:
        open("/proc/{pid}/" + name, "rb").read(1)
        out.append(name)
    except OSError:
        pass
for number in (9, 19, 15):
    try:
        os.kill({pid}, number)
        out.append(number)
    except PermissionError:
        pass
out""")
    assert r["result"] == "[]"


def test_one_that_waits_cannot_be_read(warm):
    pid = numbered(warm, "spare")
    r = warm.run("bash", f"for name in mem environ fd/4 maps; do head -c 1 /proc/{pid}/$name && echo $name; done 2>/dev/null; cat /proc/{pid}/comm")
    assert r["stdout"] == "spare\n"


def test_a_storm_of_runs_stays_right(warm):
    import threading
    seen = []

    def many(k):
        for i in range(6):
            r = warm.run("python", f"print({k * 100 + i})\n{k}")
            seen.append(r["stdout"] == f"{k * 100 + i}\n" and r["result"] == str(k))
            warm.call("POST", f"/v1/executions/{r['execution_id']}/stored")
    threads = [threading.Thread(target=many, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert seen == [True] * 24


def test_the_agent_does_not_grow_with_warm_runs(warm):
    def turns():
        for _ in range(10):
            warm.call("POST", f"/v1/executions/{warm.run('python', 'print(1)')['execution_id']}/stored")
        return warm.agent_memory_kib()
    before = turns()
    assert max(turns(), turns()) - before < 2048  # a sanitizer keeps what was freed for a while


def test_timeouts_and_cancels_of_warm_runs(warm):
    r = warm.run("python", "import subprocess\nsubprocess.Popen(['sleep', '60'])\nwhile True: pass", timeout_seconds=0.5)
    assert (r["status"], r["signal"]) == ("timeout", "SIGKILL")
    eid = warm.submit("python", "import time\ntime.sleep(60)")
    time.sleep(0.1)
    warm.call("DELETE", f"/v1/executions/{eid}")
    assert warm.ended(eid)["status"] == "killed"
    assert [p for p in warm.processes() if p.split()[1] in ("(sleep)", "(python3)")] == []


def test_what_had_ended_by_itself_was_not_killed(own):
    """Cancelled, or out of time, in the moment in which it ends: it is one or the other, never both."""
    ends = set()
    for step in range(60):
        eid = own.submit("python", "1", timeout_seconds=0.003 if step % 3 == 0 else 10)
        time.sleep(0.0005 * (step % 20))
        if step % 3:
            own.call("DELETE", f"/v1/executions/{eid}")
        r = own.ended(eid)
        ends.add((r["status"], r["exit_code"], r["signal"], r["error"] is None))
    assert ends <= {("completed", 0, None, True), ("killed", None, "SIGKILL", False), ("timeout", None, "SIGKILL", False)}, ends


def test_everything_killed_is_made_again(own):
    """As containment does at worst: kill(-1) from process 1's side, here from outside."""
    own.run("bash", "for p in /proc/[0-9]*; do i=${p#/proc/}; [ $i != 1 ] && [ $i != $$ ] && [ $i != $PPID ] && kill -9 $i; done; true")
    assert own.run("python", "2")["result"] == "2"
    own.wait_until_warm(times=2)
    assert own.was_warm(own.run("python", "3")["execution_id"])
    assert os.path.exists(f"/proc/{own.agent_pid()}")
