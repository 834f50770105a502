"""What the launcher tells the person in front of it: one line a step."""
import sys
import time

STARTED = time.monotonic()


def say(text):
    print(f"[{time.monotonic() - STARTED:6.1f} s] {text}", flush=True)


def tail(path, lines=15):
    """The end of a log, indented."""
    try:
        with open(path, errors="replace") as log:
            return "".join("    " + line for line in log.readlines()[-lines:]).rstrip("\n")
    except OSError:
        return ""


class Failed(Exception):
    """Something that the person can read and act on; no traceback."""


def complain(text):
    print(f"run: {text}", file=sys.stderr, flush=True)
