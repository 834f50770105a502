"""A real Prometheus of one's own: a free port, a private directory, ended by its pid."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.parse
import urllib.request

import yaml
from harness.wait import until

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
DEPLOY = os.path.join(ROOT, "deploy")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def at_once(name, folder):
    """A copy of the rules whose alerts fire as soon as their expression holds: a story has no hours."""
    with open(os.path.join(DEPLOY, "prometheus", name), encoding="utf-8") as file:
        text = yaml.safe_load(file)
    for group in text["groups"]:
        for rule in group["rules"]:
            rule.pop("for", None)
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        yaml.safe_dump(text, file)
    return path


def configuration(sites, folder):
    """The example of deploy/, as it is but for the addresses and the pace. `sites`: name -> admin addresses."""
    with open(os.path.join(DEPLOY, "prometheus/prometheus.yaml"), encoding="utf-8") as file:
        text = yaml.safe_load(file)
    text["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    text["rule_files"] = [at_once(name, folder) for name in text["rule_files"]]
    text["scrape_configs"][0]["static_configs"] = [{"targets": addresses, "labels": {"cluster": name}}
                                                   for name, addresses in sites.items()]
    return text


class Prometheus:
    def __init__(self, sites):
        self.directory = tempfile.mkdtemp(prefix="spillway-prometheus-", dir="/run")
        self.address = f"127.0.0.1:{free_port()}"
        path = os.path.join(self.directory, "prometheus.yaml")
        with open(path, "w", encoding="utf-8") as file:
            yaml.safe_dump(configuration(sites, self.directory), file)
        self.log_path = os.path.join(self.directory, "log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={path}", f"--storage.tsdb.path={self.directory}/data",
                 f"--web.listen-address={self.address}", "--storage.tsdb.retention.time=2h"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        until(lambda: self.process.poll() is not None or self.get("/-/ready"), 120, "Prometheus is ready", every=0.1,
              ignore=(OSError,))
        assert self.process.poll() is None, self.log()

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()[-4000:]

    def get(self, path, **parameters):
        query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
        with urllib.request.urlopen(f"http://{self.address}{path}{query}", timeout=30) as reply:
            return reply.read()

    def api(self, path, **parameters):
        answer = json.loads(self.get("/api/v1/" + path, **parameters))
        assert answer["status"] == "success", answer
        return answer["data"]

    def now(self, expression):
        """[(labels, value)] at this moment."""
        return [(each["metric"], float(each["value"][1])) for each in self.api("query", query=expression)["result"]]

    def between(self, expression, begin, end):
        """{labels as text: [(time, value)]}, a value each second."""
        result = self.api("query_range", query=expression, start=begin, end=end, step=1)["result"]
        return {json.dumps(each["metric"], sort_keys=True): [(when, float(value)) for when, value in each["values"]]
                for each in result}

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def rules():
    """(kind, name, expression) of all rules in deploy/."""
    found = []
    for name in ("spillway.recording.yaml", "spillway.alerts.yaml"):
        with open(os.path.join(DEPLOY, "prometheus", name), encoding="utf-8") as file:
            for group in yaml.safe_load(file)["groups"]:
                for rule in group["rules"]:
                    kind = "record" if "record" in rule else "alert"
                    found.append((kind, rule[kind], rule["expr"]))
    return found


def dashboard():
    with open(os.path.join(DEPLOY, "grafana/spillway.json"), encoding="utf-8") as file:
        return json.load(file)


def panel_queries():
    """(panel's title and letter, query as Grafana would send it for all sites)."""
    found = []
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            text = target["expr"].replace("$__rate_interval", "10s").replace("$cluster", ".*")
            assert not re.search(r"\$\w", text), text
            found.append((f"{panel['title']} {target['refId']}", text))
    return found
