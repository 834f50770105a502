"""How often did an execution run, and where? Counted from the host, not by anything that the system says about itself.

The code appends one line of random bytes to a file in its workspace, in one write, before anything else. The host opens that file through
/proc/PID/root of the pod's first process and keeps it open: what is ever written there can be read, also when the pod is gone. A second
run in the same pod is a second line. Watches on the Kubernetes APIs of all the site's nodes show whether the session ever had another pod."""
import os
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


def written(state_dir, session):
    """name -> text of the files in a session's workspace that code made, read past all that the system says of them."""
    container = containers.of_session(state_dir, session)
    assert container, f"no running container for {session}"
    folder = f"/proc/{container['pid']}/root/workspace"
    found = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding="ascii") as file:
            found[name] = file.read()
    return found


class RunCounter:
    """Of a site, and of the site beside it. watch() each session once its pod is ready. When it is closed, nothing that it watched may have
    run twice, up to then; `pods=False`: the test ends the node, so that the watch on its pods breaks."""

    def __init__(self, site, pods=True):
        self.state_dir = site.state_dir
        self.histories = [node.history() for node in site.nodes()] if pods else []
        self.paths = {}
        self.files = {}
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def watch(self, session, name="run"):
        container = containers.of_session(self.state_dir, session)
        assert container, f"no running container for {session}"
        with self.lock:
            self.paths[session] = f"/proc/{container['pid']}/root/workspace/.counted-{name}"
        self.open_files()

    def open_files(self):
        with self.lock:
            for session in set(self.paths) - set(self.files):
                try:
                    self.files[session] = os.open(self.paths[session], os.O_RDONLY | os.O_CLOEXEC)
                except OSError:
                    pass  # it has not begun

    def work(self):
        while not self.stopping.is_set():
            begin = time.monotonic()
            self.open_files()
            self.stopping.wait(max(0.02, PERIOD - (time.monotonic() - begin)))

    def seen(self, session):
        """Its marks, one for each run."""
        self.open_files()
        with self.lock:
            file = self.files.get(session)
            return os.pread(file, 1 << 16, 0).decode().split() if file is not None else []

    def pods(self, session):
        return sum(history.incarnations(session) for history in self.histories)

    def check_once(self, session, result, rest="end\n"):
        """It ran once, in one pod, to its end, and the result is of that run. `rest`: what it prints behind its mark."""
        marks = self.seen(session)
        assert len(marks) == 1, f"{session} ran {len(marks)} times"
        assert (result["status"], result["stdout"]) == ("completed", f"{marks[0]}\n{rest}"), result
        assert not self.histories or self.pods(session) == 1, f"{session} had {self.pods(session)} pods"

    def close(self):
        self.stopping.set()
        self.thread.join(10)
        for file in self.files.values():
            os.close(file)
        for history in self.histories:
            history.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *ignored):
        runs = {session: len(self.seen(session)) for session in self.paths}
        self.close()
        if kind is None:
            assert max(runs.values(), default=0) <= 1, f"ran twice: {runs}"
