"""Holes that were found in other code-execution services, each tried here by its name. What is published of them: the advisories
named below, Piston's own tests, KubeCodeRun's source. Every test ends with a look at the neighbour, whose answers stay right."""
import hashlib
import json
import os

import pytest

from harness import problems
from harness.own_kernel import OWN_KERNEL

BOUNDARY = "holes"
OUTSIDE = ("/etc/passwd", "/etc/shadow", "/spillway/agent", "/spillway/languages.yaml", "/proc/1/environ", "/proc/1/mem", "/proc/self/fd/0")


@pytest.fixture(scope="module")
def neighbour(shared_session):
    return shared_session


@pytest.fixture
def hostile(make_session, neighbour):
    session = make_session(cleanup="idle")
    assert session.run("import socket\nsocket.gethostname()")["result"] == repr(session.id), "not inside: nothing is tried"
    yield session
    assert neighbour.run("print(6 * 7)")["stdout"] == "42\n"


def upload(session, name, content, **params):
    body = (f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode() + content
            + f"\r\n--{BOUNDARY}--\r\n".encode())
    return session.client.post(f"{session.base}/files/upload", body=body, params=params,
                               headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})


def download(session, name):
    return session.client.get(f"{session.base}/files/download/{name}")


SUMS = "import hashlib, json\nsums = {}\nfor path in %r:\n    try: sums[path] = hashlib.sha256(open(path, 'rb').read(65536)).hexdigest()\n" \
       "    except OSError as error: sums[path] = type(error).__name__\nprint(json.dumps(sums))" % (OUTSIDE[:4],)


def sums(session):
    return json.loads(session.run(SUMS)["stdout"])


# -- Judge0 --


def test_judge0_cve_2024_28185_a_link_where_the_service_writes(hostile):
    """The runner wrote its script through a link that the code had put there. Here: every name that is written, before and behind it."""
    before = sums(hostile)
    hostile.run("".join(f"import os\nos.symlink('{path}', 'out{i}')\n" for i, path in enumerate(OUTSIDE)) + "os.symlink('/etc', 'folder')\n"
                "for name in ('main.py', 'run_script', 'stdin', '.spillway'):\n    os.path.lexists(name) or os.symlink('/etc/passwd', name)\n")
    for i in range(len(OUTSIDE)):
        problems.check(upload(hostile, f"out{i}", b"written"), 409, "file_exists")
        upload(hostile, f"out{i}", b"written", overwrite="true").expect(200)
        assert hostile.run(f"import os\nos.path.islink('out{i}')")["result"] == "False", "the link itself was replaced, not followed"
    problems.check(upload(hostile, "folder/passwd", b"written"), 403, "forbidden")
    assert hostile.run("print(open('main.py').read()[:4])", filename="main.py")["status"] == "completed"
    reply = hostile.try_exec("bash", "true", files=[{"name": "folder/x", "content": "x"}])
    assert reply.status in (400, 403), reply
    assert sums(hostile) == before


def test_judge0_cve_2024_28189_ownership_through_a_link(hostile):
    """The patch of the above changed owners as root, through a link. Here nothing is root, and no owner ever changes."""
    hostile.run("import os\nos.symlink('/etc/passwd', 'mine')\nos.symlink('/', 'root')\nos.mkdir('d')\nos.symlink('/etc', 'd/etc')")
    for name in ("mine", "root/etc/passwd", "d/etc/passwd"):
        assert download(hostile, name).status == 403
        hostile.client.delete(f"{hostile.base}/files/delete/{name}").expect(200, 403)
    upload(hostile, "fresh", b"x").expect(201)
    owners = hostile.run("import os\n[os.stat(p).st_uid for p in ('/etc/passwd', '/etc', '/', '/spillway/agent')], "
                         "os.stat('fresh').st_uid == os.getuid()")
    assert owners["result"] == "([0, 0, 0, 0], True)", owners


def test_judge0_cve_2024_29021_services_inside_with_known_passwords(hostile):
    """Code reached the service's own database by its default name. test_isolation.py tries every listener; here the usual names."""
    code = """
import socket, json
seen = {}
for host in ("db", "redis", "localhost", "host.docker.internal", "metadata.google.internal", "kubernetes.default.svc", "gateway", "127.0.0.1"):
    for port in (5432, 6379, 80, 443, 8001, 8080, 9001, 6443, 10250):
        try:
            socket.create_connection((host, port), 0.5).close()
            seen["%s:%d" % (host, port)] = "connected"
        except OSError:
            pass
print(json.dumps(seen))
"""
    assert json.loads(hostile.run(code, timeout_seconds=120)["stdout"]) == {}


def test_judge0_issue_564_printenv_shows_the_service(hostile):
    text = hostile.run("printenv; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'", language="bash")["stdout"]
    names = {line.partition("=")[0] for line in text.splitlines()}
    assert names <= {"PATH", "HOME", "LANG", "TMPDIR", "USER", "PYTHONDONTWRITEBYTECODE", "PWD", "SHLVL", "_", "OLDPWD"}, names


@pytest.mark.parametrize("limit", [0, -1, 1e308, -1e-9])
def test_judge0_1_13_0_a_time_limit_of_zero_is_no_limit(hostile, limit):
    problems.check(hostile.try_exec(code="while True: pass", timeout_seconds=limit), 400, "invalid_argument", "limit_exceeded")


