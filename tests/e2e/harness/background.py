"""Work that goes on beside a test: threads whose failures are not lost, and clients that ask all the time."""
import concurrent.futures
import threading
import time

from .client import Client, ConnectionLost


def together(function, items, workers):
    """function(item) for all, `workers` at a time; values in order; the first failure is raised."""
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, items))


class Pollers:
    """Threads that GET paths in turn and count what is not 200. Each has a connection of its own."""

    def __init__(self, url, paths, threads=4, pause=0.01):
        self.asked = 0
        self.failures = []
        self.slowest = 0.0
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(Client(url, timeout=40), paths[number::threads], pause))
                        for number in range(min(threads, len(paths)))]

    def work(self, client, paths, pause):
        while not self.stopping.is_set():
            for path in paths:
                begin = time.monotonic()
                try:
                    reply = client.get(path)
                    failure = None if reply.status == 200 else f"{path}: {reply!r}"
                except (ConnectionLost, AssertionError) as error:
                    failure = str(error)
                with self.lock:
                    self.asked += 1
                    self.slowest = max(self.slowest, time.monotonic() - begin)
                    if failure:
                        self.failures.append(failure)
                if pause:
                    time.sleep(pause)
        client.close()

    def wait_for(self, more, seconds=60):
        """Until that many further answers came."""
        target = self.asked + more
        end = time.monotonic() + seconds
        while self.asked < target:
            assert time.monotonic() < end, f"only {self.asked} of {target} answers"
            time.sleep(0.01)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *ignored):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
