"""An execution as server-sent events, through nginx and through any gateway, live and after its pod."""
import http.client
import json
import time
import urllib.parse

from harness.session import Session


class Stream:
    """Events as (id, name, data); comments are left out."""

    def __init__(self, client, path, last=None, timeout=45):
        parts = urllib.parse.urlsplit(client.url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
        fields = dict(client.headers)
        if last is not None:
            fields["Last-Event-ID"] = str(last)
        self.connection.request("GET", path, headers=fields)
        self.reply = self.connection.getresponse()

    def __iter__(self):
        number, name, data = None, None, None
        while line := self.reply.readline():
            field, _, value = line.decode().rstrip("\n").partition(": ")
            if field == "id":
                number = int(value)
            elif field == "event":
                name = value
            elif field == "data":
                data = json.loads(value)
            elif not field and data is not None:
                yield number, name, data
                data = None

    def close(self):
        self.connection.close()


def events(client, session, eid, last=None):
    stream = Stream(client, f"{session.base}/events?execution_id={eid}", last)
    try:
        assert stream.reply.status == 200, stream.reply.read()
        assert stream.reply.getheader("Content-Type") == "text/event-stream"
        return list(stream)
    finally:
        stream.close()


COUNT = "for i in 1 2 3 4 5; do echo $i; sleep 0.2; done"


def test_events_come_as_they_happen_and_end_with_the_exit(shared_session):
    eid = shared_session.submit(COUNT, "bash")
    stream = Stream(shared_session.client, f"{shared_session.base}/events?execution_id={eid}")
    times, told = [], []
    for event in stream:
        times.append(time.monotonic())
        told.append(event)
    stream.close()
    assert [name for _, name, _ in told] == ["stdout"] * 5 + ["exit"]
    assert [number for number, _, _ in told] == [1, 2, 3, 4, 5, 6]
    assert "".join(data["text"] for _, name, data in told if name == "stdout") == "1\n2\n3\n4\n5\n"
    assert told[-1][2]["status"] == "completed" and "stdout" not in told[-1][2]
    assert times[-1] - times[0] > 0.5, "the events came all at once"


def test_another_gateway_goes_on_with_the_same_numbers(site, shared_session):
    eid = shared_session.submit(COUNT, "bash")
    one = Stream(site.client_of(site.gateways[0]["name"]), f"{shared_session.base}/events?execution_id={eid}")
    begun = []
    for event in one:
        begun.append(event)
        if len(begun) == 2:
            break
    one.close()
    rest = events(site.client_of(site.gateways[1]["name"]), shared_session, eid, last=begun[-1][0])
    whole = events(site.client_of(site.gateways[2]["name"]), shared_session, eid)
    assert begun + rest == whole and whole[-1][1] == "exit"


def test_after_the_pod_they_come_from_the_store(client, site):
    session = Session(client)
    session.create(environment="python", cleanup="completion")
    session.wait_ready()
    eid = session.submit("import sys\nsys.stderr.write('e\\n')\nsys.stderr.flush()\nsys.stdout.write('o\\n')\nsys.stdout.flush()\n6 * 7")
    live = events(client, session, eid)
    session.end()
    for gateway in range(3):
        assert events(site.client_of(site.gateways[gateway]["name"]), session, eid) == live
    assert events(client, session, eid, last=1) == live[1:]
    for last in (live[-1][0], live[-1][0] + 1, 10 ** 20):
        stream = Stream(client, f"{session.base}/events?execution_id={eid}", last=last)
        assert stream.reply.status == 204
        stream.close()


def test_what_is_not_there(client, shared_session):
    base = shared_session.base
    eid = shared_session.run("1")["execution_id"]
    assert client.get(f"{base}/events", params={"execution_id": "nobody"}).expect(404).json()["code"] == "execution_not_found"
    assert client.get(f"{base}/events", params={"execution_id": "a b"}).expect(400).json()["code"] == "invalid_id"
    assert client.get(f"{base}/events", params={"execution_id": eid}, headers={"Last-Event-ID": "x"}).expect(400)
    assert client.get("/no-such-session/events").expect(404).json()["code"] == "session_not_found"


def test_a_large_result_is_the_same_live_and_from_the_store(site, make_session):
    """A display of 3 MB and 1 MB of lines: read and printed beside the loop of each gateway."""
    session = make_session(cleanup="idle")
    code = "class T:\n    def _repr_html_(self): return '<b>é</b>' * 300000\nprint('line\\n' * 200000, end='')\nT()"
    eid = session.run(code)["execution_id"]
    wanted = {"limit": 1 << 20, "execution_id": eid}
    client = site.client
    live, told = client.get(f"{session.base}/result", params=wanted).expect(200).json(), events(client, session, eid)
    assert live["stdout"] == "line\n" * 200000 and live["display"][0]["data"] == "<b>é</b>" * 300000
    session.delete().expect(202)
    session.wait_ended()
    for gateway in site.gateways:
        for _ in range(2):  # the first fills its memory
            assert site.client_of(gateway["name"]).get(f"{session.base}/result", params=wanted).expect(200).json() == live
        assert events(site.client_of(gateway["name"]), session, eid) == told
