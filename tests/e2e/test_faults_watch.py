"""F11: the watch fails in every way it can. What each gateway holds equals the API server's list again, and no session is taken
for what it is not."""
import os
import re
import time

import pytest
from harness.api_proxy import Exchange, status, status_object
from harness.background import Pollers
from harness.diversion import Counted
from harness.session import Session
from harness.wait import Stopwatch, until

pytestmark = pytest.mark.skipif(bool(os.environ.get("SPILLWAY_E2E_KUBERNETES")), reason="the proxy speaks plain HTTP")

AGENT_PORT = 8700
EXPIRED = {"type": "ERROR", "object": dict(status_object(410, "too old resource version"), reason="Expired")}


def wait_watching(site, api):
    until(lambda: len(api.streams) == 2 * len(site.gateways), 120, "every gateway watches pods and nodes")


def pod_streams(api):
    return [stream for stream in list(api.streams) if stream.path.endswith("/pods")]


def held(site, gateway):
    """The pods that this gateway knows."""
    return sorted((pod["name"], pod["uid"]) for pod in site.admin(gateway, "/debug/pods").expect(200).json()["items"])


def there(site):
    return sorted((pod["metadata"]["name"], pod["metadata"]["uid"]) for pod in site.node().pods())


def wait_agreed(site, record=None, what=""):
    watch = Stopwatch()
    until(lambda: all(held(site, entry["name"]) == there(site) for entry in site.gateways), 60, "all gateways hold what is there")
    if record:
        record(f"F11 {what}: gateways agree with the API server after, s", round(watch.seconds, 2))


def silence(api):
    """What happens is shown to nobody."""
    api.on_event = lambda stream, event: []


def speak(api):
    api.on_event = lambda stream, event: [event]


def change_unseen(site, api, sessions):
    """The first session's pod goes without a gateway, another one comes."""
    silence(api)
    node = site.node()
    node.client.delete(f"/api/v1/namespaces/sandboxes/pods/{sessions[0].id}", headers=node.headers).expect(200, 202)
    until(lambda: node.pod(sessions[0].id) is None, 60, "the pod is gone")
    assert all(sessions[0].id in dict(held(site, entry["name"])) for entry in site.gateways), "it was seen after all"


def history_gone(site):
    """What happened before now cannot be watched any more."""
    gone = int(latest(site))

    def act(exchange):
        asked = re.search(r"resourceVersion=(\d+)", exchange.request.target)
        (status(410) if asked and int(asked.group(1)) < gone else Exchange.pass_on)(exchange)
    return act


def latest(site):
    return site.node().get("/api/v1/pods").json()["metadata"]["resourceVersion"]


def check_alive(session):
    assert session.run("open('/workspace/kept').read()")["result"] == "'x'"


@pytest.fixture
def sessions(client):
    made = [Session(client).start(cleanup="idle") for _ in range(2)]
    for session in made:
        session.run("open('/workspace/kept', 'w').write('x')")
    yield made
    for session in made:
        session.end()


def test_expired_in_the_middle(site, api, sessions, record_property):
    """410 as an event: listed anew, and what was missed is made up for."""
    change_unseen(site, api, sessions)
    speak(api)
    with api.rule("GET", "/pods.*watch=1", history_gone(site)):
        for stream in pod_streams(api):
            stream.send(EXPIRED)
            stream.cut()
        wait_agreed(site, record_property, "410 in the stream")
    until(lambda: sessions[0].status()["status"] in ("stopped", "error"), 60, "its end is known")
    check_alive(sessions[1])


def test_expired_when_it_is_opened_and_more_than_once(site, api, sessions, record_property):
    change_unseen(site, api, sessions)
    speak(api)
    with api.rule("GET", "/pods.*watch=1", history_gone(site)), \
            api.rule("GET", "/pods.*watch=1", status(410), times=2 * len(site.gateways)) as rule:
        for stream in pod_streams(api):
            stream.cut()
        wait_agreed(site, record_property, "410 as the answer")
        until(lambda: len(rule.hits) == 2 * len(site.gateways), 60, "each was refused twice", every=0.05)
    wait_watching(site, api)
    check_alive(sessions[1])


def test_closed_in_order(site, api, sessions, record_property):
    change_unseen(site, api, sessions)
    speak(api)
    for stream in pod_streams(api):
        stream.end()
        stream.cut()
    wait_agreed(site, record_property, "stream ended in order")
    check_alive(sessions[1])


