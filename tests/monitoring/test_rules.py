"""The rules: as promtool and amtool read them, and each alert before and after it fires."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from monitoring.metrics import METRICS
from tests.conftest import missing
from tests.support.promql import metric_names

FOLDER = Path(__file__).resolve().parents[2] / "monitoring"
RULES = yaml.safe_load((FOLDER / "rules.yml").read_text("utf-8"))
ALL = [rule for group in RULES["groups"] for rule in group["rules"]]
#: By its name; of one that has two severities, its last rule.
ALERTS = {rule["alert"]: rule for rule in ALL}
#: What Prometheus knows of a target by itself.
OF_PROMETHEUS = {"up"}


def run(program: str, *arguments: str) -> str:
    """Run one of the programs in the folder; return what it says. Fails where it finds something."""
    path = shutil.which(program) or missing(f"{program}: install Prometheus and Alertmanager (.ci/programs)")
    done = subprocess.run([path, *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_configurations_are_understood():
    """promtool and amtool take every file as it is committed."""
    run("promtool", "check", "config", "--syntax-only", "prometheus.yml")
    run("promtool", "check", "rules", "--lint=all", "--lint-fatal", "rules.yml")
    run("amtool", "check-config", "alertmanager.yml")


def test_each_alert_fires_in_time():
    """Each alert is silent before its time and fires after it, and nothing but the watchdog while all is well."""
    run("promtool", "test", "rules", "rules_test.yml")


def test_each_alert_is_tested():
    """rules_test.yml has each alert silent and firing; where it fires the sentence that a person gets is checked."""
    tests = yaml.safe_load((FOLDER / "rules_test.yml").read_text("utf-8"))["tests"]
    checks = [check for test in tests for check in test.get("alert_rule_test", [])]
    firing = {check["alertname"] for check in checks if check.get("exp_alerts")}
    silent = {check["alertname"] for check in checks if not check.get("exp_alerts")}
    assert firing == ALERTS.keys()
    assert silent == ALERTS.keys() - {"Watchdog"}


def test_each_alert_says_what_to_do():
    """Each alert has a severity, two sentences, and a section of the runbook of its own."""
    headings = re.findall(r"^## (\w+)$", (FOLDER.parent / "docs" / "runbook.md").read_text("utf-8"), re.MULTILINE)
    assert headings == list(ALERTS)
    for rule in ALL:
        name = rule["alert"]
        assert rule["labels"]["severity"] in {"critical", "warning", "none"}
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"


@pytest.mark.parametrize("name", ALERTS)
def test_rules_name_metrics_there_are(name: str):
    """Every metric of a rule is one that the exporter has, with labels that it has."""
    assert metric_names(ALERTS[name]["expr"]) - METRICS.keys() - OF_PROMETHEUS == set()


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ({"alertname": "Watchdog", "severity": "none"}, "watchdog"),
        ({"alertname": "RedisFull", "severity": "critical"}, "people"),
        ({"alertname": "QuarantineWaiting", "severity": "warning"}, "people"),
    ],
)
def test_alerts_go_where_they_should(labels: Mapping[str, str], receiver: str):
    """The watchdog never reaches a person; every other alert does."""
    words = [f"{name}={value}" for name, value in labels.items()]
    assert run("amtool", "config", "routes", "test", "--config.file=alertmanager.yml", *words).strip() == receiver
