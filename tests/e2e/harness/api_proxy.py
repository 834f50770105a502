"""The Kubernetes API as its gateways see it, in front of the real one: what no rule of the test concerns passes as it is.

    with ApiProxy(site.entry("node")["pid"], 6443) as api:
        with api.rule("POST", r"/pods$", status(429, retry_after=2)) as rule:
            …
Watches are streams of events; `api.on_event` may change, hold back or multiply them, and each stream can be told things."""
import http.client
import json
import re
import threading
import time

from .diversion import Diversion

HOP_BY_HOP = ("connection", "transfer-encoding", "content-length", "keep-alive")


class Cut(Exception):
    """Ends the connection here and now."""


class Request:
    def __init__(self, method, target, headers, body):
        self.method = method
        self.target = target
        self.path = target.split("?")[0]
        self.headers = headers
        self.body = body
        self.at = time.monotonic()

    @property
    def is_watch(self):
        return "watch=1" in self.target or "watch=true" in self.target

    def __repr__(self):
        return f"<{self.method} {self.target}>"


def read_request(reader):
    line = reader.readline(65537)
    if not line:
        return None
    method, target, _ = line.decode("latin-1").split(" ", 2)
    headers = http.client.parse_headers(reader)
    return Request(method, target, headers, reader.read(int(headers.get("Content-Length") or 0)))


class Answer:
    def __init__(self, code, headers, body):
        self.status = code
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    def edited(self, change):
        """change(object) on the JSON body, in place."""
        content = self.json()
        change(content)
        return Answer(self.status, self.headers, json.dumps(content).encode())


class Exchange:
    """One request, and the means to answer it."""

    def __init__(self, proxy, client, request):
        self.proxy = proxy
        self.client = client
        self.request = request

    def response(self):
        connection = http.client.HTTPConnection("api", timeout=700)
        connection.sock = self.proxy.upstream(self.client)
        headers = {name: value for name, value in self.request.headers.items() if name.lower() not in HOP_BY_HOP}
        connection.request(self.request.method, self.request.target, body=self.request.body or None, headers=headers)
        return connection, connection.getresponse()

    def forward(self):
        """What the real one says, whole."""
        connection, response = self.response()
        try:
            headers = [(name, value) for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP]
            return Answer(response.status, headers, response.read())
        finally:
            self.proxy.drop(connection.sock)

    @staticmethod
    def head(answer, length):
        lines = [f"HTTP/1.1 {answer.status} {http.client.responses.get(answer.status, '')}"]
        lines += [f"{name}: {value}" for name, value in answer.headers] + [length, "", ""]
        return "\r\n".join(lines).encode("latin-1")

    def reply(self, answer):
        self.client.sendall(self.head(answer, f"Content-Length: {len(answer.body)}") + answer.body)

    def pass_on(self):
        if self.request.is_watch:
            Stream(self).run()
        else:
            self.reply(self.forward())


class Stream:
    """One watch that is open."""

    def __init__(self, exchange):
        self.exchange = exchange
        self.path = exchange.request.path
        self.target = exchange.request.target
        self.lock = threading.Lock()

    def run(self):
        connection, response = self.exchange.response()
        proxy = self.exchange.proxy
        answer = Answer(response.status, [(name, value) for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP], b"")
        try:
            self.exchange.client.sendall(Exchange.head(answer, "Transfer-Encoding: chunked"))
            proxy.streams.append(self)
            for line in response:
                for event in proxy.on_event(self, json.loads(line)):
                    self.send(event)
            self.end()
        except (http.client.HTTPException, ValueError) as error:
            raise Cut("the real one ended") from error
        finally:
            if self in proxy.streams:
                proxy.streams.remove(self)
            proxy.drop(connection.sock)

    def send(self, event):
        self.send_bytes(json.dumps(event).encode() + b"\n")

    def send_bytes(self, data):
        with self.lock:
            self.exchange.client.sendall(b"%x\r\n%s\r\n" % (len(data), data))

    def end(self):
        """In good order, as an API server does after its time."""
        with self.lock:
            self.exchange.client.sendall(b"0\r\n\r\n")

    def cut(self):
        self.exchange.proxy.drop(self.exchange.client)


class Rule:
    def __init__(self, proxy, method, pattern, act, times):
        self.proxy = proxy
        self.method = method
        self.pattern = re.compile(pattern)
        self.act = act
        self.left = times
        self.hits = []

    def takes(self, request):
        if self.method not in (request.method, "*") or not self.pattern.search(request.target) or self.left == 0:
            return False
        if self.left is not None:
            self.left -= 1
        self.hits.append(request)
        return True

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.proxy.rules.remove(self)


class ApiProxy(Diversion):
    def __init__(self, pid, port=6443):
        self.rules = []
        self.calls = []
        self.streams = []
        self.on_event = lambda stream, event: [event]
        super().__init__(pid, port)

    def rule(self, method, pattern, act, times=None):
        """From now on; the rule made last is asked first. `times`: how often."""
        rule = Rule(self, method, pattern, act, times)
        self.rules.insert(0, rule)
        return rule

    def calls_to(self, method, pattern):
        return [call for call in list(self.calls) if call.method == method and re.search(pattern, call.target)]

    def serve(self, client):
        with client.makefile("rb") as reader:
            while True:
                request = read_request(reader)
                if request is None:
                    return
                with self.lock:
                    self.calls.append(request)
                    rule = next((rule for rule in self.rules if rule.takes(request)), None)
                exchange = Exchange(self, client, request)
                try:
                    if rule:
                        rule.act(exchange)
                    else:
                        exchange.pass_on()
                except Cut:
                    return


# -- what a rule may do --

def status_object(code, message):
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}


def status(code, retry_after=None, message="said by the test"):
    """Nothing reaches the real one."""
    def act(exchange):
        headers = [("Content-Type", "application/json")] + ([("Retry-After", str(retry_after))] if retry_after else [])
        exchange.reply(Answer(code, headers, json.dumps(status_object(code, message)).encode()))
    return act


def lost(exchange):
    """It is done, and nobody hears of it."""
    exchange.forward()
    raise Cut


def never_sent(exchange):
    """Read, not done, not answered."""
    raise Cut


def half(exchange):
    """It is done; the connection ends in the middle of the answer."""
    answer = exchange.forward()
    exchange.client.sendall(Exchange.head(answer, f"Content-Length: {len(answer.body)}") + answer.body[:len(answer.body) // 2])
    raise Cut


def half_json(exchange):
    """It is done; the answer is whole as HTTP goes, and half a JSON."""
    answer = exchange.forward()
    exchange.reply(Answer(answer.status, answer.headers, answer.body[:len(answer.body) // 2]))


def drip(seconds):
    """It is done; the answer takes that long, in small pieces."""
    def act(exchange):
        answer = exchange.forward()
        data = Exchange.head(answer, f"Content-Length: {len(answer.body)}") + answer.body
        size = max(1, len(data) // 40)
        for begin in range(0, len(data), size):
            exchange.client.sendall(data[begin:begin + size])
            time.sleep(seconds / 40)
    return act


def edit(change):
    """The real answer, changed in place."""
    return lambda exchange: exchange.reply(exchange.forward().edited(change))


def hold(event):
    """Waits for the test before it is passed on."""
    def act(exchange):
        event.wait()
        exchange.pass_on()
    return act
