"""A pod's life on the embedded node, seen through its API and on the machine."""
import subprocess
import time

from manifests import pod, session

NOTHING = ("cgroups", "unified", "leases", "crun", "run", "mounts", "host_mounts")


def assert_nothing_left(node, before):
    node.wait(lambda: node.links() == before["links"], 10, "links stay")  # the kernel takes namespaces down by and by
    after = node.traces()
    assert {key: after[key] for key in NOTHING} == {key: [] for key in NOTHING}
    assert after["netns"] == before["netns"] and after["root_crun"] == before["root_crun"]


def condition(pod_object, kind):
    return {c["type"]: c for c in pod_object["status"].get("conditions", [])}.get(kind)


def test_session_pod_from_create_to_gone(node):
    before = node.traces()
    created = node.create(session("s1"))
    assert created.status == 201 and created.json["status"]["phase"] == "Pending"
    ready = node.wait_phase("s1", "Running")
    assert condition(ready, "Ready")["status"] == "True"
    assert ready["spec"]["nodeName"] == "node-1" and ready["status"]["podIP"].startswith("10.210.")
    assert ready["status"]["containerStatuses"][0]["state"]["running"]["startedAt"]
    node.wait(lambda: "agent is up" in node.read_log("s1"), 5, "no log")
    listed = subprocess.run(["crun", "--root", f"{node.settings['data_dir']}/crun/sandboxes", "list"], capture_output=True,
                            text=True, check=True).stdout
    assert "s1 " in listed and "running" in listed
    deleted = node.delete("s1", preconditions={"uid": ready["metadata"]["uid"]})
    assert deleted.status == 200 and deleted.json["metadata"]["deletionTimestamp"]
    node.wait_gone("s1")
    assert_nothing_left(node, before)


def test_walls_and_limits(node):
    manifest = session("walls")
    manifest["spec"]["containers"][0]["command"] = ["sh", "-c", "cat /proc/self/status; id; hostname; ls -ln / ; "
                                                    "(: > /etc/new) 2>&1; (: > /workspace/new) && echo workspace writable; "
                                                    "dd if=/dev/zero of=/tmp/big bs=1M count=4 2>&1; cat /etc/hosts; sleep 60"]
    node.create(manifest)
    running = node.wait_phase("walls", "Running")
    log = node.wait(lambda: "10.210." in node.read_log("walls") and node.read_log("walls"), 5, "no output")
    for line in ("CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "Seccomp:\t2", "NoNewPrivs:\t1", "uid=1000 gid=1000",
                 "workspace writable", "No space left on device", "Read-only file system"):
        assert line in log, log
    assert "\nwalls\n" in log
    assert node.cgroup_file("memory", running, "memory.limit_in_bytes") == "134217728"
    assert node.cgroup_file("cpu", running, "cpu.cfs_quota_us") == "50000"
    assert node.cgroup_file("cpu", running, "cpu.cfs_period_us") == "100000"
    assert node.cgroup_file("cpu", running, "cpu.shares") == "512"
    assert node.cgroup_file("pids", running, "pids.max") == "37"


