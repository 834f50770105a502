"""The harness's own helpers, without any site: a helper that cannot fail proves nothing."""
import http.server
import json
import os
import signal
import socket
import subprocess
import threading
import types

import pytest
from harness import containers, leftovers, problems, processes, readme, runs
from harness.client import Client, ConnectionLost, Reply, raw
from harness.namespaces import connector, in_network_of
from harness.node import token_of
from harness.prometheus import Metrics
from harness.wait import TimedOut, until


class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/drop":
            self.close_connection = True
            return
        body = json.dumps({"path": self.path, "port": self.client_address[1]}).encode()
        self.send_response(503 if self.path.startswith("/full") else 200)
        if self.path == "/full":
            self.send_header("Retry-After", "5")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def log_message(self, *ignored):
        pass


@pytest.fixture
def echo():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_client_keeps_its_connection(echo):
    client = Client(echo)
    ports = {client.get("/x", params={"a": "1 2", "none": None}).json()["port"] for _ in range(5)}
    assert len(ports) == 1
    assert client.get("/x", params={"a": "1 2", "none": None}).json()["path"] == "/x?a=1+2"


def test_client_takes_no_503_without_retry_after(echo):
    assert Client(echo).get("/full").status == 503
    with pytest.raises(AssertionError, match="without Retry-After"):
        Client(echo).get("/full-for-ever")


def test_client_tells_a_lost_connection(echo):
    client = Client(echo)
    with pytest.raises(ConnectionLost):
        client.post("/drop", {})
    assert client.get("/after").status == 200


def test_raw_reads_pipelined_answers_and_stops_at_the_end(echo):
    one = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
    assert [reply.json()["path"] for reply in raw(echo, one + one, answers=2)] == ["/a", "/a"]
    assert raw(echo, b"GET /drop HTTP/1.1\r\nHost: x\r\n\r\n") == []


def test_until_gives_the_value_or_says_what_it_saw():
    values = iter([None, 0, "x"])
    assert until(lambda: next(values), 5, "value", every=0) == "x"
    with pytest.raises(TimedOut, match="never.*last seen: 0"):
        until(lambda: 0, 0.05, "never")


def problem_reply(**changes):
    body = {"type": "about:blank", "title": "t", "status": 404, "code": "session_not_found", "request_id": "r"}
    body.update(changes)
    return Reply(body["status"], [("Content-Type", "application/problem+json")], json.dumps(body).encode())


def test_problem_check_refuses_what_is_no_problem():
    problems.check(problem_reply(), 404, "session_not_found")
    for bad in (problem_reply(request_id=""), problem_reply(code="other"), problem_reply(status=400),
                Reply(404, [("Content-Type", "text/html")], b"<html>")):
        with pytest.raises(AssertionError):
            problems.check(bad, 404, "session_not_found")
    with pytest.raises(AssertionError):  # the code's status in the table of the source is another
        problems.check(problem_reply(status=400), 400, "session_not_found")


def test_error_table_is_read_from_the_source():
    table = problems.error_table()
    assert table["capacity_full"][0] == 503 and len(table) > 30


def test_metrics_are_summed_over_labels():
    metrics = Metrics('# HELP a b\na_total{op="x",code="200"} 2\na_total{op="y",code="200"} 3\nb 1.5\n')
    assert metrics.total("a_total") == 5
    assert metrics.total("a_total", op="x") == 2
    assert metrics.total("c_total") is None


def test_socket_in_another_network_namespace():
    sleeper = subprocess.Popen(["unshare", "--net", "sleep", "60"])
    try:
        until(lambda: processes.namespace(sleeper.pid) not in (None, processes.namespace("self")), 10, "unshared")
        assert in_network_of(sleeper.pid, lambda: [name for _, name in socket.if_nameindex()]) == ["lo"]
        assert processes.namespace("self") == os.stat("/proc/self/task/%d/ns/net" % threading.get_native_id()).st_ino
        with pytest.raises(OSError):
            connector(sleeper.pid, "127.0.0.1", 1, timeout=1)()
        footprint = leftovers.Footprint()
        footprint.add_process(sleeper.pid)
        assert len(footprint.left()) == 2, footprint.left()  # the process and its namespace
    finally:
        sleeper.kill()
        sleeper.wait()
    until(lambda: not footprint.left(), 10, "namespace gone")


def in_a_network_of_its_own():
    sleeper = subprocess.Popen(["unshare", "--net", "sleep", "60"])
    until(lambda: processes.namespace(sleeper.pid) not in (None, processes.namespace("self")), 10, "unshared")
    return sleeper


