"""Hostile code against its own agent. Every program here runs in a box: the first test sees to that it really is one."""
import json
import os
import signal
import time

import pytest

from box import Box


@pytest.fixture(scope="module", autouse=True)
def inside_a_box(box):
    """Own PID namespace, own network namespace without a way out; else nothing in this file runs."""
    pid = box.agent_pid()
    for kind in ("pid", "net", "mnt", "ipc", "uts"):
        link = "pid_for_children" if kind == "pid" else kind
        assert os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}"), link
    with open(f"/proc/{pid}/net/dev") as f:
        assert [line.split(":")[0].strip() for line in f.readlines()[2:]] == ["lo"]
    with open(f"/proc/{pid}/status") as f:
        status = dict(line.split(":", 1) for line in f)
    assert status["Uid"].split()[0] == "1000" and int(status["CapEff"], 16) == 0


def survivors(box):
    """What lives beside the agent, its leader, the shell that asks, and interpreters that wait (warm: Python's; node, which no
    test here runs). An interpreter that is only starting has no name yet: who is alive at the end of some seconds counts."""
    known = ("(agent)", "(leader)", "(bash)", "(warm)", "(spare)", "(node)")
    end = time.monotonic() + 10
    while True:
        found = [p for p in box.processes() if p.split()[1] not in known]
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.2)


def test_timeout_kills_daemons(fresh):
    """A2: 200 double-forked, setsid'ed, TERM-ignoring daemons."""
    code = """
import os, signal, time
for i in range(200):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            for fd in range(4):
                try: os.close(fd)
                except OSError: pass
            time.sleep(600)
        os._exit(0)
time.sleep(600)
"""
    r = fresh.run("python", code, timeout_seconds=2)
    assert r["status"] == "timeout" and r["signal"] == "SIGKILL" and r["execution_time"] < 3.5
    assert survivors(fresh) == []


def test_normal_end_kills_daemons_too(fresh):
    r = fresh.run("bash", "(setsid sleep 600 &) ; (setsid sh -c 'trap \"\" TERM; sleep 600' &) ; echo bye")
    assert r["status"] == "completed" and r["stdout"] == "bye\n" and r["execution_time"] < 2
    assert survivors(fresh) == []


def test_timeout_kills_a_process_whose_first_thread_has_ended(fresh):
    """/proc calls it a zombie, and so its children's parent is one."""
    code = """
import ctypes, subprocess, threading, time
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
subprocess.Popen(["sleep", "600"])
ctypes.CDLL(None).syscall(60, 0)
"""
    r = fresh.run("python", code, timeout_seconds=1)
    assert r["status"] == "timeout" and r["execution_time"] < 2.5
    assert survivors(fresh) == []


def test_grandchild_that_keeps_stdout_open(fresh):
    """A3"""
    begin = time.monotonic()
    r = fresh.run("bash", "sleep 600 & echo said; exit 7")
    assert r["exit_code"] == 7 and r["stdout"] == "said\n" and time.monotonic() - begin < 2
    r = fresh.run("bash", "(setsid sleep 600 &); sleep 600", timeout_seconds=0.5)
    assert r["status"] == "timeout" and r["execution_time"] < 1.5
    assert survivors(fresh) == []


def test_what_was_written_just_before_the_end_is_there(fresh):
    r = fresh.run("bash", "sleep 100 & head -c 65536 /dev/zero | tr '\\0' y; exit 0")
    assert r["stdout_total"] == 65536


def test_orphans_are_reaped(fresh):
    """A4"""
    code = "import os\nfor i in range(3000):\n    if os.fork() == 0:\n        if os.fork() == 0: os._exit(0)\n        os._exit(0)\n    os.wait()\n"
    assert fresh.run("python", code, timeout_seconds=60)["status"] == "completed"
    r = fresh.run("bash", "n=0; for p in /proc/[0-9]*; do read -r _ _ s _ < $p/stat 2>/dev/null && [ $s = Z ] && n=$((n+1)); done; echo $n")
    assert int(r["stdout"]) <= 1


