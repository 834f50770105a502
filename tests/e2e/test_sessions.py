"""Sessions: names, idempotency, listing, deadlines, clean-up, and what is remembered of them."""
import concurrent.futures
import datetime
import itertools

from harness import problems
from harness.session import Session, new_id
from harness.wait import until


def parse_time(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_the_same_create_again_is_the_same_session(site, client):
    session = Session(client)
    session.try_create(metadata={"a": "1"}).expect(201)
    session.try_create(metadata={"a": "1"}).expect(200)
    problems.check(session.try_create(metadata={"a": "2"}), 409, "session_conflict")
    session.wait_ready()
    assert len(site.node().pods(session.id)) == 1
    session.end()


def test_many_equal_creates_at_once_make_one_pod(site, client):
    session = Session(client)
    with site.node().history() as history, concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: session.try_create(), range(16)))
        assert {reply.status for reply in replies} <= {200, 201}, replies
        session.wait_ready()
        assert history.incarnations(session.id) == 1
    assert [reply.status for reply in replies].count(201) == 1
    session.end()


def test_the_id_may_stand_in_path_body_or_header(client):
    for create in (lambda name: client.post(f"/{name}", {}),
                   lambda name: client.post("/api/v1/sessions", {"session_id": name}),
                   lambda name: client.post("/api/v1/sessions", {}, headers={"X-Session-Id": name})):
        name = new_id()
        assert create(name).expect(201).json()["session_id"] == name
        Session(client, name).end()


def test_an_id_is_minted_where_there_is_none(client):
    names = {client.post("/api/v1/sessions", {}).expect(201).json()["session_id"] for _ in range(2)}
    assert len(names) == 2
    for name in names:
        assert len(name) >= 32
        Session(client, name).end()


def test_idempotency_key_names_the_session(client):
    key = {"Idempotency-Key": new_id("key")}
    first = client.post("/api/v1/sessions", {}, headers=key).expect(201).json()["session_id"]
    assert first.startswith("s") and len(first) == 33
    assert client.post("/api/v1/sessions", {}, headers=key).expect(200).json()["session_id"] == first
    Session(client, first).end()


def test_two_unequal_ids_are_refused(client):
    one, other = new_id(), new_id()
    for reply in (client.post(f"/{one}", {"session_id": other}),
                  client.post(f"/{one}", {}, headers={"X-Session-Id": other}),
                  client.post("/api/v1/sessions", {"session_id": one}, headers={"X-Session-Id": other})):
        problems.check(reply, 400, "id_mismatch")
    for name in (one, other):
        problems.check(client.get(f"/{name}/status"), 404, "session_not_found")


def test_sessions_are_listed_and_filtered(client):
    sessions = [Session(client).start(cleanup="idle") for _ in range(3)]
    names = {session.id for session in sessions}
    listed = client.get("/api/v1/sessions").expect(200).json()
    assert names <= {item["session_id"] for item in listed["items"]}

    def all_ready():
        ready = client.get("/api/v1/sessions", params={"status": "ready"}).expect(200).json()["items"]
        assert {item["status"] for item in ready} <= {"ready"}
        return names <= {item["session_id"] for item in ready}
    until(all_ready, 20, "all of them are listed as ready by every gateway")
    paged, token = [], None
    while True:
        page = client.get("/api/v1/sessions", params={"limit": 1, "continue": token}).expect(200).json()
        assert len(page["items"]) <= 1
        paged += [item["session_id"] for item in page["items"]]
        token = page["continue"]
        if token is None:
            break
    assert names <= set(paged) and len(paged) == len(set(paged))
    for session in sessions:
        session.end()


def test_delete_is_idempotent_and_what_it_was_is_remembered(site, client):
    session = Session(client).start(cleanup="idle")
    answer = session.delete().expect(202).json()
    assert (answer["session_id"], answer["status"]) == (session.id, "stopping")
    session.delete().expect(200, 202)
    ended = session.wait_ended()
    assert ended["status"] == "stopped"
    assert site.node().pod(session.id) is None
    session.delete().expect(200)
    problems.check(Session(client).delete(), 404, "session_not_found")


def test_delete_of_a_running_execution_keeps_its_result(client):
    session = Session(client).start(cleanup="idle")
    execution = session.submit("print('before', flush=True)\nimport time\ntime.sleep(100)", timeout_seconds=200)
    until(lambda: session.result(execution)["stdout"] == "before\n", 20, "the first output")  # it may come in two pieces
    session.delete().expect(202)
    session.wait_ended()
    answer = session.result(execution)
    assert (answer["status"], answer["stdout"]) == ("killed", "before\n")


def test_delete_while_creating_leaves_no_pod(site, client):
    sessions = [Session(client) for _ in range(4)]
    for session in sessions:
        session.create()
        session.delete().expect(200, 202)
    for session in sessions:
        session.wait_ended()
    assert not {session.id for session in sessions} & set(site.node().sessions())


def test_an_ended_session_may_be_created_again(client):
    session = Session(client).start(cleanup="idle")
    first = session.status()["created_at"]
    session.end()
    session.try_create(cleanup="idle").expect(201)
    session.wait_ready()
    assert session.status()["created_at"] > first
    session.end()


def test_exec_on_an_ended_idle_session_is_refused(client):
    session = Session(client).start(cleanup="idle")
    known = session.run("print(1)")["execution_id"]
    session.end()
    problems.check(session.try_exec(code="print(2)"), 409, "session_ended")
    assert session.result(known)["stdout"] == "1\n"
    problems.check(session.client.post(f"{session.base}/extend", {"timeout_seconds": 60}), 409, "session_ended")