def test_end_states(node):
    node.create(pod("good", "exit 0"))
    node.create(pod("bad", "echo to the log; exit 3"))
    node.create(pod("signalled", "kill -9 $$; sleep 5"))
    node.create(pod("hungry", "dd if=/dev/zero of=/dev/null bs=256M count=1; exit $?", memory="32Mi"))
    good = node.wait_phase("good", "Succeeded")
    assert good["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"
    bad = node.wait_phase("bad", "Failed")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (bad["exitCode"], bad["reason"]) == (3, "Error")
    assert node.read_log("bad") == "to the log\n"
    hungry = node.wait_phase("hungry", "Failed")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert hungry["exitCode"] == 137
    node.wait(lambda: node.traces()["run"] == [uid(node, "signalled")], 10, "files of ended pods stay")
    node.delete("bad")
    node.wait_gone("bad")


def uid(node, name):
    return node.get(name).json["metadata"]["uid"]


def test_oom_kill_of_the_main_process(node):
    node.create(pod("oom", "exec dd if=/dev/zero of=/dev/null bs=256M count=1", memory="32Mi"))
    state = node.wait_phase("oom", "Failed")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (state["exitCode"], state["reason"]) == (137, "OOMKilled")


def test_init_containers_share_an_empty_dir(node):
    manifest = pod("chain", "cat /data/*; ls -ld /data; sleep 60", volumes=[{"name": "data", "emptyDir": {}}])
    main = manifest["spec"]["containers"][0]
    main["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    manifest["spec"]["initContainers"] = [dict(main, name=f"init-{n}", command=["sh", "-c", f"echo {n} > /data/{n}"]) for n in (1, 2)]
    node.create(manifest)
    running = node.wait_phase("chain", "Running")
    assert [s["state"]["terminated"]["exitCode"] for s in running["status"]["initContainerStatuses"]] == [0, 0]
    node.wait(lambda: node.read_log("chain").startswith("1\n2\n"), 5, "the main container does not see the files")


def test_failing_init_container_ends_the_pod(node):
    manifest = pod("stuck", "echo never")
    manifest["spec"]["initContainers"] = [dict(manifest["spec"]["containers"][0], name="init", command=["sh", "-c", "exit 4"])]
    node.create(manifest)
    failed = node.wait_phase("stuck", "Failed")
    assert failed["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 4
    assert "waiting" in failed["status"]["containerStatuses"][0]["state"]


def test_sub_path_that_an_init_container_made_a_link_is_refused(node):
    manifest = pod("link", "cat /workspace/*", volumes=[{"name": "data", "emptyDir": {}}])
    main = manifest["spec"]["containers"][0]
    init = dict(main, name="init", command=["sh", "-c", "mkdir /data/x && exit 0"], volumeMounts=[{"name": "data", "mountPath": "/data"}])
    init["command"] = ["sh", "-c", ": > /data/sub"]
    main["volumeMounts"] = [{"name": "data", "mountPath": "/workspace", "subPath": "sub"}]
    manifest["spec"]["initContainers"] = [init]
    node.create(manifest)
    state = node.wait_phase("link", "Failed")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert state["reason"] == "StartError" and "subPath" in state["message"]


def test_command_that_does_not_exist(node):
    manifest = pod("typo")
    manifest["spec"]["containers"][0]["command"] = ["/bin/nonsense"]
    node.create(manifest)
    state = node.wait_phase("typo", "Failed")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (state["exitCode"], state["reason"]) == (128, "StartError") and "nonsense" in state["message"]


def test_deadline(node):
    node.create(pod("late", activeDeadlineSeconds=1))
    failed = node.wait_phase("late", "Failed")
    assert failed["status"]["reason"] == "DeadlineExceeded"


def test_deadline_can_be_shortened(node):
    node.create(pod("short", activeDeadlineSeconds=600))
    node.wait_phase("short", "Running")
    path = "/api/v1/namespaces/sandboxes/pods/short"
    longer = node.call("PATCH", path, {"spec": {"activeDeadlineSeconds": 700}}, "application/merge-patch+json")
    assert longer.status == 422
    assert node.call("PATCH", path, {"spec": {"activeDeadlineSeconds": 1}}, "application/merge-patch+json").status == 200
    assert node.wait_phase("short", "Failed")["status"]["reason"] == "DeadlineExceeded"


def test_grace_and_kill(node):
    node.create(pod("deaf", "trap '' TERM; while :; do sleep 0.1; done"))
    node.wait_phase("deaf", "Running")
    began = time.monotonic()
    node.delete("deaf", gracePeriodSeconds=1)
    time.sleep(0.3)
    assert node.get("deaf").status == 200
    node.wait_gone("deaf")
    assert time.monotonic() - began >= 1


def test_unschedulable_until_room_comes(make_node):
    node = make_node(capacity={"cpu": "1", "memory": "4Gi", "pods": 2})
    node.create(pod("a", cpu="600m"))
    node.create(pod("b", cpu="600m"))
    node.wait_phase("a", "Running")
    waiting = node.get("b").json
    assert waiting["status"]["phase"] == "Pending" and "nodeName" not in waiting["spec"]
    verdict = condition(waiting, "PodScheduled")
    assert (verdict["status"], verdict["reason"]) == ("False", "Unschedulable")
    assert verdict["message"] == "0/1 nodes are available: 1 Insufficient cpu."
    assert node.call("GET", "/api/v1/namespaces/sandboxes/pods/b/log").status == 204
    node.delete("a")
    node.wait_phase("b", "Running")
    node.create(pod("c", cpu="100m"))
    node.create(pod("d", cpu="100m"))
    node.wait(lambda: condition(node.get("d").json, "PodScheduled"), 5, "no verdict")
    assert condition(node.get("d").json, "PodScheduled")["message"] == "0/1 nodes are available: 1 Too many pods."
    node.delete("d")
    node.wait_gone("d", 2)


def test_pods_cannot_ask(node):
    """From a pod nothing can be opened towards the node; the node reaches the pod."""
    node.create(pod("quiet"))
    ip = node.wait_phase("quiet", "Running")["status"]["podIP"]
    inside = subprocess.run(["nsenter", f"--net=/run/netns/{node.netns}", "nft", "list", "table", "inet", "spillway_node"],
                            capture_output=True, text=True, check=True).stdout
    assert 'iifname "veth*" drop' in inside
    probe = ("import socket,sys\n"
             "l=socket.create_server(('0.0.0.0',7777))\n"
             "import subprocess\n"
             "s=socket.socket(); s.settimeout(1)\n"
             f"\ntry: s.connect(('{ip}',9)); print('open')\n"
             "except ConnectionRefusedError: print('answered')\n"
             "except OSError as e: print('no answer', e)\n")
    out = subprocess.run(["nsenter", f"--net=/run/netns/{node.netns}", "/usr/bin/python3", "-c", probe], capture_output=True, text=True,
                         check=True).stdout
    assert "answered" in out
    assert asks_in_vain(node, "quiet")


def asks_in_vain(node, name):
    """A connection from within the pod's network namespace to a listener of the node's."""
    listener = subprocess.Popen(["nsenter", f"--net=/run/netns/{node.netns}", "/usr/bin/python3", "-c",
                                 "import socket,time\nl=socket.create_server(('0.0.0.0',7777))\nprint('up',flush=True)\ntime.sleep(30)"],
                                stdout=subprocess.PIPE)
    listener.stdout.readline()
    data = node.settings["data_dir"]
    pid = subprocess.run(["crun", "--root", f"{data}/crun/sandboxes", "list", "-q"], capture_output=True, text=True).stdout
    assert name in pid
    pid = open(f"{data}/run/{uid(node, name)}/bundle/main/pid").read()
    try:
        out = subprocess.run(["nsenter", "-t", pid, "-n", "/usr/bin/python3", "-c",
                              "import socket\ns=socket.socket(); s.settimeout(1)\ntry:\n s.connect(('10.210.0.1',7777)); print('open')\n"
                              "except OSError as e: print('refused', e)"], capture_output=True, text=True, check=True).stdout
        return "timed out" in out
    finally:
        listener.kill()
        listener.wait()
        listener.stdout.close()


def test_twenty_at_once_and_nothing_left(node):
    before = node.traces()
    for n in range(20):
        assert node.create(session(f"many-{n}")).status == 201
    addresses = {node.wait_phase(f"many-{n}", "Running", seconds=60)["status"]["podIP"] for n in range(20)}
    assert len(addresses) == 20
    for n in range(20):
        assert node.delete(f"many-{n}").status == 200
    for n in range(20):
        node.wait_gone(f"many-{n}", 60)
    assert_nothing_left(node, before)


def test_deleted_while_it_starts(node):
    before = node.traces()
    for n in range(10):
        node.create(session(f"brief-{n}"))
        time.sleep(0.004 * n)
        assert node.delete(f"brief-{n}", gracePeriodSeconds=0).status == 200
    for n in range(10):
        node.wait_gone(f"brief-{n}")
    assert_nothing_left(node, before)


def test_log_is_bounded(make_node):
    node = make_node(pod={"log_bytes": "16Ki"})
    node.create(pod("loud", "while :; do echo 0123456789012345678901234567890123456789 || sleep 0.1; done"))
    node.wait_phase("loud", "Running")
    time.sleep(0.5)
    assert len(node.read_log("loud")) <= 16384
    assert len(node.read_log("loud", "?tailLines=2").splitlines()) == 2
    assert len(node.read_log("loud", "?limitBytes=10")) == 10
