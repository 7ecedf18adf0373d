"""An exporter over a test's own market database and Redis, with pages and Airflow's metadata out of reach."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
from starlette.testclient import TestClient

from local.ports import free_port
from local.services import Redis
from monitoring.__main__ import wired
from monitoring.app import application
from monitoring.exporter import MetricsExporter
from tests.support.market import Market

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def monitored(environment: dict[str, str], market: Market, redis_server: Redis) -> dict[str, str]:
    """What the exporter's environment says."""
    return environment | {
        "MONITOR_DB_PASSWORD": market.password,
        "MONITOR_AIRFLOW_DATABASE_URL": f"postgresql://127.0.0.1:{free_port()}/airflow",
        "AIRFLOW__CELERY__BROKER_URL": redis_server.url(1),
    }


@pytest.fixture
def export(monitored: dict[str, str], market: Market) -> Iterator[Callable[..., MetricsExporter]]:
    """Make an exporter of the environment with these changes."""
    with ExitStack() as opened:

        def make(**changes: str) -> MetricsExporter:
            there = monitored | {"MARKET_DATABASE_URL": market.dsn().get_secret_value()} | changes
            options = argparse.Namespace(airflow=NOWHERE, flower=NOWHERE)
            return opened.enter_context(closing(wired(there, options)))

        yield make


@pytest.fixture
def client(export: Callable[..., MetricsExporter]) -> Iterator[TestClient]:
    """A client of what the exporter serves."""
    with TestClient(application(export())) as client:
        yield client


@pytest.fixture
def metric(client: TestClient) -> Callable[..., float | None]:
    """Return a sample of a scrape of now by its name and labels, or None."""
    from prometheus_client.parser import text_string_to_metric_families

    def value(name: str, **labels: str) -> float | None:
        families = text_string_to_metric_families(client.get("/metrics").text)
        found = [s.value for family in families for s in family.samples if (s.name, s.labels) == (name, labels)]
        return found[0] if found else None

    return value
