"""What a scrape says, on a real PostgreSQL and Redis."""

import base64
import json
import shutil
import subprocess
import tomllib
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import psutil
import psycopg2
import pytest
import redis
from pydantic import SecretStr
from starlette.testclient import TestClient

import common
from common.redaction import Redactor
from common.values import Symbol
from local.ports import free_port
from local.state import ROOT
from local.temporary import wait_until
from monitoring.exporter import MetricsExporter
from monitoring.metrics import METRICS
from monitoring.schedule import longest_pause_s
from monitoring.sources.market import MarketSource
from monitoring.sources.workers import WorkersSource
from tests.conftest import missing
from tests.support.market import Market
from workers.wiring import Wiring

Metric = Callable[..., float | None]


def test_source_that_is_away_says_so(client: TestClient, metric: Metric):
    """Airflow's metadata are away: its source is 0 and has no metrics, the others are 1 and have theirs."""
    assert metric("pipeline_source_up", source="airflow") == 0
    assert metric("airflow_import_errors") is None
    assert metric("pipeline_source_up", source="market") == 1
    assert metric("postgres_max_connections") > 0
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert "market: ready" in ready.text
    assert "airflow: PostgreSQL at 127.0.0.1:" in ready.text


def test_living_depends_on_nothing(export: Callable[..., MetricsExporter]):
    """With both databases and Redis away it lives all the same, and a scrape answers with what it knows."""
    from monitoring.app import application

    away = "postgresql://127.0.0.1:9"
    exporter = export(MARKET_DATABASE_URL=away, LIMITER_REDIS_URL="redis://127.0.0.1:9", **BROKER_AWAY)
    client = TestClient(application(exporter))
    assert client.get("/livez").status_code == 200
    text = client.get("/metrics").text
    for source in ("airflow", "market", "quota", "broker"):
        assert f'pipeline_source_up{{source="{source}"}} 0.0' in text
    assert "pipeline_build_info" in text


BROKER_AWAY = {"AIRFLOW__CELERY__BROKER_URL": "redis://:S3CRETBROKER@127.0.0.1:9/0"}


def test_no_secret_is_said(export: Callable[..., MetricsExporter]):
    """What is said of sources that are away holds no password, and no API key is asked for."""
    from monitoring.app import application

    exporter = export(MARKET_DATABASE_URL="postgresql://a:S3CRETURL@127.0.0.1:9", MONITOR_DB_PASSWORD="S3CRETMONITOR", **BROKER_AWAY)  # fmt: skip  # noqa: E501
    client = TestClient(application(exporter))
    assert "S3CRET" not in client.get("/metrics").text + client.get("/readyz").text


def test_nothing_is_used_at_first(metric: Metric):
    """Before the first call the quota's limits are there, and nothing of it is used."""
    assert metric("pipeline_quota_limit_calls", window="500/day") == 500
    assert metric("pipeline_quota_used_calls", window="500/day") == 0
    assert metric("pipeline_quota_hold_until_timestamp_seconds") == 0


def test_the_quota_is_the_workers(metric: Metric, wiring: Wiring):
    """A worker's call and hold show, found by the ledger's digest: the exporter has no key."""
    wiring.permits.prepare()
    with wiring.permits.permit("p1", max_wait_s=5, dataset="quotes", symbol=Symbol("IBM")):
        assert metric("pipeline_quota_callers", place="in_flight") == 1
    wiring.limiter.hold_back(60, "the provider is angry")
    assert metric("pipeline_quota_used_calls", window="500/day") == 1
    assert metric("pipeline_quota_hold_until_timestamp_seconds") > datetime.now(UTC).timestamp()


def test_queues_count_every_priority(metric: Metric, monitored: dict[str, str]):
    """Messages of all priorities are one number, and those that are taken another."""
    with redis.Redis.from_url(monitored["AIRFLOW__CELERY__BROKER_URL"]) as client:
        for key in ("default", "default\x06\x163", "default\x06\x169"):
            client.rpush(key, "message")
        client.hset("unacked", "tag", "message")
    assert metric("celery_queue_messages", queue="default") == 3
    assert metric("celery_unacked_messages") == 1


def test_a_heartbeat_makes_worker_up(metric: Metric, monitored: dict[str, str]):
    """A worker is up once its heartbeat is heard, and down once it says that it goes."""
    metric("pipeline_build_info")

    def say(kind: str) -> None:
        event = {"hostname": "celery@worker-1", "type": f"worker-{kind}"}
        body = base64.b64encode(json.dumps(event).encode()).decode()
        with redis.Redis.from_url(monitored["AIRFLOW__CELERY__BROKER_URL"]) as client:
            client.publish(f"/0.celeryev/worker.{kind}", json.dumps({"body": body}))
            client.publish(f"/0.celeryev/worker.{kind}", "not a message of Celery")

    def is_up(value: float) -> bool:
        say("heartbeat" if value else "offline")
        return metric("celery_worker_up", worker="worker-1") == value

    wait_until(lambda: is_up(1), "the worker is up", 10)
    wait_until(lambda: is_up(0), "the worker is down", 10)