def test_output_flood_until_the_timeout(fresh):
    """A5"""
    before = fresh.agent_memory_kib()
    r = fresh.run("bash", "yes xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx & exec cat /dev/zero >&2", timeout_seconds=2)
    assert r["status"] == "timeout" and r["truncated"] and r["stderr_total"] > 10**7 and r["stdout_total"] > 10**6
    assert fresh.agent_memory_kib() - before < 12 * 1024
    assert survivors(fresh) == []


ATTACKS = r"""
import ctypes, errno, os, signal, json, resource, struct
libc = ctypes.CDLL(None, use_errno=True)
N = {"x86_64": dict(kill=62, tkill=200, tgkill=234, rt_sigqueueinfo=129, rt_tgsigqueueinfo=297, pidfd_open=434, pidfd_send_signal=424,
      prlimit64=302, sched_setaffinity=203, sched_setscheduler=144, sched_setparam=142, sched_setattr=314, setpriority=141, ioprio_set=251,
      ptrace=101, process_vm_readv=310, process_vm_writev=311, unshare=272, setns=308, mount=165, keyctl=250, bpf=321, userfaultfd=323,
      io_uring_setup=425, perf_event_open=298, clone=56, clone3=435, fcntl=72, kcmp=312, pidfd_getfd=438)}[os.uname().machine]
def call(name, *args):
    ctypes.set_errno(0)
    rc = libc.syscall(ctypes.c_long(N[name]), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    return errno.errorcode.get(ctypes.get_errno(), "OK") if rc < 0 else "OK"
leader = os.getppid()
buffer = ctypes.create_string_buffer(256)
out = {}
for who, pid in (("agent", 1), ("leader", leader), ("all", -1), ("leader group", -leader)):
    out["kill " + who] = call("kill", pid, 9)
    out["stop " + who] = call("kill", pid, 19)
    out["term " + who] = call("kill", pid, 15)
for who, pid in (("agent", 1), ("leader", leader)):
    out["tkill " + who] = call("tkill", pid, 15)
    out["tgkill " + who] = call("tgkill", pid, pid, 15)
    out["sigqueue " + who] = call("rt_sigqueueinfo", pid, 15, buffer)
    out["tgsigqueue " + who] = call("rt_tgsigqueueinfo", pid, pid, 15, buffer)
    out["pidfd_open " + who] = call("pidfd_open", pid, 0)
    out["prlimit " + who] = call("prlimit64", pid, 7, struct.pack("QQ", 1, 1), 0)
    out["affinity " + who] = call("sched_setaffinity", pid, 8, struct.pack("Q", 1))
    out["scheduler " + who] = call("sched_setscheduler", pid, 5, struct.pack("i", 0))
    out["schedparam " + who] = call("sched_setparam", pid, struct.pack("i", 0))
    out["schedattr " + who] = call("sched_setattr", pid, buffer, 0)
    out["nice " + who] = call("setpriority", 0, pid, 19)
    out["ioprio " + who] = call("ioprio_set", 1, pid, 3 << 13)
    out["ptrace attach " + who] = call("ptrace", 16, pid, 0, 0)
    out["ptrace seize " + who] = call("ptrace", 0x4206, pid, 0, 0)
    out["vm_readv " + who] = call("process_vm_readv", pid, buffer, 1, buffer, 1, 0)
    out["vm_writev " + who] = call("process_vm_writev", pid, buffer, 1, buffer, 1, 0)
    out["setown " + who] = call("fcntl", 0, 8, pid)
    for name in ("mem", "environ", "fd", "maps", "cwd", "exe", "root"):
        try:
            path = f"/proc/{pid}/{name}"
            os.listdir(path) if name == "fd" else os.readlink(path) if name in ("cwd", "exe", "root") else open(path, "rb").read(1)
            out[f"proc {name} {who}"] = "OK"
        except OSError as e:
            out[f"proc {name} {who}"] = errno.errorcode[e.errno]
    try:
        open(f"/proc/{pid}/oom_score_adj", "w").write("1000")
        out["oom_score_adj " + who] = "OK"
    except OSError as e:
        out["oom_score_adj " + who] = errno.errorcode[e.errno]
out["nice user"] = call("setpriority", 2, 0, 19)
out["ioprio user"] = call("ioprio_set", 3, 1000, 3 << 13)
fd = os.open("/proc/1", os.O_DIRECTORY)
out["pidfd_send_signal"] = call("pidfd_send_signal", fd, 15, 0, 0)
out["pidfd_getfd"] = call("pidfd_getfd", fd, 0, 0)
out["setown_ex"] = call("fcntl", 0, 15, buffer)
for name, *args in (("unshare", 0x10000000), ("setns", 0, 0), ("mount", 0, 0, 0, 0, 0), ("keyctl", 0, 0), ("bpf", 0, 0, 0), ("userfaultfd", 0),
                    ("io_uring_setup", 1, buffer), ("perf_event_open", buffer, 0, -1, -1, 0), ("kcmp", 1, 1, 0, 0, 0)):
    out[name] = call(name, *args)
out["clone newuser"] = call("clone", 0x10000000 | 17, 0, 0, 0, 0)
print(json.dumps({k: v for k, v in out.items() if v not in ("EPERM", "EACCES")}))
print(json.dumps(dict(clone3=call("clone3", buffer, 88), self_limit=call("prlimit64", 0, 7, 0, buffer), self_kill=call("kill", os.getpid(), 0),
                      self_nice=call("setpriority", 0, 0, min(19, os.nice(0) + 1)), count=len(out))))
"""


