"""deploy/prometheus and deploy/grafana without a site: promtool's own checks, and that names fit together."""
import os
import re
import shutil
import subprocess

import yaml
from server import DEPLOY, ROOT, panel_queries, rules

FOLDER = os.path.join(DEPLOY, "prometheus")
RULES = ("spillway.recording.yaml", "spillway.alerts.yaml")
ALERTS = [name for kind, name, _ in rules() if kind == "alert"]
RECORDED = [name for kind, name, _ in rules() if kind == "record"]


def promtool(*words, folder=FOLDER):
    return subprocess.run(["promtool", *words], cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def test_promtool_takes_the_configuration_and_the_rules():
    for words in (("check", "config", "prometheus.yaml"), ("check", "rules", *RULES)):
        done = promtool(*words)
        assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_takes_the_one_for_a_cluster(tmp_path):
    """Debian's is built without Kubernetes' discovery: everything else of the file is checked."""
    settings = yaml.safe_load(read("deploy", "prometheus", "prometheus.kubernetes.yaml"))
    found = settings["scrape_configs"][0].pop("kubernetes_sd_configs")
    assert found == [{"role": "pod", "namespaces": {"names": ["spillway"]}}]
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(settings))
    for name in RULES:
        shutil.copy(os.path.join(FOLDER, name), tmp_path)
    done = promtool("check", "config", "prometheus.yaml", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    # The labels of the pods and the port's name are those of the manifest.
    gateways = next(each for each in yaml.safe_load_all(read("deploy", "kubernetes", "site", "gateway.yaml")) if each["kind"] == "StatefulSet")
    pod = gateways["spec"]["template"]
    ports = [port["name"] for port in pod["spec"]["containers"][0]["ports"]]
    keep = settings["scrape_configs"][0]["relabel_configs"][0]["regex"].split(";")
    assert pod["metadata"]["labels"]["app.kubernetes.io/component"] == keep[0] and keep[1] in ports


def test_promtool_test_rules():
    done = promtool("test", "rules", "spillway.test.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_tests_notice_alerts_that_never_fire(tmp_path):
    """A test that cannot fail proves nothing."""
    shutil.copytree(FOLDER, tmp_path / "rules")
    path = tmp_path / "rules/spillway.alerts.yaml"
    groups = yaml.safe_load(path.read_text())
    for group in groups["groups"]:
        for rule in group["rules"]:
            rule["expr"] = "absent(up) and vector(0) > 1"
    path.write_text(yaml.safe_dump(groups))
    done = promtool("test", "rules", "spillway.test.yaml", folder=tmp_path / "rules")
    assert done.returncode != 0
    assert set(re.findall(r"alertname: (\w+)", done.stdout + done.stderr)) == set(ALERTS)


def test_every_alert_is_explained_and_no_other():
    explained = re.findall(r"^### (Spillway\w+)$", read("docs", "operations.md"), re.MULTILINE)
    assert explained == ALERTS


def test_every_name_in_a_query_exists():
    families = set(re.findall(r"^\| `(spillway_\w+)`", read("docs", "metrics.md"), re.MULTILINE))
    known = families | {name + end for name in families for end in ("_bucket", "_sum", "_count")} | set(RECORDED)
    queries = panel_queries() + [(name, expression) for _, name, expression in rules()]
    for where, text in queries:
        used = set(re.findall(r"\b(?:[a-z_]+:)?spillway_\w+(?::\w+)?", text))
        assert used <= known, (where, used - known)


def test_every_family_is_on_the_dashboard():
    """What nobody looks at need not be counted."""
    families = set(re.findall(r"^\| `(spillway_\w+)`", read("docs", "metrics.md"), re.MULTILINE))
    texts = {name: text for kind, name, text in rules() if kind == "record"}
    shown = " ".join(text + " " + " ".join(texts[name] for name in RECORDED if name in text) for _, text in panel_queries())
    assert not sorted(name for name in families if name not in shown)
