"""From a fault to people: exporter, Prometheus, Alertmanager, mail and webhook, all real; only Airflow is away."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from local.ports import free_port
from local.state import ROOT
from local.temporary import wait_until
from tests.support.market import Market
from tests.support.watch import Watch, watching


@pytest.fixture
def watch(monitored: dict[str, str], market: Market, tmp_path: Path) -> Iterator[Watch]:
    environment = monitored | {
        "MARKET_DATABASE_URL": market.dsn().get_secret_value(),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
    }
    pages = {"airflow": free_port(), "flower": free_port()}
    with watching(pages, environment, tmp_path) as watch:
        wait_until(lambda: watch.query("pipeline_build_info"), "the first scrape has come", 60)
        yield watch


def test_fault_and_end_are_told_once(watch: Watch, monitored: dict[str, str]):
    """A task that no worker takes is one mail and one post, its end one more of each, and no password is in them."""
    with redis.Redis.from_url(monitored["AIRFLOW__CELERY__BROKER_URL"]) as client:
        client.rpush("default", "a task")
        watch.wait_for("QueueUnserved", fires=True)
        wait_until(lambda: watch.told("firing", "QueueUnserved") == 1, "people are told", 30)
        client.delete("default")
    watch.wait_for("QueueUnserved", fires=False)
    wait_until(lambda: watch.told("resolved", "QueueUnserved") == 1, "people are told that it is over", 30)
    assert watch.told("firing", "QueueUnserved") == 1
    assert watch.told("firing", "SourceDown") == 1  # Airflow's metadata, which explain these two away
    assert watch.told("firing", "ComponentSilent") == watch.told("firing", "ImportErrors") == 0
    said = "".join(watch.inbox.texts()) + str(watch.hook.posts)
    assert [secret for secret in (monitored["MONITOR_DB_PASSWORD"], "Watchdog") if secret in said] == []
