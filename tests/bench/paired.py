"""Two servers doing the same job, measured in alternating pairs: CPU of the server per request (schedstat), not requests a second.

On a machine that others use too, throughput says who got the processor; the time a server itself spent on a request hardly changes.
"""
import math
import os
import re
import statistics
import subprocess
from pathlib import Path


def cpu_ns(pids):
    """On-CPU time of all threads of some processes."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total


def load_one(netns_pid, url, seconds, connections, headers=()):
    """wrk against a server for a while: (requests, failed ones)."""
    command = ["nsenter", f"--net=/proc/{netns_pid}/ns/net", "taskset", "-c", str((os.cpu_count() or 1) - 1), "wrk", "-t1",
               f"-c{connections}", f"-d{seconds}s", *[word for each in headers for word in ("-H", each)], url]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    requests = int(re.search(r"(\d+) requests in", output)[1])
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    return requests, (int(bad[1]) if bad else 0) + (sum(map(int, errors.groups())) if errors else 0)


class Server:
    def __init__(self, name, pids, url, headers=()):
        self.name, self.pids, self.url, self.headers = name, list(pids), url, list(headers)
        for pid in self.pids:
            for task in os.listdir(f"/proc/{pid}/task"):
                os.sched_setaffinity(int(task), {0})

    def cost_us(self, netns_pid, seconds, connections):
        before = cpu_ns(self.pids)
        requests, failed = load_one(netns_pid, self.url, seconds, connections, self.headers)
        spent = cpu_ns(self.pids) - before
        if failed or not requests:
            raise SystemExit(f"bench: {self.name}: {failed} of {requests} requests failed ({self.url})")
        return spent / requests / 1000, requests


def quartiles(values):
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": middle, "q1": low, "q3": high}


def sign_test(wins, count):
    """Two-sided probability of so one-sided a series if both were equal."""
    tail = sum(math.comb(count, k) for k in range(min(wins, count - wins) + 1)) / 2 ** count
    return min(1.0, 2 * tail)


def compare(ours, peer, netns_pid, pairs, seconds, connections):
    """AB, BA, AB, …; no pair is dropped."""
    for server in (ours, peer):
        server.cost_us(netns_pid, 1, connections)  # warm
    mine, theirs, rates = [], [], {ours.name: [], peer.name: []}
    for index in range(pairs):
        for server in (ours, peer) if index % 2 == 0 else (peer, ours):
            cost, requests = server.cost_us(netns_pid, seconds, connections)
            (mine if server is ours else theirs).append(cost)
            rates[server.name].append(requests / seconds)
    ratios = [a / b for a, b in zip(mine, theirs)]
    wins = sum(ratio < 1 for ratio in ratios)
    return {"ours_us": quartiles(mine), "peer_us": quartiles(theirs), "ratio": quartiles(ratios), "pairs": pairs,
            "pairs_won": wins, "sign_test_p": sign_test(wins, pairs), "connections": connections,
            "rps_median": {name: statistics.median(values) for name, values in rates.items()}}
