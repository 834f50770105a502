"""The scripted world itself: a gateway that finds everything in order does its main job in it."""


def test_a_session_runs_and_ends(world, wait):
    gateway = world.gateway()
    agent = world.ready(gateway, "plain", cleanup="idle")
    answer = gateway.post("/plain/exec/python", {"code": "hello", "execution_id": "one"})
    assert (answer.status, answer.json["execution_id"]) == (202, "one")
    assert gateway.get("/plain/result?execution_id=one").json["stdout"] == "hello"
    wait(lambda: agent.executions["one"]["stored"], "the result to be stored")
    assert gateway.delete("/plain").status == 202
    wait(lambda: gateway.get("/plain/status").json["status"] == "stopped", "the end")
    assert not world.cluster.pods
    assert gateway.get("/plain/result?execution_id=one").json["stdout"] == "hello"
    assert agent.ran == ["one"]


def test_two_gateways_see_the_same(world, wait):
    first, second = world.gateway(), world.gateway()
    world.ready(first, "shared", cleanup="idle")
    first.post("/shared/exec/python", {"code": "x", "execution_id": "one"})
    wait(lambda: second.get("/shared/status").json.get("last_execution") == "one", "the other gateway to know")
    assert second.get("/shared/result").json["stdout"] == "x"
