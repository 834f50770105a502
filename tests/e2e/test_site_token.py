"""What one site believes of another: the token, one hop, the incarnation, the request, the deadline. Asked straight at the other site's gateway."""
import glob
import json
import os
import signal
import time

import pytest
import yaml
from harness import problems
from harness.hybrid import Hybrid
from harness.session import Session, new_id
from harness.wait import until

pytestmark = pytest.mark.skipif(bool(os.environ.get("SPILLWAY_E2E_KUBERNETES")), reason="two embedded sites")


@pytest.fixture(scope="module")
def sites():
    hybrid = Hybrid(slots=1, gateways=1)
    try:
        hybrid.start()
        yield hybrid
    finally:
        hybrid.stop()
        hybrid.check_nothing_left()
        hybrid.forget()


@pytest.fixture
def cloud(sites):
    return sites.cloud_gateway()


def words(epoch="a" * 32, fingerprint="b" * 64, life_ms=600_000, ahead_ms=0, **request):
    """The body of a create between sites; ahead_ms: how much the origin's clock is ahead of ours."""
    now = int(time.time() * 1000) + ahead_ms
    return {"epoch": epoch, "fingerprint": fingerprint, "reason": "wished", "sent_at_ms": now, "expire_at_ms": now + life_ms,
            "request": dict({"cleanup": "idle"}, **request)}


def create(sites, cloud, name, **body):
    return cloud.post(f"/internal/v1/sessions/{name}", words(**body), headers=sites.hop())


def test_without_the_token_nothing_is_told_and_nothing_is_done(sites, cloud):
    token, name = sites.token(), new_id()
    calls = [("GET", "/internal/v1/capacity", None), ("GET", "/internal/v1/sessions", None), ("GET", f"/internal/v1/sessions/{name}", None),
             ("POST", f"/internal/v1/sessions/{name}", words()), ("DELETE", f"/internal/v1/sessions/{name}", None)]
    for wrong in (None, "Spillway", f"Bearer {token}", f"Spillway {token[:-1]}", f"Spillway {token}0", f"Spillway {token.upper()}x", token,
                  "Spillway wrong-wrong-wrong-wrong"):
        fields = {key: value for key, value in dict(sites.hop(), Authorization=wrong).items() if value is not None}
        for method, path, body in calls:
            reply = cloud.send(method, path, json_body=body, headers=fields)
            problems.check(reply, 401, "unauthorized")
            assert token not in repr(reply.headers) + reply.body.decode()
        # An ordinary call with fields of gateways is no better.
        problems.check(cloud.get(f"/{name}/status", headers=fields), 403, "forbidden")
    assert not sites.cloud_node().pods(name)


def test_one_hop_and_never_back(sites, cloud):
    for field, value in (("Spillway-Hop", "2"), ("Spillway-Hop", "0"), ("Spillway-Hop", "x"), ("Spillway-Origin", "cloud")):
        for method, path in (("POST", f"/internal/v1/sessions/{new_id()}"), ("GET", "/internal/v1/capacity")):
            reply = cloud.send(method, path, json_body=words() if method == "POST" else None, headers=sites.hop(**{field: value}))
            problems.check(reply, 508, "loop_detected")
    problems.check(cloud.get("/internal/v1/capacity", headers=sites.hop(**{"Spillway-Origin": "A b"})), 400, "bad_request")
    assert not sites.cloud_node().sessions()


def test_an_incarnation_is_one_request_and_one_epoch(sites, cloud):
    name = new_id()
    path = f"/internal/v1/sessions/{name}"
    made = create(sites, cloud, name).expect(201).json()
    assert (made["epoch"], made["fingerprint"], made["origin"]) == ("a" * 32, "b" * 64, "local")
    assert create(sites, cloud, name).expect(200).json()["epoch"] == made["epoch"]
    again = create(sites, cloud, name, epoch="c" * 32).expect(200).json()
    assert again["epoch"] == made["epoch"], "the same request whose record was lost meets the incarnation that there is"
    problems.check(create(sites, cloud, name, epoch="c" * 32, fingerprint="d" * 64), 409, "session_conflict")
    problems.check(cloud.delete(path, headers=sites.hop(**{"Spillway-Epoch": "c" * 32})), 404, "session_not_found")
    other = cloud.get(path, headers=sites.hop(**{"Spillway-Tenant": "other"})).expect(200).json()
    assert other == {"session_id": name, "living": False, "foreign": True}
    assert cloud.get(path, headers=sites.hop()).expect(200).json()["living"]
    assert len(sites.cloud_node().pods(name)) == 1
    cloud.delete(path, headers=sites.hop(**{"Spillway-Epoch": "a" * 32})).expect(202)
    until(lambda: not sites.cloud_node().pods(name), 60, "its pod is gone")


