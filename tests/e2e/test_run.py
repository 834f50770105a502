"""One-shot runs: a session of its own, which goes by itself."""
from harness import problems
from harness.wait import until

SUM = "print(sum(int(n) for n in open('numbers.txt')))"


def test_sync_answers_with_the_result(client):
    answer = client.post("/api/run/sync", {"language": "python", "code": "n = int(input())\nprint(n)\nn * 2", "stdin": "21\n", "timeout": 5}).expect(200).json()
    assert (answer["status"], answer["stdout"], answer["result"], answer["exit_code"]) == ("completed", "21\n", "42", 0)
    assert answer["execution_time"] > 0 and answer["display"] == []


def test_files_come_along(client):
    answer = client.post("/api/run/sync", {"language": "python", "code": SUM, "files": [{"name": "numbers.txt", "content": "1\n2\n3\n"}]})
    assert answer.expect(200).json()["stdout"] == "6\n"


def test_async_is_polled_and_its_session_goes(client, site):
    reply = client.post("/api/run", {"language": "bash", "code": "echo begun; sleep 1; echo done"}).expect(202)
    run = reply.json()
    assert reply.header("Location") == run["result"] == f"/api/run/{run['run_id']}"

    def ended():
        answer = client.get(run["result"]).expect(200).json()
        return answer if answer["status"] != "running" else None
    assert until(ended, 30, "the run's end")["stdout"] == "begun\ndone\n"
    until(lambda: run["run_id"] not in site.node().sessions(), 40, "the run's session is gone")
    assert client.get(run["result"]).expect(200).json()["stdout"] == "begun\ndone\n"


def test_a_repeated_run_is_the_same_one(client):
    body = {"language": "bash", "code": "date +%s%N"}
    first, again = (client.post("/api/run/sync", body, headers={"Idempotency-Key": "run-once-4711"}).expect(200).json() for _ in range(2))
    assert first["stdout"] == again["stdout"] and first["session_id"] == again["session_id"]


def test_what_is_wrong_is_said(client):
    def refused(status, body, **headers):
        return client.post("/api/run/sync", body, headers=headers).expect(status).json()["code"]
    assert refused(400, {"language": "cobol", "code": ""}) == "unknown_language"
    assert refused(400, {"language": "python"}) == "invalid_argument"
    assert refused(400, {"language": "python", "code": "1", "files": [{"name": "../x", "content": ""}]}) == "invalid_argument"
    assert refused(400, {"language": "python", "code": "1"}, **{"X-Session-Id": "mine"}) == "invalid_argument"
    assert client.get("/api/run/no-such-run").expect(404).json()["code"] == "session_not_found"


def test_every_gateway_knows_a_run(client, site):
    run = client.post("/api/run", {"language": "python", "code": "1 + 1"}).expect(202).json()
    for entry in site.gateways:
        gateway = site.client_of(entry["name"])
        assert gateway.get(run["result"], params={"wait": 10}).expect(200).json()["execution_id"] == run["execution_id"]


def test_a_large_body(client, shared_session):
    """Both are rewritten beside the loop: what is right comes through, what is wrong is said."""
    code = "# " + "é\"\n# " * 100000 + "\nprint('large')"
    for path in ("/api/run/sync", f"/api/v1/sessions/{shared_session.id}/execute"):
        answer = client.post(path, json_body={"code": code, "language": "python"}).expect(200).json()
        assert (answer["status"], answer["stdout"]) == ("completed", "large\n")
        problems.check(client.post(path, json_body={"code": code, "language": 5}), 400, "invalid_argument")
