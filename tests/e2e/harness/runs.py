"""How often did an execution run? Counted from the host, not by anything that the system says about itself.

The code appends one line of random bytes to a file in its workspace, in one write, before anything else. The host reads that
file through /proc/PID/root of the pod's first process, again and again until the pod is gone, and keeps the most lines it saw.
A second run in the same pod shows as a second line; a second pod of the session shows in the node's watch (node.PodHistory).
Not seen: a second run that begins after the last look (at most one sampling interval) before its pod goes."""
import threading
import time

from . import containers

PERIOD = 0.25


def counted(code, name="run"):
    """Python code that leaves its mark first, prints the mark, and then is `code`."""
    return (
        "import os as _os\n"
        "_mark = _os.urandom(12).hex()\n"
        f"_file = _os.open('/workspace/.counted-{name}', _os.O_CREAT | _os.O_APPEND | _os.O_WRONLY, 0o600)\n"
        "_os.write(_file, (_mark + '\\n').encode())\n"
        "_os.close(_file)\n"
        "print(_mark, flush=True)\n" + code
    )


def until_told(name="go"):
    """Python code that goes on when the host makes a file in its workspace: a run ends when the test says so."""
    return f"import os, time\nwhile not os.path.exists('/workspace/{name}'):\n    time.sleep(0.05)\n"


def tell(state_dir, session, name="go"):
    """Makes that file, through /proc/PID/root: no call to the system under test."""
    container = containers.of_session(state_dir, session)
    assert container, f"no running container for {session}"
    with open(f"/proc/{container['pid']}/root/workspace/{name}", "w", encoding="ascii"):
        pass


class RunCounter:
    """Samples the marks of many sessions in a thread of its own. watch() each session once its pod is ready."""

    def __init__(self, state_dir):
        self.state_dir = state_dir
        self.pods = {}
        self.marks = {}
        self.samples = 0
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def watch(self, session, name="run"):
        container = containers.of_session(self.state_dir, session)
        assert container, f"no running container for {session}"
        with self.lock:
            self.pods[session] = f"/proc/{container['pid']}/root/workspace/.counted-{name}"

    def look(self):
        with self.lock:
            watched = list(self.pods.items())
        for session, path in watched:
            try:
                with open(path, encoding="ascii") as file:
                    lines = file.read().split()
            except OSError:
                continue  # not begun, or gone; what was seen stays
            with self.lock:
                self.marks.setdefault(session, set()).update(lines)
        self.samples += 1

    def work(self):
        while not self.stopping.is_set():
            begin = time.monotonic()
            self.look()
            self.stopping.wait(max(0.02, PERIOD - (time.monotonic() - begin)))

    def seen(self, session):
        with self.lock:
            return set(self.marks.get(session, ()))

    def close(self):
        self.stopping.set()
        self.thread.join(10)

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.close()
