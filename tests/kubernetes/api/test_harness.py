"""The harness: clusters do not see each other, and leave nothing, whatever kills them."""
import os
import signal
import subprocess
import uuid
from pathlib import Path

import pytest
from kube import cgroups
from kube import cluster as clusters

SYSCTLS = ("vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys")


def traces(name):
    """Everything on this machine that carries the cluster's name."""
    found = [str(path) for path in cgroups.folders(f"spillway-kubernetes-{name}")]
    found += [str(path) for path in clusters.base().glob(name)]
    found += [line for line in Path("/proc/self/mounts").read_text().splitlines() if f"/{name}/" in line]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if f"/{name}/" in words:
                    found.append(f"process {entry.name} {words[:80]}")
            except OSError:
                pass
    return found


def machine():
    """As far as it can be ours: other runs come and go beside this one."""
    return {"links": [name for name in os.listdir("/sys/class/net") if name.startswith(("node0", "cni0"))], "sysctls": {name: Path("/proc/sys", name).read_text() for name in SYSCTLS},
            "mounts": [line for line in Path("/proc/self/mounts").read_text().splitlines() if "kubernetes" in line],
            "fixed": [path for path in ("/var/lib/kubelet", "/var/lib/cni", "/var/log/pods") if os.path.exists(path)]}


@pytest.fixture
def make():
    made = []

    def new(**how):
        made.append(clusters.Cluster(f"h-{uuid.uuid4().hex[:6]}", **how))
        return made[-1]
    yield new
    for each in made:
        each.down()


def test_two_at_once_and_nothing_is_left(make):
    before = machine()
    one, two = make().up(api_only=True), make().up(api_only=True)
    for cluster in (one, two):
        cluster.api().create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"only-{cluster.name}"}}).expect(201)
    assert one.api().get(f"/api/v1/namespaces/only-{two.name}").status == 404
    assert one.api().get(f"/api/v1/namespaces/only-{one.name}").status == 200
    assert machine()["links"] == before["links"], "the host got an interface"
    one.down()
    assert traces(one.name) == []
    assert two.api().get("/readyz").status == 200
    two.down()
    assert traces(two.name) == []
    assert machine() == before


def test_process_1_is_killed(make):
    cluster = make().up(api_only=True)
    os.kill(cluster.pid(), signal.SIGKILL)
    clusters.wait_until(lambda: cluster.pid() is None, "it is dead", 10)
    assert cluster.status()["up"] is False
    cluster.up(api_only=True)  # the next one of the name clears away what is left
    assert cluster.api().get("/readyz").status == 200
    cluster.down()
    assert traces(cluster.name) == []


@pytest.mark.parametrize("seconds", [0.05, 0.5, 1.5])
def test_up_is_killed_half_way(make, seconds):
    cluster = make()
    process = subprocess.Popen([clusters.HERE / "cluster", "up", cluster.name, "--api-only"], stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    cluster.down()
    clusters.wait_until(lambda: not traces(cluster.name), "nothing is left", 15)


def test_tied_cluster_ends_with_its_maker():
    name = f"h-{uuid.uuid4().hex[:6]}"
    text = f"import sys, time; sys.path.insert(0, {str(clusters.HERE)!r}); from kube.cluster import Cluster; " \
           f"Cluster({name!r}, tied=True).up(api_only=True); print('up', flush=True); time.sleep(600)"
    maker = subprocess.Popen(["/usr/bin/python3", "-c", text], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert maker.stdout.readline() == b"up\n"
        cluster = clusters.load(name)
        assert cluster.pid()
        maker.kill()
        maker.wait()
        clusters.wait_until(lambda: cluster.pid() is None, "the cluster ends too", 10)
    finally:
        maker.kill()
        clusters.load(name).down()
    assert traces(name) == []


def test_bad_names_are_refused():
    for name in ("", "A", "a/b", "..", "a" * 40, "-a"):
        with pytest.raises(clusters.Failed):
            clusters.Cluster(name)


def test_down_of_what_is_not_there(make):
    make().down()
