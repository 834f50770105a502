"""What a client sees: executions in a warm and in a cold session, through nginx; and what a session costs in memory."""
import concurrent.futures
import hashlib
import hmac
import os
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

CODE = {"python": "print(1)", "nodejs": "console.log(1)"}


def spread(seconds):
    values = sorted(value * 1000 for value in seconds)
    at = lambda share: values[min(len(values) - 1, int(len(values) * share))]  # noqa: E731
    return {"count": len(values), "min_ms": values[0], "p50_ms": statistics.median(values), "p90_ms": at(.9), "p99_ms": at(.99),
            "max_ms": values[-1]}


def run_once(client, session, language, may_refuse=False, **body):
    reply = client.post(f"/{session}/exec/{language}", json_body={"code": CODE[language], **body}, params={"wait": 20})
    if may_refuse and reply.status == 429:
        return None
    result = reply.expect(200).json()
    if result["status"] != "completed" or result["stdout"] != "1\n":
        raise SystemExit(f"bench: {result}")
    return result


def create(client, name, **body):
    client.post(f"/{name}", json_body={"cleanup": "idle", "idle_timeout_seconds": 600, **body}).expect(201)


def wait_ready(client, name):
    reply = client.get(f"/{name}/status", params={"wait": 30, "until": "ready"}).expect(200).json()
    if reply["status"] != "ready":
        raise SystemExit(f"bench: session {name}: {reply['status']} {reply['message']}")


def sequential(client, session, language, count, pause=0, **body):
    """One client, one run after the other; `pause` seconds between them are a person's, or a notebook's."""
    taken = []
    for _ in range(count):
        time.sleep(pause)
        begun = time.perf_counter()
        run_once(client, session, language, **body)
        taken.append(time.perf_counter() - begun)
    return spread(taken)


def open_loop(client, session, language, per_second, seconds):
    """Runs begin by the clock whatever became of those before; the time counts from when they were due."""
    taken, late = [], 0
    begun = time.perf_counter() + 0.1

    def one(due):
        result = run_once(client, session, language, may_refuse=True)
        return time.perf_counter() - due if result else None

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        futures = []
        for index in range(int(per_second * seconds)):
            due = begun + index / per_second
            wait = due - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            else:
                late += 1
            futures.append(pool.submit(one, due))
        taken = [future.result() for future in futures]
    served = [value for value in taken if value is not None]
    return {**spread(served), "per_second": per_second, "sent_late": late, "refused": len(taken) - len(served)}


def crowd(client, clients, runs):
    """So many clients at once, each with a session of its own in which it runs one thing after the other."""
    names = [f"crowd-{clients}-{index}" for index in range(clients)]
    for name in names:
        create(client, name)
    for name in names:
        wait_ready(client, name)
    time.sleep(2 + clients / 2)  # so many interpreters start

    def one(name):
        taken = []
        for _ in range(runs):
            begun = time.perf_counter()
            run_once(client, name, "python", timeout_seconds=60)
            taken.append(time.perf_counter() - begun)
        return taken

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        taken = [value for each in pool.map(one, names) for value in each]
    for name in names:
        client.delete(f"/{name}")
    return spread(taken)


def cold(client, count, burst, environment=None):
    """Create → ready → first result, one after the other and `burst` at once."""
    body = {"environment": environment} if environment else {}

    def one(name):
        begun = time.perf_counter()
        create(client, name, **body)
        wait_ready(client, name)
        ready = time.perf_counter()
        run_once(client, name, "python")
        done = time.perf_counter()
        client.delete(f"/{name}")
        return ready - begun, done - begun

    def gone(names):
        for name in names:
            end = time.monotonic() + 30
            while client.get(f"/{name}/status").json()["status"] != "stopped" and time.monotonic() < end:
                time.sleep(0.02)

    alone = []
    for index in range(count):
        alone.append(one(f"cold-{index}"))
        gone([f"cold-{index}"])
    names = [f"burst-{index}" for index in range(burst)]

    def in_burst(name):
        begun = time.perf_counter()
        create(client, name, **body)
        wait_ready(client, name)
        return time.perf_counter() - begun

    with concurrent.futures.ThreadPoolExecutor(burst) as pool:
        begun = time.perf_counter()
        together = list(pool.map(in_burst, names))
        all_ready = time.perf_counter() - begun
    for name in names:
        client.delete(f"/{name}")
    gone(names)
    return {"ready": spread([pair[0] for pair in alone]), "result": spread([pair[1] for pair in alone]),
            "burst_ready": spread(together), "burst_all_ready_ms": all_ready * 1000, "burst": burst}


