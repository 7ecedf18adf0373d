"""The dashboards: what is committed is what the code writes, loses nothing on its way through Grafana's own types."""

import json
from collections.abc import Iterator

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.dashboards import FOLDER, build
from monitoring.metrics import METRICS
from monitoring.panels import DASHBOARDS
from tests.support.promql import metric_names


def queries() -> Iterator[tuple[str, str, str]]:
    """Yield each dashboard's name, each panel's title and each of its queries."""
    for name, (_, panels) in DASHBOARDS.items():
        for panel in panels:
            for query in panel.queries.values():
                yield name, panel.title, query


@pytest.mark.parametrize("name", DASHBOARDS)
def test_the_committed_json_is_current(name: str):
    """``python -m monitoring.dashboards`` would change nothing."""
    assert (FOLDER / f"{name}.json").read_text("utf-8") == build(name)


def test_no_dashboard_is_left_over():
    """Each committed file is one that the code writes."""
    assert {path.stem for path in FOLDER.glob("*.json")} == DASHBOARDS.keys()


@pytest.mark.parametrize("name", DASHBOARDS)
def test_grafanas_types_know_each_key(name: str):
    """Read as Grafana's own type and written again it is the same: a key that it does not know would be gone."""
    register_default_plugins()
    document = json.loads(build(name))
    again = json.dumps(Dashboard.from_json(document), cls=JSONEncoder)
    assert json.loads(again) == document


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_name_metrics_there_are(name: str):
    """Every query of a panel can be parsed, and names only metrics that the exporter has."""
    named = {metric for dashboard, _, query in queries() if dashboard == name for metric in metric_names(query)}
    assert named - METRICS.keys() == set()
    assert named


def test_every_metric_is_shown():
    """No metric is exported that neither a panel nor a rule uses."""
    from tests.monitoring.test_rules import ALERTS

    shown = {metric for *_, query in queries() for metric in metric_names(query)}
    ruled = {metric for rule in ALERTS.values() for metric in metric_names(rule["expr"])}
    assert METRICS.keys() - shown - ruled == set()