def test_a_known_execution_of_an_ended_session_is_never_run_again(site, client):
    session = Session(client)
    name = new_id("run")
    session.try_exec(code="print('first')", execution_id=name).expect(202)
    session.final(name)
    session.wait_ended()
    with site.node().history() as history:
        again = session.try_exec(code="print('first')", execution_id=name, wait=5).expect(200, 202).json()
        assert again["execution_id"] == name
        assert session.result(name)["stdout"] == "first\n"
        assert history.incarnations(session.id) == 0, "a pod was made for an execution that had ended"


def test_extend_counts_from_now_and_moves_the_deadline(client, make_session):
    session = make_session(cleanup="idle", timeout_seconds=60)
    before = parse_time(session.status()["expires_at"])
    client.post(f"{session.base}/extend", {"timeout_seconds": 1200}).expect(200)
    moved = (parse_time(session.status()["expires_at"]) - before).total_seconds()
    assert 1000 < moved < 1200
    problems.check(client.post(f"{session.base}/extend", {"timeout_seconds": 10 ** 6}), 400, "limit_exceeded")


def test_the_deadline_ends_a_session_even_while_it_runs(site, client):
    session = Session(client).start(cleanup="idle", timeout_seconds=3)
    execution = session.submit("print('x', flush=True)\nimport time\ntime.sleep(100)", timeout_seconds=200)
    ended = session.wait_ended()
    assert (ended["status"], ended["reason"]) == ("stopped", "deadline")
    assert site.node().pod(session.id) is None
    assert session.result(execution)["status"] in ("killed", "timeout", "lost")


def test_an_idle_session_goes_although_it_is_polled(site, client):
    session = Session(client).start(cleanup="idle", idle_timeout_seconds=2)
    ended = session.wait_ended()
    assert ended["status"] == "stopped"
    assert site.node().pod(session.id) is None


def test_an_idle_session_does_not_go_while_something_runs(client):
    session = Session(client).start(cleanup="idle", idle_timeout_seconds=1)
    answer = session.final(session.submit("import time\ntime.sleep(4)\nprint('whole')"))
    assert (answer["status"], answer["stdout"]) == ("completed", "whole\n")
    session.wait_ended()
    assert session.result(answer["execution_id"])["stdout"] == "whole\n"


def test_completion_lingers_and_a_further_run_starts_the_linger_anew(site, client):
    session = Session(client)
    with site.node().history() as history:
        session.run("open('/workspace/kept', 'w').write('yes')")
        assert session.run("print(open('/workspace/kept').read())")["stdout"] == "yes\n"
        assert history.incarnations(session.id) == 1
    session.wait_ended()


def test_completion_before_the_first_run_obeys_the_idle_time_out(site, client):
    session = Session(client).start(cleanup="completion", idle_timeout_seconds=2)
    session.wait_ended()
    assert site.node().pod(session.id) is None


def test_an_unknown_session_is_404_on_every_call(client):
    name = new_id("never")
    for reply in (client.get(f"/{name}/status"), client.get(f"/api/v1/sessions/{name}"),
                  client.get(f"/{name}/result"), client.delete(f"/{name}"), client.get(f"/{name}/executions"),
                  client.post(f"/{name}/extend", {"timeout_seconds": 5})):
        problems.check(reply, 404, "session_not_found")


def test_metadata_and_resources_come_back_as_given(client, make_session):
    session = make_session(cleanup="idle", metadata={"course": "c-101", "ü": "ö"},
                           resources={"cpu": "250m", "memory": "128Mi"})
    shown = session.status()
    assert shown["metadata"] == {"course": "c-101", "ü": "ö"}
    assert (shown["resources"]["cpu"], shown["resources"]["memory"]) == ("250m", "128Mi")


def test_env_reaches_the_program_and_not_the_manifest(site, client, make_session):
    secret = new_id("secret")
    session = make_session(cleanup="idle", env={"MY_SECRET": secret})
    assert session.run("import os\nprint(os.environ['MY_SECRET'])")["stdout"] == secret + "\n"
    assert secret not in str(site.node().pod(session.id))
    assert secret not in client.get(f"/{session.id}/status").body.decode()


def test_health_is_told_through_nginx(client):
    for path in ("/healthz", "/readyz", "/api/v1/health"):
        client.get(path).expect(200)


def test_all_gateways_tell_the_same_of_a_session(site, session):
    answers = [site.client_of(entry["name"]).get(f"/{session.id}/status").expect(200).json()
               for entry in site.gateways]
    assert len({(answer["session_id"], answer["pod"]["name"], answer["created_at"]) for answer in answers}) == 1
    until(lambda: len({site.client_of(entry["name"]).get(f"/{session.id}/status").json()["status"]
                       for entry in site.gateways}) == 1, 20, "the same status everywhere")


def test_gateways_that_take_turns_at_a_session_answer_at_once(site, session):
    """The one that is asked asks the agent anew, and what that says within the same millisecond is fresh."""
    clients = [site.client_of(entry["name"]) for entry in site.gateways]
    turns = itertools.count(1)

    def all_asked():
        turn = next(turns)
        clients[turn % len(clients)].get(f"/{session.id}/status").expect(200)
        return turn == 60

    until(all_asked, 30, "60 answers by turns")
