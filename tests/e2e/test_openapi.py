"""The description of the calls: whole in itself, and true of what the gateway does."""
import re

from harness.session import Session

CALLS = ("get", "post", "delete")


def document(client):
    reply = client.get("/openapi.json").expect(200)
    assert reply.header("Content-Type") == "application/json"
    return reply.json()


def refs(part):
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref":
                yield value
            else:
                yield from refs(value)
    elif isinstance(part, list):
        for value in part:
            yield from refs(value)


def check(value, schema, whole, where="$"):
    """As much of JSON Schema as the description uses."""
    if "$ref" in schema:
        return check(value, whole["components"]["schemas"][schema["$ref"].split("/")[-1]], whole, where)
    for each in schema.get("allOf", []):
        check(value, each, whole, where)
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float), "null": type(None)}
    if "type" in schema:
        wanted = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        assert any(isinstance(value, kinds[kind]) for kind in wanted), f"{where}: {value!r} is no {wanted}"
    if "enum" in schema:
        assert value in schema["enum"], f"{where}: {value!r}"
    if "pattern" in schema and isinstance(value, str):
        assert re.search(schema["pattern"], value), f"{where}: {value!r}"
    if isinstance(value, dict):
        for name in schema.get("required", []):
            assert name in value, f"{where}: {name} is missing"
        for name, each in schema.get("properties", {}).items():
            if name in value:
                check(value[name], each, whole, f"{where}.{name}")
    if isinstance(value, list):
        for i, each in enumerate(value):
            check(each, schema.get("items", {}), whole, f"{where}[{i}]")


def answers(whole, method, path, reply):
    known = whole["paths"][path][method]["responses"]
    how = known.get(str(reply.status), known["default"])
    for media, content in how.get("content", {}).items():
        assert reply.header("Content-Type").split(";")[0] == media, (path, reply)
        if media.endswith("json"):
            check(reply.json(), content["schema"], whole, path)


def test_it_is_whole_in_itself(client):
    whole = document(client)
    assert whole["openapi"].startswith("3.1") and len(whole["paths"]) > 40
    names = [op["operationId"] for item in whole["paths"].values() for op in item.values()]
    assert len(names) == len(set(names))
    for ref in refs(whole):
        assert ref.split("/")[-1] in whole["components"]["schemas"], ref
    for path, item in whole["paths"].items():
        for method, op in item.items():
            assert method in CALLS and op["summary"] and op["responses"]["default"]
            there = {p["name"] for p in op["parameters"] if p["in"] == "path"}
            assert there == set(re.findall(r"{(\w+)}", path)), path


def test_every_call_is_there(client):
    for path, item in document(client)["paths"].items():
        at = path.replace("{id}", "nobody-is-called-so").replace("{pid}", "1").replace("{language}", "python")
        at = re.sub(r"{\w+}", "x", at)
        for method in item:
            if method == "get":
                reply = client.get(at)
                assert reply.status != 405 and (reply.status != 404 or reply.json()["code"] != "not_found"), (at, reply)


def test_answers_are_as_described(client):
    whole = document(client)
    session = Session(client)
    reply = client.post("/api/v1/sessions", {"session_id": session.id})
    answers(whole, "post", "/api/v1/sessions", reply.expect(201))
    session.wait_ready()
    run = client.post(f"/{session.id}/exec/python", {"code": "1 / 0"}, params={"wait": 20}).expect(200)
    answers(whole, "post", "/{id}/exec/{language}", run)
    answers(whole, "post", "/{id}/exec/{language}", client.post(f"/{session.id}/exec/bash", {"code": "echo x"}).expect(202))
    for below in ("/result", "/status", "/executions", "/contexts", "/files/list", "/processes"):
        answers(whole, "get", "/{id}" + below, client.get(f"/{session.id}{below}"))
    answers(whole, "get", "/{id}/executions/{eid}", client.get(f"/{session.id}/executions/{run.json()['execution_id']}").expect(200))
    for path in ("/api/v1/sessions", "/api/v1/environments", "/api/v1/sites", "/api/v1/watermark", "/healthz", "/openapi.json", "/docs"):
        answers(whole, "get", path, client.get(path).expect(200))
    answers(whole, "get", "/{id}/result", client.get("/nobody-is-called-so/result").expect(404))
    answers(whole, "delete", "/{id}", client.delete(f"/{session.id}").expect(202))


def test_the_page_needs_nobody_else(client):
    reply = client.get("/docs").expect(200)
    assert reply.header("Content-Type").startswith("text/html") and "connect-src 'self'" in reply.header("Content-Security-Policy")
    assert b"http://" not in reply.body and b"https://" not in reply.body and b"openapi.json" in reply.body
