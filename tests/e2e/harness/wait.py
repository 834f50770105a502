"""Waiting. A deadline is ten times what is expected and only ends a wait; no test asserts on a duration."""
import time


class TimedOut(AssertionError):
    pass


def until(probe, seconds, what, every=0.02, ignore=()):
    """The first truthy value of probe(). `ignore`: exceptions that mean "not yet"."""
    end = time.monotonic() + seconds
    last = None
    while True:
        try:
            last = probe()
            if last:
                return last
        except ignore as error:
            last = error
        if time.monotonic() >= end:
            raise TimedOut(f"{what}: not within {seconds} s; last seen: {last!r}")
        time.sleep(every)


class Stopwatch:
    def __init__(self):
        self.begin = time.monotonic()

    @property
    def seconds(self):
        return time.monotonic() - self.begin
