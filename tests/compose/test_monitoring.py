"""The profile `monitoring`: Prometheus and Alertmanager in containers. No registry gives Grafana where this runs.

What Grafana would show is held by tests/monitoring/test_dashboards.py instead.
"""

from collections.abc import Iterator

import pytest
import requests

from local.temporary import wait_until
from tests.support.stack import Stack

pytestmark = [pytest.mark.compose, pytest.mark.timeout(300)]

SERVERS = ("prometheus", "alertmanager")


@pytest.fixture(scope="module")
def watched(stack: Stack) -> Iterator[Stack]:
    """The room's stack, with Prometheus and Alertmanager beside it."""
    stack.compose("--profile", "monitoring", "up", "-d", "--wait", "--no-deps", *SERVERS)
    yield stack
    stack.compose("--profile", "monitoring", "rm", "--stop", "--force", "--volumes", *SERVERS)


def asked(stack: Stack, path: str) -> list[dict]:
    reply = requests.get(f"{stack._url('prometheus', 9090)}/api/v1/{path}", timeout=15).json()
    return next(iter(reply["data"].values()))


def test_every_target_is_up(watched: Stack):
    """Prometheus reaches the exporter, Alertmanager and itself, by the names of the compose file."""

    def health() -> dict[str, str]:
        return {target["labels"]["job"]: target["health"] for target in asked(watched, "targets")}

    wait_until(lambda: set(health().values()) == {"up"}, "every target is up", 60)
    assert health().keys() == {"pipeline", "alertmanager", "prometheus"}


def test_the_watchdog_reaches_alertmanager(watched: Stack):
    """The rules are loaded, and what fires arrives at Alertmanager."""
    url = f"{watched._url('alertmanager', 9093)}/api/v2/alerts"

    def names() -> set[str]:
        return {alert["labels"]["alertname"] for alert in requests.get(url, timeout=15).json()}

    wait_until(lambda: "Watchdog" in names(), "Alertmanager has the watchdog", 90)


def test_the_exporter_reads_every_source(watched: Stack):
    """In containers too the exporter reads both databases, Redis, the workers and the pages."""
    ready = watched.execute("exporter", "python", "-c", READY)
    assert ready.split() == ["200"], ready


READY = """
import urllib.error, urllib.request
try:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the room's proxy must hear of nothing
    print(direct.open('http://localhost:9464/readyz').status)
except urllib.error.HTTPError as error:
    print(error.read().decode())
"""
