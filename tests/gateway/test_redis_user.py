"""A Redis with an access control list: the gateway is a user that may do what docs/operations.md gives it, and needs no more."""
import re
import subprocess
from pathlib import Path

import pytest
from scripted.sentinel import Server

OPERATIONS = Path(__file__).resolve().parents[2] / "docs/operations.md"
PASSWORD = "of-the-user"


def rights():
    return re.search(r"^ACL SETUSER spillway (.*)$", OPERATIONS.read_text(encoding="utf-8"), re.MULTILINE)[1].replace(">PASSWORD", f">{PASSWORD}")


@pytest.fixture
def server(world):
    users = Path(world.folder) / "users.acl"
    users.write_text(f"user default off\nuser admin on nopass ~* &* +@all\nuser spillway {rights()}\n", encoding="ascii")
    made = Server(world.folder, "--aclfile", users)
    yield made
    made.close()


def ask(server, *words):
    """As the administrator."""
    return subprocess.run(["redis-cli", "-p", str(server.port), "--user", "admin", "--pass", "x", "--no-auth-warning", *words],
                          capture_output=True, text=True, timeout=10, check=True).stdout.strip()


def secret(world, text):
    path = Path(world.folder) / "password"
    path.write_text(text + "\n", encoding="ascii")
    return path


def test_a_user_of_the_list_stores_and_finds_results(world, server, wait):
    gateway = world.gateway(**{"redis.url": f"redis://spillway@127.0.0.1:{server.port}", "redis.password_file": secret(world, PASSWORD)})
    wait(lambda: gateway.get("/readyz").json["redis"], "readyz to say so")
    world.ready(gateway, "kept", cleanup="idle")
    gateway.post("/kept/exec/python", {"code": "x", "execution_id": "one"})
    wait(lambda: world.cluster.agents["kept"].executions["one"]["stored"], "the result to be stored")
    gateway.delete("/kept")
    wait(lambda: not world.cluster.pods, "the pod to be gone")
    assert gateway.get("/kept/result?execution_id=one").status == 200
    wait(lambda: "reason" in ask(server, "ACL", "LOG") or "spillway:gateways" in ask(server, "KEYS", "*"), "a script to run: the list of gateways")
    assert ask(server, "ACL", "LOG") == "", "the documented rights do not suffice"


def test_a_user_without_the_password_is_said_and_not_told(world, server, wait):
    gateway = world.gateway(**{"redis.url": f"redis://spillway@127.0.0.1:{server.port}", "redis.password_file": secret(world, "wrong-word")})
    wait(lambda: [line for line in gateway.logged("redis_lost") if "WRONGPASS" in line], "the refusal")
    assert not gateway.get("/readyz").json["redis"] and not any("wrong-word" in line for line in gateway.logged("redis_lost"))
