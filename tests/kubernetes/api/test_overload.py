"""429: the server has too much to do and says when to come again."""
import http.server
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from driver import error_code, wait_for


class Busy(http.server.BaseHTTPRequestHandler):
    """A server that is out of breath until `server.busy_until`."""
    protocol_version = "HTTP/1.1"

    def answer(self, status, body, **fields):
        text = json.dumps(body).encode()
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        self.server.asked.append((time.monotonic(), self.path))
        if time.monotonic() < self.server.busy_until:
            self.answer(429, {"kind": "Status", "code": 429, "message": "too many requests"}, Retry_After="2")
        elif "sendInitialEvents" in self.path:
            self.answer(422, {"kind": "Status", "code": 422})
        elif "watch=" in self.path:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.server.stop.wait(20)
            self.close_connection = True
        else:
            self.answer(200, {"kind": "PodList", "metadata": {"resourceVersion": "5"}, "items": []})

    do_POST = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture
def busy():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    server.daemon_threads = True
    server.asked = []
    server.busy_until = time.monotonic() + 600
    server.stop = threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.stop.set()
    server.shutdown()
    thread.join()
    server.server_close()


def url_of(busy):
    return f"http://127.0.0.1:{busy.server_address[1]}"


def test_call(busy, plain_driver):
    result = plain_driver(url=url_of(busy)).create({"metadata": {"name": "p"}})
    assert (result["status"], error_code(result), result["retry_after_s"], result["outcome_unknown"]) == (429, "overloaded", 2, False)
    assert len(busy.asked) == 1  # who called decides whether to call again


def test_watch_waits_as_long_as_it_is_told(busy, plain_driver):
    busy.busy_until = time.monotonic() + 1.5
    driver = plain_driver(url=url_of(busy)).watch("/api/v1/namespaces/x/pods")
    wait_for(lambda: "429" in driver.state()["watch"]["error"], "the refusal is told")
    assert not driver.state()["watch"]["connected"]
    wait_for(lambda: driver.state()["watch"]["synced"], "it comes again")
    first, second = (at for at, _ in busy.asked[:2])
    assert 1.9 < second - first < 5


@pytest.mark.only("apiserver")
def test_flow_control_of_a_real_server(server, namespace, drivers):
    """A priority level without a share refuses whoever falls into it."""
    group = "flowcontrol.apiserver.k8s.io/v1"
    level = {"apiVersion": group, "kind": "PriorityLevelConfiguration", "metadata": {"name": namespace},
             "spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": 0, "lendablePercent": 0, "borrowingLimitPercent": 0,
                                                     "limitResponse": {"type": "Reject"}}}}
    subject = {"kind": "ServiceAccount", "serviceAccount": {"name": "spillway-gateway", "namespace": namespace}}
    rule = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": True}
    schema = {"apiVersion": group, "kind": "FlowSchema", "metadata": {"name": namespace},
              "spec": {"priorityLevelConfiguration": {"name": namespace}, "matchingPrecedence": 2,
                       "rules": [{"subjects": [subject], "resourceRules": [rule]}]}}
    root = f"/apis/{group}"
    server.api.call("POST", f"{root}/prioritylevelconfigurations", level).expect(201)
    server.api.call("POST", f"{root}/flowschemas", schema).expect(201)
    try:
        driver = server.driver(namespace)
        drivers.append(driver)
        # The server lets one through where nothing else is under way; so there must be several at once.
        with ThreadPoolExecutor(16) as pool:
            def refused():
                results = list(pool.map(lambda _: driver.get("p"), range(64)))
                assert {each["status"] for each in results} <= {404, 429}
                return next((each for each in results if each["status"] == 429), None)
            found = wait_for(refused, "flow control takes hold")
        assert error_code(found) == "overloaded" and found["retry_after_s"] >= 1 and not found["outcome_unknown"]
    finally:
        server.api.delete(f"{root}/flowschemas/{namespace}").expect(200)
        server.api.delete(f"{root}/prioritylevelconfigurations/{namespace}").expect(200)
