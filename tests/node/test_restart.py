"""The node dies and comes back: what ran runs on and is adopted, what belongs to nobody goes."""
import os
import subprocess

from manifests import pod, session
from test_pods import assert_nothing_left


def main_pid(node, name, container="sandbox"):
    uid = node.get(name).json["metadata"]["uid"]
    with open(f"{node.settings['data_dir']}/run/{uid}/bundle/{container}/pid") as f:
        return int(f.read())


def test_running_pod_is_adopted_after_kill(node):
    before = node.traces()
    node.create(session("kept"))
    old = node.wait_phase("kept", "Running")
    pid = main_pid(node, "kept")
    node.kill()
    os.kill(pid, 0)  # it runs on
    node.start()
    new = node.get("kept").json
    assert new["metadata"]["uid"] == old["metadata"]["uid"] and new["status"]["podIP"] == old["status"]["podIP"]
    assert new["status"]["phase"] == "Running" and main_pid(node, "kept") == pid
    assert "agent is up" in node.read_log("kept")
    node.create(session("other"))
    assert node.wait_phase("other", "Running")["status"]["podIP"] != old["status"]["podIP"]
    for name in ("kept", "other"):
        node.delete(name)
        node.wait_gone(name)
    assert_nothing_left(node, before)


def test_pod_that_died_meanwhile_has_failed(node):
    node.create(session("dead"))
    node.wait_phase("dead", "Running")
    pid = main_pid(node, "dead")
    node.kill()
    os.kill(pid, 9)
    node.start()
    state = node.wait_phase("dead", "Failed")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (state["exitCode"], state["reason"]) == (137, "ContainerStatusUnknown")
    node.delete("dead")
    node.wait_gone("dead")


def test_delete_that_was_under_way_is_finished(node):
    before = node.traces()
    node.create(pod("going", "trap '' TERM; while :; do sleep 0.1; done"))
    node.wait_phase("going", "Running")
    node.delete("going", gracePeriodSeconds=30)
    node.kill()
    node.start()
    assert node.get("going").json["metadata"]["deletionTimestamp"]
    node.delete("going", gracePeriodSeconds=0)
    node.wait_gone("going")
    assert_nothing_left(node, before)


def test_strays_go(node):
    before = node.traces()
    for n in range(5):
        node.create(session(f"stray-{n}"))
    for n in range(5):
        node.wait_phase(f"stray-{n}", "Running")
    node.kill()
    subprocess.run(["rm", "-rf", f"{node.settings['data_dir']}/objects/pods"], check=True)
    node.start()
    assert node.pods() == []
    assert_nothing_left(node, before)


def test_killed_while_pods_start(node):
    before = node.traces()
    for n in range(6):
        node.create(session(f"half-{n}"))
    node.kill()
    node.start()
    for n in range(6):
        node.wait_phase(f"half-{n}", "Running", seconds=30)
        node.delete(f"half-{n}")
    for n in range(6):
        node.wait_gone(f"half-{n}")
    assert_nothing_left(node, before)


def test_terminate_leaves_pods_or_nothing(make_node):
    node = make_node()
    node.create(session("stays"))
    node.wait_phase("stays", "Running")
    pid = main_pid(node, "stays")
    node.terminate()
    os.kill(pid, 0)
    node.start()
    assert node.get("stays").json["status"]["phase"] == "Running"

    clean = make_node(exit={"remove_pods": True})
    clean.create(session("goes"))
    clean.wait_phase("goes", "Running")
    pid = main_pid(clean, "goes")
    clean.terminate()
    assert clean.process.returncode == 0
    assert not os.path.exists(f"/proc/{pid}")
    for hierarchy in os.listdir("/sys/fs/cgroup"):
        assert not os.path.exists(f"/sys/fs/cgroup/{hierarchy}{clean.cgroup}")
    table = subprocess.run(["ip", "netns", "exec", clean.netns, "nft", "list", "tables"], capture_output=True, text=True, check=True)
    assert table.stdout == ""


def test_two_nodes_do_not_share_a_directory(node):
    second = subprocess.run([node.process.args[2], "--config", node.dir / "node.json"], capture_output=True, text=True, timeout=20)
    assert second.returncode == 1 and "another node" in second.stderr


def test_terminated_while_pods_start(node):
    before = node.traces()
    for n in range(6):
        node.create(session(f"early-{n}"))
    node.terminate()
    assert node.process.returncode == 0
    node.start()
    for n in range(6):
        node.wait_phase(f"early-{n}", "Running", seconds=30)
        node.delete(f"early-{n}", gracePeriodSeconds=0)
    for n in range(6):
        node.wait_gone(f"early-{n}")
    assert_nothing_left(node, before)