# -- Piston: tests/ --


def test_piston_fallocate(hostile):
    answer = hostile.run("import os\nopen('x', 'w')\nos.posix_fallocate(os.open('x', os.O_RDWR), 0, 100 << 30)")
    assert answer["status"] == "failed" and "No space left" in answer["error"]["value"], answer


def test_piston_file_persistance(hostile, make_session):
    """A file left anywhere is not there for the next session, though it may come to the same place."""
    mark = os.urandom(8).hex()
    places = ("/", "/tmp", "/var/tmp", "/dev/shm", "/run/lock", "/home/sandbox", "/workspace", "/var/spool/cron")
    left = hostile.run(f"import os\nfor top in {places}:\n"
                       f"    try: open(top + '/{mark}', 'w').write('x'); print(top)\n    except OSError: pass")["stdout"].split()
    assert set(left) == {"/tmp", "/dev/shm", "/home/sandbox", "/workspace"}, left
    hostile.run("mkdir -p ~/.local/lib/python3/site-packages; echo 'raise SystemExit(3)' | tee ~/.bashrc ~/sitecustomize.py usercustomize.py",
                language="bash")
    hostile.end()
    following = make_session(hostile.id, cleanup="idle")
    seen = following.run(f"find / -name {mark} -not -path '/proc/*' 2>/dev/null; find ~ /workspace -mindepth 1", language="bash")
    assert seen["stdout"] == "", seen


def test_piston_fork(hostile, neighbour):
    bomb = hostile.submit("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", timeout_seconds=3)
    assert neighbour.run("print('quiet')")["stdout"] == "quiet\n"
    end = hostile.final_through_silence(bomb)["status"]
    assert end in (("timeout", "oom") if OWN_KERNEL else ("timeout",))  # there a copy has more memory of its own
    assert hostile.run("print('alive')")["stdout"] == "alive\n"


def test_piston_multi_request(hostile, neighbour):
    """Many short runs, each with leftovers, all cleaned up at once: the service must not fall over its own cleaning."""
    for _ in range(5):
        ids = [hostile.submit("sleep 60 & (setsid sleep 60 &) ; exit 0", language="bash") for _ in range(4)]
        assert [hostile.final(each)["status"] for each in ids] == ["completed"] * 4
    assert "sleep" not in hostile.run("cat /proc/[0-9]*/comm", language="bash")["stdout"]


def test_piston_network(hostile):
    answer = hostile.run("import urllib.request\nurllib.request.urlopen('http://192.0.2.1/', timeout=2)")
    assert answer["status"] == "failed" and answer["error"]["name"] in ("URLError", "OSError", "ConnectionRefusedError"), answer


def test_piston_runaway_output(hostile, neighbour):
    flood = hostile.submit("while True: print('x' * 1000)", timeout_seconds=2)
    assert neighbour.run("print('quiet')")["stdout"] == "quiet\n"
    end = hostile.final(flood)
    assert end["status"] == "timeout" and end["truncated"] and end["stdout_total"] > 2 ** 20, end["stdout_total"]


# -- KubeCodeRun: its runner's files.go and executor.go --


def test_kubecoderun_a_path_that_is_clean_and_leads_out(hostile):
    """The path was checked as text, and then links were followed."""
    hostile.run("import os\nos.symlink('/etc/passwd', 'notes.txt')\nos.symlink('/', 'data')\nos.symlink('data/etc', 'more')")
    for name in ("notes.txt", "data/etc/passwd", "more/passwd"):
        problems.check(download(hostile, name), 403, "forbidden")
        problems.check(hostile.try_exec("bash", "cat", stdin_file=name), 403, "forbidden")
    problems.check(hostile.client.get(f"{hostile.base}/files/list", params={"path": "data"}), 403, "forbidden")


def test_kubecoderun_a_daemon_survives_the_time_out(hostile):
    running = hostile.submit("import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        for fd in range(20):\n"
                             "            try: os.close(fd)\n            except OSError: pass\n        time.sleep(600)\ntime.sleep(600)",
                             timeout_seconds=1)
    assert hostile.final(running)["status"] == "timeout"
    assert int(hostile.run("grep -l 'time.sleep(600)' /proc/[0-9]*/cmdline 2>/dev/null | wc -l; ls -d /proc/[0-9]* | wc -l",
                           language="bash")["stdout"].split()[1]) < 12


def test_kubecoderun_a_held_stdout_blocks_the_answer(hostile):
    answer = hostile.run("sleep 300 & echo done", language="bash", timeout_seconds=60)
    assert (answer["status"], answer["stdout"]) == ("completed", "done\n") and answer["execution_time"] < 60


def test_kubecoderun_output_is_read_whole_before_it_is_cut(hostile):
    """A gigabyte through stdout: what is kept is the limit, and the sums of its head and tail are right."""
    code = "import sys\nblock = b'0123456789abcdef' * 65536\nfor _ in range(256): sys.stdout.buffer.write(block)\n"
    answer = hostile.run(code, timeout_seconds=120)
    assert answer["status"] == "completed" and answer["stdout_total"] == 256 * 2 ** 20 and answer["truncated"], answer["status"]
    head = hostile.result(answer["execution_id"], limit=2 ** 19)["stdout"]
    assert hashlib.sha256(head.encode()).hexdigest() == hashlib.sha256((b"0123456789abcdef" * 32768)[:len(head)]).hexdigest()
