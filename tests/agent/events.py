"""A reader of server-sent events, as the WHATWG's standard describes it."""
import json
import time


class Event:
    def __init__(self, name, data, last_id, own_id, at):
        self.name, self.data, self.last_id, self.own_id, self.at = name, data, last_id, own_id, at

    def __repr__(self):
        return f"<{self.last_id} {self.name} {str(self.data)[:200]}>"


def read(stream):
    """Yields Events, and None for each comment, from a binary file object until its end."""
    name, data, last_id, own_id = "message", [], "", None
    while True:
        line = stream.readline()
        if not line:
            return
        line = line.decode().rstrip("\n")
        if not line:
            if data:
                yield Event(name, json.loads("\n".join(data)), last_id, own_id, time.monotonic())
            name, data, own_id = "message", [], None
        elif line.startswith(":"):
            yield None
        else:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                name = value
            elif field == "data":
                data.append(value)
            elif field == "id":
                last_id = own_id = value


def text(events, name="stdout"):
    """The stream's text; the offsets must fit together."""
    out, offset = "", 0
    for event in events:
        if event.name == name:
            assert event.data["offset"] == offset, (event, offset)
            out += event.data["text"]
            offset += len(event.data["text"].encode())
    return out