def test_nothing_reaches_process_1_or_the_leader(box):
    """A10"""
    before = box.agent_pid()
    with open(f"/proc/{before}/limits") as f:
        limits = f.read()
    r = box.run("python", ATTACKS)
    assert r["status"] == "completed", r
    lines = r["stdout"].splitlines()
    assert json.loads(lines[0]) == {}, "these got through"
    rest = json.loads(lines[1])
    assert rest["count"] > 60
    del rest["count"]
    assert rest == {"clone3": "ENOSYS", "self_limit": "OK", "self_kill": "OK", "self_nice": "OK"}
    assert box.agent_pid() == before
    with open(f"/proc/{before}/limits") as f:
        assert f.read() == limits


def test_the_filter_is_there_and_inherited(box):
    r = box.run("bash", "grep -E 'Seccomp:|NoNewPrivs|CapEff' /proc/self/status; id -u")
    assert r["stdout"].split() == ["CapEff:", "0" * 16, "NoNewPrivs:", "1", "Seccomp:", "2", "1000"]


def test_32_bit_system_calls_die(box):
    """Another architecture's numbers would pass the filter by: int 0x80 must kill."""
    if os.uname().machine != "x86_64":
        pytest.skip("x86-64 only")
    code = ("import ctypes, mmap\nm = mmap.mmap(-1, 4096, prot=7)\nm.write(b'\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3')\n"
            "f = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))\nprint(f())")
    r = box.run("python", code)
    assert r["status"] == "killed" and r["signal"] == "SIGSYS" and r["stdout"] == ""


def test_environment_is_an_allow_list(box):
    """A11"""
    r = box.run("bash", "env", env={"MINE": "1"})
    names = {line.split("=")[0] for line in r["stdout"].splitlines()}
    assert names == {"PATH", "HOME", "LANG", "TMPDIR", "USER", "PYTHONDONTWRITEBYTECODE", "MINE", "PWD", "SHLVL", "_"}
    r = box.run("bash", "cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n' | grep -c -E 'canary|SPILLWAY' ; true")
    assert r["stdout"] == "0\n"


