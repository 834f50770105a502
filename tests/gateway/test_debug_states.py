"""/debug/states and /debug/sessions/{id}: the machines, and where one session stands in them."""
import re
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]


def drawn():
    """Edges by machine, as docs/states.md has them."""
    page = (TREE / "docs/states.md").read_text(encoding="utf-8")
    return {name: set(re.findall(r"^    (\w+) --> (\w+)$", text, re.MULTILINE))
            for name, text in re.findall(r"^## (\w+)$(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)}


def test_the_tables_are_those_that_are_drawn(world):
    gateway = world.gateway()
    items = gateway.get("/debug/states", admin=True).json["items"]
    edges = {item["machine"]: {tuple(edge) for edge in item["edges"]} for item in items}
    assert {"session", "execution", "pod_worker", "kube_watch", "tender", "ending"} <= set(edges)
    for machine, those in edges.items():
        assert those == drawn()[machine]
    for item in items:
        assert {state for edge in item["edges"] for state in edge} <= set(item["states"])
    assert gateway.get("/debug/states").status == 404  # not for clients


def test_a_sessions_changes_are_told(world, wait):
    gateway = world.gateway()
    agent = world.ready(gateway, "s", cleanup="idle")
    for _ in range(20):
        gateway.post("/s/exec/python", {"code": "x"})
        agent.change()
        wait(lambda: gateway.get("/s/status").json["status"] == "ready", "the run to be over")
    seen = gateway.get("/debug/sessions/s", admin=True).json
    assert seen["machines"] == {"session": "READY", "tender": "TENDING", "ending": None}
    changes = seen["changes"]
    assert len(changes) == 16
    assert changes[-1]["to"] == "READY"
    assert all(change["to"] == following["from"] for change, following in zip(changes, changes[1:]))
    assert [change["at"] for change in changes] == sorted(change["at"] for change in changes)
    allowed = {tuple(edge) for item in gateway.get("/debug/states", admin=True).json["items"] if item["machine"] == "session"
               for edge in item["edges"]}
    assert {(change["from"], change["to"]) for change in changes} <= allowed


def test_what_is_unknown_is_404(world):
    gateway = world.gateway()
    assert gateway.get("/debug/sessions/nobody", admin=True).code == "session_not_found"
    assert gateway.get("/debug/sessions/NO", admin=True).status == 400
