"""Runs programs side by side, and ends them all when it is interrupted: what they started is theirs to take down."""
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import threading
import time

SUM = re.compile(r"(\d+) passed, (\d+) failed\n?")
TAKE_DOWN_SECONDS = 120


class Job:
    """A program that runs once. Its lines `N passed, N failed` are counted and not shown: sums are for the end."""

    def __init__(self, part, environment, minutes, title=None, more=()):
        self.part = part
        self.environment = environment
        self.minutes = minutes
        self.title = title
        self.command = [str(word) for word in [*part.command, *more]]
        self.process = None
        self.began = self.ended = self.status = None
        self.timed_out = False
        self.sums = (0, 0, 0)  # passed, failed, skipped
        self.sums_came = False

    def start(self):
        self.began = time.monotonic()
        self.process = subprocess.Popen(self.command, cwd=self.part.folder, env=self.environment, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                                        start_new_session=True)

    def follow(self, show):
        """Until its end; show(line) gets what it prints."""
        timer = threading.Timer(self.minutes * 60, self.time_out)
        timer.start()
        try:
            with self.process.stdout as lines:
                for line in lines:
                    self.take(line, show)
            self.status = self.process.wait()
        finally:
            timer.cancel()
            self.ended = time.monotonic()

    def take(self, line, show):
        found = SUM.fullmatch(line)
        if found:
            self.sums_came = True
            self.sums = (self.sums[0] + int(found[1]), self.sums[1] + int(found[2]), 0)
        else:
            show(line)

    def time_out(self):
        self.timed_out = True
        self.stop(time.monotonic() + TAKE_DOWN_SECONDS / 2)

    def signal(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def stop(self, end):
        """Asks, and insists when the end comes. Fixtures take down what they started."""
        self.signal(signal.SIGINT)
        try:
            self.process.wait(max(0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)


class Crew:
    """The threads that follow jobs, and what they have running."""

    def __init__(self, workers, live):
        self.live = live
        self.threads = concurrent.futures.ThreadPoolExecutor(workers)
        self.lock = threading.Lock()
        self.running = set()
        self.stopping = False

    def work(self, job):
        with self.lock:
            if self.stopping:
                return job
            job.start()
            self.running.add(job)
        lines = []
        try:
            job.follow(self.print if self.live else lines.append)
        finally:
            with self.lock:
                self.running.discard(job)
        if not self.live:
            with self.lock:
                self.print(f"\n== {job.title}: {job.ended - job.began:.1f} s\n" + "".join(lines))
        return job

    @staticmethod
    def print(text):
        sys.stdout.write(text)
        sys.stdout.flush()

    def stop(self):
        with self.lock:
            self.stopping = True
            running = list(self.running)
        for job in running:
            job.signal(signal.SIGINT)
        end = time.monotonic() + TAKE_DOWN_SECONDS
        for job in running:
            try:
                job.process.wait(max(0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                job.signal(signal.SIGKILL)


def run_jobs(jobs, workers, done):
    """Runs them, at most so many at a time and in this order; done(job) is called as each ends, in the caller's thread."""
    crew = Crew(workers, live=workers == 1 or len(jobs) == 1)
    with crew.threads as threads:
        try:
            for future in concurrent.futures.as_completed([threads.submit(crew.work, job) for job in jobs]):
                done(future.result())
        except BaseException:
            crew.stop()
            raise