def test_no_descriptor_leaks(box):
    """A10: 0, 1, 2 and nothing else; the runners keep 3 for themselves and close it on exec."""
    assert box.run("bash", "ls /proc/self/fd")["stdout"].split() == ["0", "1", "2", "3"]  # 3 is ls's own
    r = box.run("python", "import os\n[os.readlink(f'/proc/self/fd/{f}').split(':')[0] for f in os.listdir('/proc/self/fd') if int(f) != 4]")
    assert r["result"] == "['pipe', 'pipe', 'pipe', 'pipe']"


def test_no_core_dumps_and_limits(box):
    r = box.run("bash", "ulimit -c; ulimit -Hc; ulimit -n")
    assert r["stdout"].split() == ["0", "0", "1024"]


def test_agents_port_cannot_be_taken_and_its_files_not_changed(box):
    r = box.run("bash", "rm -f /spillway/agent; echo x > /spillway/languages.yaml; echo x > /proc/1/comm; true")
    assert box.run("bash", "echo still")["stdout"] == "still\n"
    assert r["stderr"].count("\n") >= 2


def test_code_that_kills_its_neighbours_leader_is_contained(fresh):
    """A filter knows its own leader only; another execution of the same session can fall, but nothing of it survives."""
    victim = fresh.submit("bash", "setsid sleep 600 & sleep 600", timeout_seconds=100)
    time.sleep(0.3)
    fresh.run("bash", "for p in /proc/[0-9]*; do read -r i n _ < $p/stat; [ $n = '(leader)' ] && [ $i != $PPID ] && kill -9 $i; done; sleep 0.3")
    r = fresh.ended(victim)
    assert r["status"] == "killed" and r["exit_code"] is None and "leader" in r["error"]["value"]
    assert survivors(fresh) == []
    assert fresh.run("bash", "echo ok")["stdout"] == "ok\n"


def test_forged_reports_change_nothing(box):
    """Descriptor 3 may say what it likes; the end comes from wait()."""
    r = box.run("python", "import os\nos.write(3, b'R5\\nhello')\nos.write(3, b'N999999999\\nx')\nos._exit(9)")
    assert (r["exit_code"], r["status"], r["result"]) == (9, "failed", "hello")
    r = box.run("python", "import os\ntry:\n    while True: os.write(3, b'Z' * 65536)\nfinally: pass", timeout_seconds=1)
    assert r["status"] == "timeout"


def pids_cgroup(name, limit):
    """A pids cgroup (v1 or v2) of our own; None where the machine has none."""
    for root in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup"):
        path = f"{root}/{name}"
        try:
            os.mkdir(path)
            with open(f"{path}/pids.max", "w") as f:
                f.write(str(limit))
            return path
        except OSError:
            if os.path.isdir(path):
                os.rmdir(path)
    return None


def test_fork_bomb_is_contained():
    """A1: only where the cgroup bounds it."""
    group = pids_cgroup(f"spillway-agent-test-{os.getpid()}", 64)
    if not group:
        pytest.skip("no pids cgroup can be made here")
    try:
        with Box(cgroup=group) as box:
            begin = time.monotonic()
            r = box.run("bash", "bomb() { bomb | bomb & }; bomb; while :; do :; done", timeout_seconds=3)
            assert r["status"] in ("timeout", "killed", "failed", "completed")
            assert time.monotonic() - begin < 10
            assert survivors(box) == []
            r = box.run("python", "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", timeout_seconds=2)
            assert r["status"] == "timeout"
            end = time.monotonic() + 1
            while survivors(box) and time.monotonic() < end:
                pass
            assert survivors(box) == []
            assert box.run("python", "print('alive')")["stdout"] == "alive\n"
    finally:
        end = time.monotonic() + 5
        while time.monotonic() < end:
            try:
                os.rmdir(group)
                break
            except OSError:
                time.sleep(0.05)


def test_agent_killed_from_outside_takes_all_down(fresh):
    """F17"""
    fresh.submit("bash", "setsid sleep 600 & sleep 600")
    time.sleep(0.2)
    os.kill(fresh.agent_pid(), signal.SIGKILL)
    assert fresh.process.wait(10) != 0
