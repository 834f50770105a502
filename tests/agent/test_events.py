"""An execution as server-sent events: order, numbers, resuming, slow and many watchers."""
import json
import time

import pytest
from box import TOKEN, Box, UnixConnection
import events

MIB = 1024 * 1024


class Stream:
    def __init__(self, box, query="", last=None, timeout=40):
        self.connection = UnixConnection(box.socket, timeout)
        fields = {"Authorization": f"Bearer {TOKEN}"}
        if last is not None:
            fields["Last-Event-ID"] = str(last)
        self.connection.request("GET", f"/v1/events{query}", headers=fields)
        self.reply = self.connection.getresponse()
        self.events = events.read(self.reply)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def all(self):
        assert self.reply.status == 200, (self.reply.status, self.reply.read())
        assert self.reply.getheader("Content-Type") == "text/event-stream"
        return [event for event in self.events if event]


def watch(box, eid, last=None):
    with Stream(box, f"?execution_id={eid}", last) as stream:
        return stream.all()


def test_nothing_follows_before_anything_was_submitted():
    with Box() as box, Stream(box) as stream:
        assert stream.reply.status == 204


def test_everything_in_order_with_numbers(box):
    code = "import os, time\nos.write(1, b'one\\n')\ntime.sleep(.1)\nos.write(2, b'two\\n')\n" \
           "time.sleep(.1)\nos.write(1, b'three\\n')\n6 * 7"
    eid = box.submit("python", code)
    told = watch(box, eid)
    assert [(e.name, e.data.get("text")) for e in told[:-1]] == [
        ("stdout", "one\n"), ("stderr", "two\n"), ("stdout", "three\n"), ("result", "42")]
    assert [e.own_id for e in told] == ["1", "2", "3", "4", "5"]
    assert [e.data["seq"] for e in told[:3]] == [1, 2, 3] and told[2].data["offset"] == 4
    last = told[-1]
    assert last.name == "exit" and last.data["status"] == "completed" and last.data["exit_code"] == 0
    assert last.data["execution_id"] == eid and "stdout" not in last.data


def test_output_comes_while_the_program_runs(box):
    eid = box.submit("python", "import sys, time\nsys.stdout.write('now')\nsys.stdout.flush()\ntime.sleep(1)")
    told = watch(box, eid)
    assert [e.name for e in told] == ["stdout", "exit"] and told[1].at - told[0].at > 0.5


def test_resume_goes_on_behind_the_last_event(box):
    eid = box.submit("bash", "for i in 1 2 3 4; do echo $i; sleep 0.05; done")
    whole = watch(box, eid)
    for last in range(len(whole)):
        rest = watch(box, eid, last)
        assert [(e.own_id, e.name, e.data) for e in rest] == [(e.own_id, e.name, e.data) for e in whole[last:]]
    for last, status in ((len(whole), 204), (len(whole) + 1, 204), ("99999999999999999999", 204), ("x", 400), ("-1", 400)):
        with Stream(box, f"?execution_id={eid}", last) as stream:
            assert stream.reply.status == status
    running = box.submit("bash", "sleep 20")
    with Stream(box, f"?execution_id={running}", 1) as stream:
        assert stream.reply.status == 400, "an event that is still to come"
    box.call("DELETE", f"/v1/executions/{running}")


def test_default_is_the_newest_and_unknown_is_404(box):
    box.run("bash", "echo old")
    box.run("bash", "echo new")
    with Stream(box) as stream:
        assert events.text(stream.all()) == "new\n"
    with Stream(box, "?execution_id=nobody") as stream:
        assert stream.reply.status == 404


def test_several_watchers_see_the_same(box):
    eid = box.submit("bash", "for i in $(seq 40); do echo line $i; echo bad $i >&2; done; sleep 0.3; echo end")
    streams = [Stream(box, f"?execution_id={eid}") for _ in range(5)]
    told = [[(e.own_id, e.name, e.data) for e in s.all()] for s in streams]
    for s in streams:
        s.connection.close()
    assert all(t == told[0] for t in told) and told[0][-1][1] == "exit"
    assert [(e.own_id, e.name, e.data) for e in watch(box, eid)] == told[0]