def test_what_is_missing_is_said(sites, cloud):
    for lack in ("epoch", "fingerprint", "reason", "expire_at_ms", "sent_at_ms", "request"):
        body = words()
        del body[lack]
        problems.check(cloud.post(f"/internal/v1/sessions/{new_id()}", body, headers=sites.hop()), 400, "invalid_argument")
    problems.check(create(sites, cloud, new_id(), life_ms=0), 400, "invalid_argument")
    problems.check(create(sites, cloud, new_id(), timeout_seconds=10 ** 9), 400, "limit_exceeded")
    assert not sites.cloud_node().sessions()


@pytest.mark.parametrize("ahead_ms", [-3_600_000, 0, 3_600_000])
def test_the_deadline_holds_though_nobody_asks_again_and_clocks_differ(sites, cloud, ahead_ms):
    """The origin says when it ends, by its own clock, and then is never heard of again."""
    name = new_id()
    made = create(sites, cloud, name, life_ms=3000, ahead_ms=ahead_ms, timeout_seconds=600).expect(201).json()
    assert made["living"]
    until(lambda: not sites.cloud_node().pods(name), 60, "its pod is gone", every=0.1)
    ended = cloud.get(f"/internal/v1/sessions/{name}", headers=sites.hop()).expect(200).json()
    assert not ended["living"] and ended["tombstone"]


def restart_with(sites, path, pid_of, change):
    """Another configuration, and the gateway started anew by the launcher."""
    with open(path, encoding="utf-8") as file:
        settings = yaml.safe_load(file)
    change(settings)
    with open(path, "w", encoding="utf-8") as file:
        yaml.safe_dump(settings, file)
    old = pid_of()
    os.kill(old, signal.SIGTERM)
    until(lambda: pid_of() != old, 60, "the launcher starts it again")


def write_token(sites, name, *lines):
    path = os.path.join(sites.state_dir, "keys", name)
    with open(path, "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
    return path


def test_a_token_that_the_other_site_does_not_take_and_its_change(sites):
    old, new = sites.token(), os.urandom(32).hex()
    local = os.path.join(sites.state_dir, "local", "gateway-1.yaml")
    away = os.path.join(sites.state_dir, "cloud", "cloud-gateway-1.yaml")

    def use_new(settings):
        settings["remotes"][0]["token_file"] = write_token(sites, "new-token", new)
        settings["log_level"] = "debug"
    restart_with(sites, local, lambda: sites.gateway("gateway-1")["pid"], use_new)

    def state():
        return {site["name"]: site["state"] for site in sites.client.get("/api/v1/sites").expect(200).json()["items"]}["cloud"]
    until(lambda: state() == "refused", 60, "the site is seen to refuse", every=0.1, ignore=(AssertionError,))
    problems.check(Session(sites.client).try_create(placement="cloud"), 503, "site_unreachable", "capacity_full")
    problems.check(sites.client.get(f"/{new_id()}/status"), 503, "site_unreachable")
    assert sites.local_session().run("6 * 7")["result"] == "42"
    with open(local.replace(".yaml", ".log"), encoding="utf-8") as file:
        said = [line for line in file if "event=remote_refuses" in line]
    assert len(said) == 1 and "status=401" in said[0], said

    restart_with(sites, away, lambda: sites.cloud()["gateways"][0]["pid"],
                 lambda settings: settings["remote"].update(token_file=write_token(sites, "both-tokens", new, old)))
    until(lambda: state() not in ("refused", "unreachable", "unknown"), 60, "the site takes the new one", every=0.1)
    far = sites.remote_session()
    assert far.run("6 * 7")["result"] == "42"
    sites.cloud_gateway().get("/internal/v1/capacity", headers=sites.hop()).expect(200)  # the old one, as long as it stands there

    shown = [sites.client.get("/api/v1/sites"), far.status_reply(), *[sites.admin("gateway-1", path) for path in (
        "/metrics", "/debug/config", "/debug/sessions", "/debug/route?placement=cloud", "/debug/routes", "/debug/watermark")]]
    texts = [json.dumps([reply.headers, reply.body.decode()]) for reply in shown]
    for path in glob.glob(f"{sites.state_dir}/**/*.log", recursive=True) + [sites.log_path]:
        with open(path, encoding="utf-8", errors="replace") as file:
            texts.append(file.read())
    assert not [text[:300] for text in texts if old in text or new in text], "a token can be read"
    sites.empty()