def test_another_runs_namespace_is_never_taken_for_ours():
    """The kernel gives a number again as soon as nobody has it."""
    ours = in_a_network_of_its_own()
    footprint = leftovers.Footprint()
    footprint.add_process(ours.pid)
    ours.kill()
    ours.wait()
    others = [in_a_network_of_its_own() for _ in range(5)]
    try:
        assert not footprint.left()
        footprint.close()
    finally:
        for sleeper in others:
            sleeper.kill()
            sleeper.wait()


def test_another_runs_things_are_never_taken_for_ours():
    """A launcher that is up now, or was when we looked before."""
    before = leftovers.Machine()
    theirs = "/run/spillway-0a1b2c3d"
    os.mkdir(theirs)
    try:
        assert leftovers.Machine().new_since(before, {"/run/e2e-ours", "spillway-99999999"}) == []
        assert leftovers.Machine().new_since(before, {"/run/e2e-ours", "spillway-0a1b2c3d"}) == [f"file {theirs}"]
    finally:
        os.rmdir(theirs)


def test_machine_comparison_sees_a_new_process_file_and_cgroup(tmp_path):
    state = f"/run/spillway-selfcheck-{os.getpid()}"
    before = leftovers.Machine()
    os.mkdir(state)
    cgroup = next((path for path in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified", "/sys/fs/cgroup")
                   if os.path.isdir(path) and os.access(path, os.W_OK)), None) + state.replace("/run", "")
    os.mkdir(cgroup)
    left_over = subprocess.Popen(["sh", "-c", "read line", state + "/x"], stdin=subprocess.PIPE)
    try:
        open(state + "/socket", "w", encoding="utf-8").close()
        found = leftovers.Machine().new_since(before, {state, state.replace("/run/", "")})
        assert any(line.startswith("process") for line in found), found
        assert any("socket" in line for line in found), found
        assert any("cgroup" in line for line in found), found
    finally:
        left_over.kill()
        left_over.communicate()
        os.rmdir(cgroup)
        os.unlink(state + "/socket")
        os.rmdir(state)
    assert leftovers.Machine().new_since(before, {state}) == []


def test_a_pid_used_again_is_another_process():
    identity = processes.identity(os.getpid())
    assert processes.alive(identity)
    assert not processes.alive((identity[0], identity[1] - 1))


def test_cgroup_paths_of_a_process_lead_to_directories():
    for controller in ("memory", "pids", "cpu"):
        assert os.path.isdir(containers.cgroup_directory(os.getpid(), controller))


def test_run_counter_counts_each_run_once_and_remembers(monkeypatch, tmp_path):
    marks = tmp_path / ".counted-run"
    monkeypatch.setattr(containers, "of_session", lambda state, session: {"pid": os.getpid()})
    code = runs.counted("").replace("/workspace", str(tmp_path))

    def run():
        subprocess.run(["python3", "-c", code], check=True, capture_output=True)
    with pytest.raises(AssertionError, match="ran twice"), runs.RunCounter(types.SimpleNamespace(state_dir="/nowhere"), pods=False) as counter:
        counter.watch("s")
        counter.paths["s"] = str(marks)
        assert counter.seen("s") == []
        run()
        mark = until(lambda: counter.seen("s"), 10, "its mark")[0]
        counter.check_once("s", {"status": "completed", "stdout": f"{mark}\n"}, rest="")
        run()
        marks.unlink()
        assert len(counter.seen("s")) == 2, "it is gone, and what was written there is not"
        with pytest.raises(AssertionError, match="ran 2 times"):
            counter.check_once("s", {"status": "completed", "stdout": f"{mark}\n"}, rest="")


def test_token_is_found_in_either_spelling_of_a_kubeconfig(tmp_path):
    for text in ("users:\n- user:\n    token: abc.d\n", '{"users":[{"user":{"token": "abc.d"}}]}'):
        path = tmp_path / "kubeconfig"
        path.write_text(text)
        assert token_of(str(path)) == "abc.d"
    assert token_of(None) is None


def test_curl_lines_are_found_with_their_continuations():
    text = "x\n```sh\n$ curl -s http://127.0.0.1:8080/a \\\n    -d '{}'\n./run\ncurl b | head\n```\ncurl not this\n"
    assert readme.curl_commands(text) == ["curl -s http://127.0.0.1:8080/a \\\n    -d '{}'", "curl b | head"]


def test_listening_ports_are_those_of_the_process():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        assert one.getsockname()[1] in processes.listening_ports(os.getpid())
        assert one.getsockname()[1] not in processes.listening_ports(1)


def test_stopped_process_counts_as_alive():
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        sleeper.send_signal(signal.SIGSTOP)
        assert processes.alive(processes.identity(sleeper.pid))
    finally:
        sleeper.kill()
        identity = processes.identity(sleeper.pid)
        sleeper.wait()
    assert not processes.alive(identity)
