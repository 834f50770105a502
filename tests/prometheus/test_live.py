"""A real Prometheus, with deploy/'s configuration, looks at a real site while things go wrong."""
import json
import subprocess

import pytest
from harness.wait import until
from server import panel_queries, rules

LABELS = {"what", "operation", "code", "site", "reason", "cause", "outcome", "language", "state", "resource", "mark", "phase", "version",
          "le"}
PLACED_BY_PROMETHEUS = {"__name__", "instance", "job", "cluster"}

# What does not move because nothing in the story changes it: where the site's marks are, and how many nodes it has.
STILL = {"Measured use and marks B", "Pods, orphans and nodes A"}

CAUSES = {
    "SpillwayErrorBudgetBurnFast": "full", "SpillwayErrorBudgetBurnMedium": "full", "SpillwayErrorBudgetBurnSlow": "full",
    "SpillwayErrorBudgetBurnLeak": "full", "SpillwaySiteFull": "full", "SpillwayEverythingAway": "full",
    "SpillwayStartsSlow": "slow_start", "SpillwayKubeCallsFail": "node_killed", "SpillwayRedisDown": "hanging_redis",
    "SpillwayResultsNotStored": "hanging_redis", "SpillwayAgentsUnanswered": "hanging_agent",
    "SpillwaySandboxesLost": "lost_agents", "SpillwayOrphans": "stranger", "SpillwayLoopLag": "busy_loop",
    "SpillwayGatewayDown": "cloud_killed", "SpillwayWatchDown": "node_killed", "SpillwayUsageUnknown": "node_killed",
    "SpillwayNoGateway": "cloud_killed", "SpillwayRemoteDown": "cloud_killed",
}


def test_every_gateway_is_a_target_that_is_up(site, prometheus):
    wanted = {gateway["admin_url"] + "/metrics" for parts in site.state()["sites"].values() for gateway in parts["gateways"]}

    def all_up():
        targets = prometheus.api("targets")["activeTargets"]
        return {target["scrapeUrl"] for target in targets if target["health"] == "up"} == wanted
    until(all_up, 60, "all targets are up", every=0.2)


def test_what_a_gateway_prints_is_clean(site):
    for gateway in site.gateways:
        text = site.admin(gateway["name"]).expect(200).body
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0 and not done.stderr, done.stderr.decode()


def test_no_label_is_of_a_session(story):
    """Neither a name nor a value, of any series that there ever was."""
    series = story.prometheus.api("series", **{"match[]": '{__name__=~"spillway_.*"}', "start": story.begin, "end": story.end})
    assert len(story.ids) > 10 and series
    names = {name for each in series for name in each} - PLACED_BY_PROMETHEUS
    assert names <= LABELS, names - LABELS
    text = json.dumps(series)
    assert not [name for name in filter(None, story.ids) if name in text]
    assert "over-1" not in text and "full-" not in text and "stranger" not in text
    for name in {each["__name__"] for each in series}:
        count = sum(1 for each in series if each["__name__"] == name)
        assert count <= 3 * 64 * 17, f"{name} has {count} series"


def moved(story, expression):
    """Is there data, and does it differ from what the quiet beginning showed?"""
    values = story.prometheus.between(expression, story.begin, story.end)
    points = [value for line in values.values() for _, value in line if value == value]
    assert points, f"no data: {expression}"
    return any(len({value for _, value in line if value == value}) > 1 or line[0][0] > story.chapters["quiet"][1]
               for line in values.values())


@pytest.mark.parametrize("name,expression", panel_queries(), ids=[name for name, _ in panel_queries()])
def test_panel_shows_something_that_moves(story, name, expression):
    assert moved(story, expression) is (name not in STILL), f"{name}: {expression}"


RECORDED = [name for kind, name, _ in rules() if kind == "record"]


@pytest.mark.parametrize("name", RECORDED)
def test_recording_rule_has_data_that_moves(story, name):
    assert moved(story, name), f"{name} does not move"


def test_no_rule_fails(story):
    for group in story.prometheus.api("rules")["groups"]:
        for rule in group["rules"]:
            assert rule["health"] == "ok", (rule["name"], rule.get("lastError"))


def test_every_alert_has_a_cause_in_the_story():
    assert set(CAUSES) == {name for kind, name, _ in rules() if kind == "alert"}


@pytest.mark.parametrize("alert", CAUSES)
def test_alert_when_its_cause_is_there_and_not_before(story, alert):
    """The rule as it is, but that it fires at once: how long its expression must hold until then (`for`) is what test_rules.py tests, in
    Prometheus' own virtual time."""
    active = story.prometheus.between(f'ALERTS{{alertname="{alert}", alertstate="firing"}}', story.begin, story.end)
    times = sorted(when for line in active.values() for when, _ in line)
    begin, end = story.chapters[CAUSES[alert]]
    assert times, f"{alert} never fired"
    assert times[0] >= begin, f"{alert} fired {begin - times[0]:.0f} s before its cause"
    assert times[0] <= end + 5, f"{alert} fired only {times[0] - end:.0f} s after its cause"