def rollup_kib(pid, field):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    return 0


def memory(client, gateway_pid, count):
    """Private dirty memory of the gateway with and without `count` living sessions."""
    before = rollup_kib(gateway_pid, "Private_Dirty")
    names = [f"memory-{index}" for index in range(count)]
    for name in names:
        create(client, name)
    for name in names:
        wait_ready(client, name)
    after = rollup_kib(gateway_pid, "Private_Dirty")
    agents = agent_memory()
    for name in names:
        client.delete(f"/{name}")
    return {"gateway_kib": before, "with_sessions_kib": after, "sessions": count, "per_session_kib": (after - before) / count,
            "agent_rss_kib": agents}


def agent_memory():
    sizes = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.path.basename(os.readlink(folder / "exe")) == "agent" and "\nNSpid:" in (status := (folder / "status").read_text()):
                inner = status.split("NSpid:")[1].split("\n")[0].split()[-1]
                if inner == "1":
                    sizes.append(int(status.split("VmRSS:")[1].split()[0]))
        except (OSError, IndexError):
            continue
    return statistics.median(sizes) if sizes else None


# A root of its own, as the agent wants one; the last thing said is the time of its start.
AGENT_ROOT = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1/box"
mkdir "$1/box/upper" "$1/box/work" "$1/box/root"
root=$1/box/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/box/upper,workdir=$1/box/work" "$root"
mkdir -p "$root/workspace" "$root/bench"
mount --bind "$1" "$root/bench"
mount -t proc proc "$root/proc"
cp -r "$2" "$root/spillway"
date +%s%N
exec chroot "$root" /spillway/agent
"""


def agent_start(agent_dir, count=20):
    """From the start of the process to its first answer; what a container around it costs is in the cold sessions."""
    taken = []
    for _ in range(count):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(f"{folder}/box")
            environment = {"SPILLWAY_SESSION_ID": "bench", "SPILLWAY_EPOCH": "0" * 32, "PATH": os.environ["PATH"],
                           "SPILLWAY_TOKEN_SHA256": hashlib.sha256(b"a" * 64).hexdigest(), "SPILLWAY_LIMITS": '{"warm":false}',
                           "SPILLWAY_AGENT_LISTEN": "unix:/bench/socket"}
            agent = subprocess.Popen(["unshare", "--pid", "--mount", "--fork", "--kill-child", "sh", "-c", AGENT_ROOT, "sh", folder,
                                      str(agent_dir)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            begun = int(agent.stdout.readline())
            taken.append(first_answer(f"{folder}/socket", begun))
            agent.kill()
            agent.wait()
            agent.stdout.close()
    return spread(taken)


def first_answer(path, begun_ns):
    while time.time_ns() - begun_ns < 10_000_000_000:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            try:
                s.connect(path)
                s.sendall(b"GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n")
                if s.recv(100).startswith(b"HTTP/1.1 200"):
                    return (time.time_ns() - begun_ns) / 1e9
            except OSError:
                time.sleep(0.0001)
    raise SystemExit("bench: the agent did not answer")


def agent_token(site_key_file, pod):
    marks = pod["metadata"]["annotations"]
    key = bytes.fromhex(Path(site_key_file).read_text().split("\n")[0].strip())
    text = f"{pod['metadata']['labels']['spillway.dev/session']}.{marks['spillway.dev/epoch']}.{marks['spillway.dev/nonce']}"
    return hmac.new(key, text.encode(), "sha256").hexdigest()