@pytest.mark.parametrize("piece", (b'{"type":"MODIFIED","object":{"kind":"Po', b"\xff\xfe not JSON\n", b'{"type":"ADDED"}\n', b"[]\n"))
def test_cut_or_spoiled_in_the_middle_of_an_event(site, api, sessions, record_property, piece):
    change_unseen(site, api, sessions)
    speak(api)
    for stream in pod_streams(api):
        stream.send_bytes(piece)
        stream.cut()
    wait_agreed(site, record_property, "spoiled event")
    check_alive(sessions[1])


def test_bookmarks_only_then_events(site, api, sessions, client, record_property):
    """Bookmarks carry no pods; what was held back comes later, all at once."""
    kept = []

    def hold_back(stream, event):
        kept.append((stream, event))
        return []
    api.on_event = hold_back
    for stream in pod_streams(api):
        stream.send({"type": "BOOKMARK", "object": {"kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": latest(site)}}})
    late = Session(client)
    late.create(cleanup="idle")
    until(lambda: site.node().pod(late.id)["status"].get("phase") == "Running", 60, "its pod runs, and no gateway hears so")
    speak(api)
    for stream, event in kept:
        stream.send(event)
    wait_agreed(site, record_property, "events held back")
    late.wait_ready()
    assert late.run("1 + 1")["result"] == "2"
    late.end()


def test_events_come_again_and_out_of_order(site, api, client, record_property):
    """All that was ever said of a pod is said once more after its end, and backwards: the dead stay dead."""
    said = {}

    def note(stream, event):
        said.setdefault(stream, []).append(event)
        return [event]
    api.on_event = note
    first = Session(client).start(cleanup="idle")
    living = Session(client).start(cleanup="idle")
    living.run("open('/workspace/kept', 'w').write('x')")
    first.end()
    wait_agreed(site)
    for stream, events in list(said.items()):
        about = [event for event in events if event["object"]["metadata"].get("name") == first.id]
        for event in about[:-1] + about[::-1]:
            stream.send(event)
    marker = Session(client).start(cleanup="idle")  # behind all that
    wait_agreed(site, record_property, "replayed events")
    assert first.status()["status"] == "stopped"
    check_alive(living)
    for session in (living, marker):
        session.end()


def test_a_new_pod_of_the_same_name(site, api, client, record_property):
    """DELETED and ADDED arrive late and together: requests go to the new pod, and none to where the old one was."""
    kept = []

    def hold_back(stream, event):
        if event["object"]["metadata"].get("name") != session.id:
            return [event]
        kept.append((stream, event))
        return []
    with site.node().history() as history:
        session = Session(client).start(cleanup="idle")
        session.run("open('/workspace/kept', 'w').write('old')")
        old = site.node().pod(session.id)
        api.on_event = hold_back
        session.delete().expect(202)
        until(lambda: site.node().pod(session.id) is None, 60, "the pod is gone")

        def again():
            return session.try_create(cleanup="idle", metadata={"life": "second"}).status == 201
        until(again, 60, "the id begins anew", every=0.1)
        until(lambda: site.node().pod(session.id)["status"].get("podIP"), 60, "the new pod has an address")
        new = site.node().pod(session.id)
        assert new["metadata"]["uid"] != old["metadata"]["uid"]
        moved = new["status"]["podIP"] != old["status"]["podIP"]
        with Counted(site.entry("node")["pid"], AGENT_PORT, old["status"]["podIP"] if moved else "192.0.2.1") as old_place:
            speak(api)
            for stream, event in kept:
                stream.send(event)
            wait_agreed(site, record_property, "same name, new pod")
            session.wait_ready()
            for entry in site.gateways:
                there_now = Session(site.client_of(entry["name"]), session.id)
                assert there_now.run("import os; os.listdir('/workspace')")["result"] == "[]", "the old pod's files"
            record_property("F11 requests to the old address", old_place.connections if moved else "the address was used again")
            assert old_place.connections == 0
        assert history.incarnations(session.id) == 2
    session.end()


def test_watches_that_break_all_the_time(site, api, client, record_property):
    """Ten times in a row, while sessions come and go: nothing living is taken for dead (a lost watch is no lost session)."""
    session = Session(client).start(cleanup="idle")
    session.run("open('/workspace/kept', 'w').write('x')")
    with Pollers(site.url, [f"/{session.id}/status"]) as pollers:
        for _ in range(10):
            for stream in list(api.streams):
                stream.cut()
            passing = Session(client)
            until(lambda: passing.try_create(cleanup="idle").expect(200, 201, 503).status != 503, 60, "a session is taken", every=0.1)
            passing.end()
            time.sleep(0.1)
        assert not pollers.failures, pollers.failures[:3]
    wait_watching(site, api)
    wait_agreed(site, record_property, "after ten breaks")
    check_alive(session)
    session.end()