def test_database_tells_what_is_stored(metric: Metric, market: Market):
    """Successes, refused replies and gaps are counted as the tables have them."""
    market.query(
        "INSERT INTO fetch_outcomes (run_id, dataset, symbol, status, finished_at) VALUES "
        "('r', 'quotes', 'IBM', 'stored', '2026-01-02T00:00:00Z'), ('r', 'quotes', 'NO', 'failed', now())"
    )
    market.query(
        "INSERT INTO quarantine (run_id, symbol, function, reason, message, payload, received_at) "
        "VALUES ('r', 'IBM', 'F', 'negative', 'm', 'p', now())"
    )
    market.query(
        "INSERT INTO bar_gaps (symbol, first_session, last_session, sessions, state, answers, ask_again_at) "
        "VALUES ('IBM', '2026-01-02', '2026-01-02', 1, 'open', 0, now())"
    )
    stored = datetime(2026, 1, 2, tzinfo=UTC).timestamp()
    assert metric("pipeline_last_success_timestamp_seconds", dataset="quotes") == stored
    assert metric("pipeline_quarantine_waiting", reason="negative") == 1
    assert metric("pipeline_gaps", state="open") == 1


def test_the_role_changes_nothing(market: Market, client: TestClient):
    """The exporter's role reads the market's tables, and neither writes them nor reads other people's passwords."""
    session = market.connect(market.dsn("pipeline_monitor"))
    cursor = session.cursor()
    cursor.execute("SET default_transaction_read_only = off")
    for forbidden in ("DELETE FROM stock_quotes", "CREATE TABLE mine (n integer)", "SELECT * FROM pg_authid"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(forbidden)
    session.close()


def test_scrape_is_as_prometheus_wants(client: TestClient):
    """promtool finds nothing to say of a scrape, and each of its metrics is in the list with its labels."""
    promtool = shutil.which("promtool") or missing("promtool: install Prometheus (Debian: apt install prometheus)")
    text = client.get("/metrics").text
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert checked.stdout + checked.stderr == ""
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert names - METRICS.keys() == set()


@pytest.mark.parametrize(
    ("schedule", "hours"), [("0 0 * * *", 24), ("0 22 * * 1-5", 72), ("@hourly", 1), (timedelta(hours=6), 6), (None, 0)]
)
def test_the_longest_pause_is_known(schedule: str | timedelta | None, hours: int):
    """A schedule of working days pauses over the weekend, so no rule may call that late."""
    assert longest_pause_s(schedule, datetime(2026, 10, 5, tzinfo=UTC)) == hours * 3600


def test_odd_message_ends_no_listening(metric: Metric, monitored: dict[str, str]):
    """Whatever somebody publishes where workers send their heartbeats, those that come after it are heard."""
    metric("pipeline_build_info")
    deep = base64.b64encode(b"[" * 100_000).decode()
    event = json.dumps({"hostname": "celery@worker-1", "type": "worker-heartbeat"}).encode()

    def is_up() -> bool:
        with redis.Redis.from_url(monitored["AIRFLOW__CELERY__BROKER_URL"]) as client:
            for body in (deep, base64.b64encode(event).decode()):
                client.publish("/0.celeryev/worker.heartbeat", json.dumps({"body": body}))
        return metric("celery_worker_up", worker="worker-1") == 1

    wait_until(is_up, "the worker is up", 10)


def test_a_problem_keeps_its_size():
    """A broker that stays away makes the traceback of no later scrape longer."""
    with closing(WorkersSource(SecretStr(f"redis://127.0.0.1:{free_port()}"))) as source:

        def frames() -> int:
            try:
                list(source.read())
            except redis.RedisError as error:
                return len(traceback.extract_tb(error.__traceback__))
            return 0

        wait_until(frames, "the broker is away", 10)
        assert len({frames() for _ in range(3)}) == 1


def test_hanging_server_fits_a_scrape(market: Market):
    """Two databases of a chain whose server hangs are told as away before Prometheus gives up; then they are back."""
    sources = [MarketSource(market.dsn("pipeline_monitor"), market.database, dict) for _ in range(2)]
    exporter = MetricsExporter([sources], Redactor(), 0)
    pids = "SELECT pid FROM pg_stat_activity WHERE application_name = 'stock-pipeline-exporter' AND datname = %s"
    with closing(exporter), ThreadPoolExecutor() as threads:
        assert [reading.problem for reading in exporter.read()] == ["", ""]
        servers = [psutil.Process(pid) for (pid,) in market.query(pids, market.database)]
        try:
            for server in servers:
                server.suspend()
            hung = threads.submit(exporter.read).result(timeout=10)
        finally:
            for server in servers:
                server.resume()
        assert all(reading.problem for reading in hung)
        assert [reading.problem for reading in exporter.read()] == ["", ""]


def test_the_version_is_the_projects():
    """What a scrape says of the version is what pyproject.toml says."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert common.__version__ == project["version"]
