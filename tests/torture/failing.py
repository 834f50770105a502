"""The n-th system call of a kind fails, from outside: strace attaches to the process and answers in the kernel's place."""
import os
import re
import signal
import subprocess
import tempfile
import time


class FailingCall:
    """with FailingCall(pid, "openat", "EMFILE", 3) as call: …; call.happened afterwards."""

    def __init__(self, pid, call, error, n):
        self.log = tempfile.NamedTemporaryFile(prefix="spillway-strace-", suffix=".log")
        self.command = ["strace", "-p", str(pid), "-o", self.log.name, "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={n}"]
        self.process = None
        self.happened = False

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        assert "attached" in line, line
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=60)
        with open(self.log.name, encoding="utf-8", errors="replace") as file:
            self.happened = "(INJECTED)" in file.read()
        self.log.close()


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def settles(pid, most, seconds=20):
    """Descriptors come back to what they were: nothing hangs on to one."""
    end = time.monotonic() + seconds
    while descriptors(pid) > most and time.monotonic() < end:
        time.sleep(0.05)
    return descriptors(pid) <= most


def start_time(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return re.sub(r".*\)", "", file.read()).split()[19]
