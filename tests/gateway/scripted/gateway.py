"""One gateway process between the scripted ones, and a client for it."""
import http.client
import json
import os
import subprocess
import threading
from pathlib import Path

TREE = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("SPILLWAY_BUILD", TREE / "build" / "debug"))
ENVIRONMENTS = {"environments": {"python": {"image": "spillway/python", "languages": ["python", "bash"],
                                            "resources": {"cpu": "100m", "memory": "64Mi", "disk": "16Mi"}, "pids": 64}}}


class Answer:
    def __init__(self, status, fields, body):
        self.status = status
        self.fields = fields
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json["code"]


class Gateway:
    def __init__(self, folder, name, cluster, redis, **keys):
        (Path(folder) / "site.key").write_text("00112233445566778899aabbccddeeff\n")
        (Path(folder) / "environments.json").write_text(json.dumps(ENVIRONMENTS))
        settings = {"name": name, "site": "local", "listen": "127.0.0.1:0", "admin.listen": "127.0.0.1:0",
                    "kubernetes.url": cluster.url, "redis.url": redis.url, "site_key_file": f"{folder}/site.key",
                    "environments_file": f"{folder}/environments.json", "agent.port": str(cluster.agent_port), "watermark.usage": "false", **keys}
        words = [word for key, value in settings.items() for word in (f"--{key}", value)]
        self.process = subprocess.Popen([BUILD / "bin/spillway-gateway", *words], stderr=subprocess.PIPE, text=True, errors="replace")
        self.log = []
        self.ports = {}
        self.up = threading.Event()
        self.reader = threading.Thread(target=self.read_log, daemon=True)
        self.reader.start()
        if not self.up.wait(60) or not self.ports:
            raise RuntimeError("the gateway did not start: " + "".join(self.log))

    def read_log(self):
        for line in self.process.stderr:
            self.log.append(line)
            if "event=started" in line:
                self.ports = {word.split("=")[0]: int(word.split("=")[1]) for word in line.split() if "port=" in word}
                self.up.set()
        self.up.set()

    def logged(self, event):
        return [line for line in self.log if f"event={event} " in line]

    def ask(self, method, target, body=None, fields=None, admin=False, timeout=60):
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["admin_port" if admin else "port"], timeout=timeout)
        try:
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, target, data, {"Content-Type": "application/json", **(fields or {})} if data is not None else fields or {})
            answer = connection.getresponse()
            fields = dict(answer.getheaders())
            assert answer.status != 503 or int(fields["Retry-After"]) > 0, (target, fields)
            return Answer(answer.status, fields, answer.read())
        finally:
            connection.close()

    def get(self, target, **how):
        return self.ask("GET", target, **how)

    def post(self, target, body=None, **how):
        return self.ask("POST", target, {} if body is None else body, **how)

    def delete(self, target, **how):
        return self.ask("DELETE", target, **how)

    def metric(self, name):
        """The sum over a metric's series, or of one series if `name` has labels."""
        total = 0.0
        for line in self.get("/metrics", admin=True).body.decode().splitlines():
            series, _, value = line.rpartition(" ")
            if series == name or series.startswith(name + "{"):
                total += float(value)
        return total

    def close(self):
        """Ends it; an error of the sanitizers, or a crash, is the test's."""
        self.process.terminate()
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.reader.join(10)
        if status != 0:
            raise AssertionError(f"the gateway ended with {status}:\n" + "".join(self.log)[-6000:])
