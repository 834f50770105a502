"""A hundred pods on one node at once, in waves, and nothing of them left: processes, mounts, links, cgroups, leases,
descriptors, threads, memory."""
import os
from pathlib import Path

import pytest
from manifests import pod
from node_process import BUILD
from test_pods import assert_nothing_left

PODS = 100
WAVES = 2  # the second shows what the first left


@pytest.fixture
def node(make_node):
    return make_node(capacity={"cpu": "64", "memory": "64Gi", "pods": PODS}, log_level="info")


def small(name):
    return pod(name, "trap 'exit 0' TERM; while :; do sleep 1; done", cpu="50m", memory="16Mi")


def measure(node):
    proc = Path(f"/proc/{node.process.pid}")
    memory = next(int(line.split()[1]) for line in (proc / "status").read_text().splitlines() if line.startswith("VmRSS"))
    return {"descriptors": len(os.listdir(proc / "fd")), "children": node.children(), "threads": len(os.listdir(proc / "task"))}, memory


def run_wave(node, wave):
    names = [f"w{wave}-{n:03}" for n in range(PODS)]
    for name in names:
        assert node.create(small(name)).status == 201
    assert node.create(small("one-more")).status == 201

    def running():
        return len(node.pods("?fieldSelector=status.phase%3DRunning")) == PODS
    node.wait(running, 120, f"{PODS} pods at once")
    addresses = [p["status"]["podIP"] for p in node.pods() if p["status"].get("podIP")]
    assert len(addresses) == len(set(addresses)) == PODS
    waiting = node.get("one-more").json["status"]
    assert waiting["phase"] == "Pending" and "Too many pods" in waiting["conditions"][0]["message"]
    node.delete("one-more")
    for n, name in enumerate(names):
        node.delete(name, **({"gracePeriodSeconds": 0} if n % 2 else {}))
    node.wait(lambda: not node.pods(), 120, "all of them go")


@pytest.mark.slow
def test_a_hundred_pods_leave_nothing(node):
    before = node.traces()
    node.create(small("first"))  # what is made once: threads, pools
    node.wait_phase("first", "Running")
    node.delete("first")
    node.wait_gone("first")
    node.wait(lambda: node.children() == [], 20, "children stay")  # orphan_sweep.h
    figures, _ = measure(node)
    memory = []
    for wave in range(WAVES):
        run_wave(node, wave)
        assert_nothing_left(node, before)
        node.wait(lambda: node.children() == [], 20, "children, or zombies, stay")
        now, rss = measure(node)
        assert now["descriptors"] <= figures["descriptors"] + 1 and now["threads"] <= figures["threads"] + 4, now
        memory.append(rss)
    # The histories are bounded, and nearly full after the first wave. The sanitizers keep what was freed for a while, and look for
    # leaks themselves.
    assert memory[1] - memory[0] < 16 << 10 or BUILD.name == "debug", memory
