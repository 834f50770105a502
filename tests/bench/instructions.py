"""User-mode instructions per request, counted by callgrind: the second figure, which no neighbour on the machine can move."""
import subprocess
import time
from pathlib import Path

COUNT = 1000


class Counted:
    """A server under callgrind in the site's network; `ask` sends it one request."""

    def __init__(self, netns_pid, folder, name, command):
        self.prefix = Path(folder) / f"callgrind.{name}"
        self.process = subprocess.Popen(
            ["nsenter", f"--net=/proc/{netns_pid}/ns/net", "valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={self.prefix}",
             "--dump-line=no", *command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def take(self):
        """Instructions since the last call, and where they went."""
        subprocess.run(["callgrind_control", "-d", str(self.process.pid)], check=True, capture_output=True)
        dumps = sorted(self.prefix.parent.glob(self.prefix.name + ".*"), key=lambda p: int(p.suffix[1:]))
        text = dumps[-1].read_text(errors="replace")
        for word in ("totals: ", "summary: "):
            for line in reversed(text.splitlines()):
                if line.startswith(word):
                    return int(line.split()[1]), dumps[-1]
        raise SystemExit(f"bench: no sum in {dumps[-1]}")

    def per_request(self, ask, count=COUNT):
        for _ in range(count // 4):
            ask()
        self.take()
        begun = time.monotonic()
        for _ in range(count):
            ask()
        taken = time.monotonic() - begun
        busy, dump = self.take()
        time.sleep(min(taken, 10))
        idle, _ = self.take()
        return (busy - idle * taken / min(taken, 10)) / count, dump

    def stop(self):
        self.process.terminate()
        self.process.wait()


def top(dump, count=12):
    """The functions with most instructions of their own."""
    text = subprocess.run(["callgrind_annotate", "--threshold=100", str(dump)], capture_output=True, text=True).stdout
    rows = [line.strip() for line in text.splitlines() if "%)" in line and ":" in line and "(100.0%)" not in line]
    return rows[:count]
