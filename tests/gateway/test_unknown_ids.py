"""Who asks for sessions that there are none of slows nobody but himself."""
import hashlib

FLOOD = 1500  # well above what is looked for at once


def gateway_with_keys(world, **keys):
    lines = [f"{tenant} {hashlib.sha256(tenant.encode()).hexdigest()}" for tenant in ("loud", "calm")]
    with open(f"{world.folder}/keys", "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
    return world.gateway(**{"auth.keys_file": f"{world.folder}/keys", "auth.mode": "keys", **keys})


def looked_for(world):
    return world.cluster.calls("GET", "/pods/")


def test_a_miss_is_remembered_until_the_session_begins(world):
    first, second = world.gateway(), world.gateway()
    answers = [second.get("/later/status") for _ in range(20)]
    assert {(a.status, a.code) for a in answers} == {(404, "session_not_found")}
    assert len(looked_for(world)) < 5  # one a second
    # By this gateway: at once.
    assert second.post("/later").status == 201
    assert second.get("/later/status").status == 200
    # By another one: with the watch's event, whatever is remembered.
    assert second.get("/elsewhere/status").status == 404
    assert first.post("/elsewhere").status == 201
    seen = [second.get("/elsewhere/status").status for _ in range(200)]
    assert seen[-1] == 200
    assert seen == sorted(seen, reverse=True)  # never unknown again


def test_who_names_an_execution_is_not_answered_from_memory(world):
    """It was told of it by another gateway: "no such session" would end its polling."""
    first, second = world.gateway(), world.gateway()
    world.cluster.silent = True  # nor does this gateway's watch tell it
    assert second.get("/s/status").code == "session_not_found"
    assert first.post("/s").status == 201
    assert second.get("/s/status").code == "session_not_found", "that is remembered"
    assert second.get("/s/result?execution_id=e").code != "session_not_found"
    assert second.get("/s/status").status == 200


def test_a_flood_of_unknown_ids_is_bounded_and_hurts_no_other_tenant(world, wait):
    gateway = gateway_with_keys(world)
    calm = {"X-API-Key": "calm"}
    assert gateway.post("/mine", {"cleanup": "idle"}, fields=calm).status == 201
    wait(lambda: gateway.get("/mine/status", fields=calm).json["status"] == "ready", "the session to be ready")
    answers = [gateway.get(f"/made-up-{n}/status", fields={"X-API-Key": "loud"}) for n in range(FLOOD)]
    assert {(a.status, a.code) for a in answers} == {(404, "session_not_found"), (503, "overloaded")}
    assert all("Retry-After" in a.fields for a in answers if a.status == 503)
    refused = sum(a.status == 503 for a in answers)
    assert gateway.metric('spillway_session_lookups_total{outcome="refused"}') == refused
    assert gateway.metric('spillway_session_lookups_total{outcome="absent"}') == FLOOD - refused == len(looked_for(world))
    # What is known, and what another tenant does not know, are answered as ever.
    assert gateway.get("/mine/status", fields=calm).status == 200
    assert gateway.get("/not-there/status", fields=calm).code == "session_not_found"
    assert gateway.post("/mine/exec/python", {"code": "x"}, fields=calm).status == 202
