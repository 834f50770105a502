"""The directory of one run: lock, what the run is called, state.json, and everything else that it writes.

By default it is /run/spillway-ID. A directory that the caller chose is entered there as a symbolic link of that name,
so that a later run finds it when this one was killed. A run is alive while somebody holds the lock on its file
`lock`; making, cleaning and removing happen under a lock on /run itself, so that nobody cleans what is being made.
"""
import contextlib
import fcntl
import json
import os
import re
import secrets
import shutil
from pathlib import Path

from output import Failed

REGISTRY = Path("/run")
PREFIX = "spillway-"
OURS = re.compile(PREFIX + "[0-9a-f]{8}")


@contextlib.contextmanager
def registry_lock():
    descriptor = os.open(REGISTRY, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_atomically(path, text, mode=0o600):
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    os.replace(temporary, path)


class RunDirectory:
    def __init__(self, path, run_id):
        self.path = Path(path)
        self.run_id = run_id
        self.lock = None

    @property
    def cgroup(self):
        """Parent of all cgroups of this run, in every hierarchy."""
        return f"/{PREFIX}{self.run_id}"

    @property
    def entry(self):
        return REGISTRY / f"{PREFIX}{self.run_id}"

    @classmethod
    def create(cls, chosen):
        """Call with the registry locked. `chosen` may be None, missing, or an empty directory."""
        run_id = secrets.token_hex(4)
        run = cls(Path(chosen).absolute() if chosen else REGISTRY / f"{PREFIX}{run_id}", run_id)
        try:
            run.path.mkdir(mode=0o711, parents=True, exist_ok=True)
            run.path.chmod(0o711)  # nginx's workers pass through
        except OSError as error:
            raise Failed(f"{run.path}: {error.strerror}") from None
        if {entry.name for entry in run.path.iterdir()} - {"lock"}:  # a lock alone: one that was killed here
            raise Failed(f"{run.path} is in use or not empty; SPILLWAY_STATE_DIR must name a directory of its own")
        run.take_lock()
        write_atomically(run.path / "run.json", json.dumps({"run_id": run_id, "launcher": os.getpid()}))
        if run.entry != run.path:
            run.entry.symlink_to(run.path)
        return run

    @classmethod
    def open(cls, path):
        """The run that was made at `path`, or None if there is none. One that was killed while it was made or removed has
        its name only; that is trusted of our own directories, never of one that somebody chose and may use again."""
        path = Path(path)
        try:
            run_id = json.loads((path / "run.json").read_text())["run_id"]
        except (OSError, ValueError, KeyError, TypeError):
            if path.is_symlink() or not OURS.fullmatch(path.name):
                return None
            run_id = path.name.removeprefix(PREFIX)
        return cls(path.resolve(), run_id)

    def take_lock(self):
        """False if the run is alive."""
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self.lock = descriptor
        return True

    def write_state(self, state):
        write_atomically(self.path / "state.json", json.dumps(state, indent=2) + "\n", 0o644)

    def remove(self):
        """What tells whose it is goes last: who is killed here is cleaned up after, too."""
        for entry in self.path.iterdir():
            if entry.name in ("run.json", "lock"):
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        shutil.rmtree(self.path)
        if self.entry.is_symlink():
            self.entry.unlink()
        os.close(self.lock)
        self.lock = None


def registered():
    """Paths of all runs that are known on this machine."""
    return [path for path in sorted(REGISTRY.glob(f"{PREFIX}*")) if path.is_dir() and RunDirectory.open(path)]


def dangling():
    """Entries whose directory somebody else removed."""
    return [path for path in REGISTRY.glob(f"{PREFIX}*") if path.is_symlink() and not path.exists()]