def test_too_many_watchers_are_refused_and_closed_ones_make_room(fresh):
    eid = fresh.submit("bash", "sleep 20")
    streams = [Stream(fresh, f"?execution_id={eid}") for _ in range(16)]
    with Stream(fresh, f"?execution_id={eid}") as one_more:
        assert one_more.reply.status == 429
        assert json.loads(one_more.reply.read())["code"] == "quota_exceeded"
    streams.pop().connection.close()
    end = time.monotonic() + 5
    while time.monotonic() < end:
        with Stream(fresh, f"?execution_id={eid}") as again:
            if again.reply.status == 200:
                break
        time.sleep(0.05)
    assert again.reply.status == 200
    for s in streams:
        s.connection.close()
    fresh.call("DELETE", f"/v1/executions/{eid}")


def test_characters_are_never_torn(box):
    code = "import os, time\nfor b in '€uro€\\n'.encode() * 2:\n    os.write(1, bytes([b]))\n    time.sleep(.01)"
    told = watch(box, box.submit("python", code))
    assert "�" not in events.text(told) and events.text(told) == "€uro€\n" * 2


def test_large_output_is_whole_and_in_pieces(box):
    eid = box.submit("python", f"import sys\nsys.stdout.write('0123456789abcde\\n' * {MIB // 16})")
    told = watch(box, eid)
    assert events.text(told) == "0123456789abcde\n" * (MIB // 16)
    assert max(len(e.data["text"]) for e in told[:-1]) <= 32 * 1024


def test_dropped_output_is_told(fresh):
    eid = fresh.submit("python", f"import sys\nfor i in range(64):\n    sys.stdout.write('x' * {MIB})", timeout_seconds=60)
    fresh.ended(eid)
    told = [e for e in watch(fresh, eid) if e.name == "stdout"]
    offset = skipped = 0
    for e in told:
        skipped += e.data.get("skipped", 0)
        assert e.data["offset"] == offset + e.data.get("skipped", 0)
        offset = e.data["offset"] + len(e.data["text"])
    assert offset == 64 * MIB and skipped == 63 * MIB


def test_many_small_writes_make_few_events(fresh):
    eid = fresh.submit("python", "import os\nfor i in range(100000):\n    os.write(1, b'%05d\\n' % i)", timeout_seconds=60)
    told = watch(fresh, eid)
    assert events.text(told) == "".join(f"{i:05}\n" for i in range(100000))
    assert int(told[-1].own_id) < 3000


def test_images_come_before_the_exit(box):
    code = "class P:\n    def _repr_png_(self):\n        return b'\\x89PNG data'\nP()"
    told = watch(box, box.submit("python", code))
    images = [e for e in told if e.name == "image"]
    assert told[-1].name == "exit"
    assert [(e.data["mime"]) for e in images] == ["image/png"] and images[0].data["data"]


def test_who_does_not_read_costs_little_and_holds_up_nobody(fresh):
    eid = fresh.submit("python", f"import sys\nfor i in range(200):\n    sys.stdout.write('y' * {MIB})", timeout_seconds=60)
    lazy = [Stream(fresh, f"?execution_id={eid}") for _ in range(8)]
    assert fresh.ended(eid)["status"] == "completed"
    assert fresh.agent_memory_kib() < 24 * 1024
    assert fresh.run("python", "1")["result"] == "1"
    for s in lazy:
        s.connection.close()


@pytest.mark.parametrize("signal", ["TERM", "KILL"])
def test_the_end_is_told_however_it_comes(box, signal):
    told = watch(box, box.submit("bash", f"echo here; kill -{signal} $$"))
    assert [e.name for e in told] == ["stdout", "exit"]
    assert told[-1].data["status"] == "killed" and told[-1].data["signal"] == f"SIG{signal}"


def test_pings_show_that_a_silent_stream_lives(fresh):
    eid = fresh.submit("bash", "sleep 40", timeout_seconds=60)
    with Stream(fresh, f"?execution_id={eid}") as stream:
        began = time.monotonic()
        assert next(stream.events) is None and 14 < time.monotonic() - began < 17
    fresh.call("DELETE", f"/v1/executions/{eid}")


def test_the_record_keeps_the_numbers(box):
    eid = box.submit("bash", "for i in 1 2 3; do echo $i; echo e$i >&2; sleep 0.02; done")
    box.ended(eid)
    line = json.loads(box.call("GET", f"/v1/executions/{eid}/record").body.split(b"\n", 1)[0])
    told = watch(box, eid)
    lengths = [len(e.data["text"]) * (1 if e.name == "stdout" else -1) for e in told[:-1]]
    assert line["events"] == lengths and "events" not in box.result(f"?execution_id={eid}")
