"""A batch while servers restart, time runs out, or its worker is killed."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from common.errors import LimiterUnavailable
from common.settings import PipelineSettings
from local.temporary import wait_until
from sandbox.running import RunningSandbox
from tests.support.batches import RUN, calls, planned, symbols
from tests.support.market import Market
from tests.support.servers import OwnRedis
from tests.support.wiring import wired
from workers.pipeline import batch_threads as batch_pass
from workers.pipeline.batch import BatchEnd
from workers.wiring import Wiring

ROOT = Path(__file__).resolve().parents[2]
STORED = "SELECT count(*) FROM stock_quotes"


@contextmanager
def away(admin: Market, database: str) -> Iterator[None]:
    """Let nobody connect to the database while the block lasts, and end who is connected."""
    admin.query(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
    admin.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", database)
    try:
        yield
    finally:
        admin.query(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")


@pytest.mark.parametrize("quota", ["10000/s", "10000/s,100000/day"])
def test_restart_of_database_is_borne(
    *,
    environment: dict[str, str],
    sandbox: RunningSandbox,
    market: Market,
    admin: Market,
    caplog: pytest.LogCaptureFixture,
    quota: str,
):
    """While the database is away no symbol is taken up, and what was fetched is stored when it is back."""
    sandbox.change("faults", faults="", latency="0.2:0.3")  # the batch is not over when the database goes
    with wired(environment, ALPHA_VANTAGE_QUOTA=quota, MARKET_DB_TIMEOUT="2") as wiring:
        ends: list[BatchEnd] = []
        batch = planned(wiring, *symbols(400))
        thread = threading.Thread(target=lambda: ends.append(batch.run(RUN, 1)))
        thread.start()
        wait_until(lambda: market.query(STORED)[0][0] > 0, "the first rows are stored")
        market.close()
        with away(admin, market.database):
            wait_until(lambda: caplog.text.count("waiting") >= 4, "the batch has tried a few times", 60)
            assert len(sandbox.entries()) < 400
        sandbox.change("faults", faults="", latency="0.001:0.002")
        thread.join()
    assert [end.counts for end in ends] == ["400 stored"]
    assert calls(sandbox) == dict.fromkeys(symbols(400), 1)


@contextmanager
def locked(market: Market) -> Iterator[None]:
    """Let nobody write a quote while the block lasts."""
    with closing(market.connect(market.admin)) as session, session.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE stock_quotes IN ACCESS EXCLUSIVE MODE")
        yield
        cursor.execute("ROLLBACK")


@pytest.mark.parametrize("trouble", ["a restart", "a lock"])
def test_a_single_symbol_keeps_its_reply(
    *,
    environment: dict[str, str],
    sandbox: RunningSandbox,
    market: Market,
    admin: Market,
    caplog: pytest.LogCaptureFixture,
    trouble: str,
):
    """A paid reply to a task of one symbol is stored once the database can, without a second call."""
    sandbox.change("faults", faults="", latency="1:1")
    with wired(environment, ALPHA_VANTAGE_QUOTA="50/s", MARKET_DB_TIMEOUT="1", API_TIMEOUT="20") as wiring:
        ends: list[BatchEnd] = []
        batch = planned(wiring, "IBM")
        thread = threading.Thread(target=lambda: ends.append(batch.run(RUN, 1)))
        thread.start()
        wait_until(lambda: wiring.limiter.usage().in_flight == 1, "the call is out")
        market.close()
        with away(admin, market.database) if trouble == "a restart" else locked(market):
            wait_until(lambda: caplog.text.count("waiting for the database") >= 2, "it was tried twice", 60)
        thread.join()
    assert [(end.counts, end.outcomes[0].api_calls) for end in ends] == [("1 stored", 1)]
    assert calls(sandbox) == {"IBM": 1}


def test_outage_of_limiter_is_borne(environment: dict[str, str], sandbox: RunningSandbox, market: Market):
    """While Redis does not answer no call is made and no symbol fails; all are stored when it is back."""
    sandbox.change("faults", faults="", latency="0.02:0.05")
    with wired(environment, ALPHA_VANTAGE_QUOTA="10000/s") as wiring:
        ends: list[BatchEnd] = []
        batch = planned(wiring, *symbols(200))
        thread = threading.Thread(target=lambda: ends.append(batch.run(RUN, 1)))
        thread.start()
        wait_until(lambda: market.query(STORED)[0][0] > 0, "the first rows are stored")
        with closing(redis.Redis.from_url(environment["LIMITER_REDIS_URL"])) as client:
            client.client_pause(6000)
        thread.join()
    assert [end.counts for end in ends] == ["200 stored"]
    assert calls(sandbox) == dict.fromkeys(symbols(200), 1)


def test_limiter_that_stays_away_ends_pass(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """After its patience is over the batch gives up for a retry; its symbols are left, not failed."""
    monkeypatch.setattr(batch_pass, "PATIENCE_S", 0.0)
    with wired(environment) as wiring:
        batch = planned(wiring, *symbols(20))
        gone = Wiring(PipelineSettings.from_environment(environment | {"LIMITER_REDIS_URL": "redis://127.0.0.1:1/0"}))
        with pytest.raises(LimiterUnavailable):
            replace(batch, job=replace(batch.job, permits=gone.permits)).run(RUN, 1)
        assert BatchEnd(wiring.store.ledger.outcomes(RUN, 1)).counts == "20 left"


def test_a_time_out_loses_no_reply(environment: dict[str, str], sandbox: RunningSandbox, market: Market):
    """When the task is timed out within a batch, what was fetched is stored, and only the rest is left."""
    sandbox.change("faults", faults="", latency="0.05:0.2")

    def expire(signum: int, frame: object) -> None:
        raise TimeoutError

    with wired(environment, ALPHA_VANTAGE_QUOTA="10000/s") as wiring:
        batch = planned(wiring, *symbols(200))
        before = signal.signal(signal.SIGALRM, expire)
        signal.setitimer(signal.ITIMER_REAL, 1)
        try:
            with pytest.raises(TimeoutError):
                batch.run(RUN, 1)
        finally:
            signal.signal(signal.SIGALRM, before)
        fetched = len(sandbox.entries())
        assert 0 < fetched < 200
        assert market.query(STORED) == [(fetched,)]
        assert batch.run(RUN, 1).counts == "200 stored"
    assert len(sandbox.entries()) == 200


def test_killed_worker_repeats_no_stored_symbol(environment: dict[str, str], sandbox: RunningSandbox, market: Market):
    """After kill -9 within a batch, the next pass asks only for what is not stored, and nothing is lost."""
    sandbox.change("faults", faults="", latency="0.02:0.05")
    changed = environment | {"ALPHA_VANTAGE_QUOTA": "10000/s"}
    names = symbols(150)
    with wired(changed) as wiring:
        batch = planned(wiring, *names)
        code = "from workers.wiring import Wiring; Wiring.from_environment().batch(budget_s=60).run(%s, 1)"
        worker = subprocess.Popen(
            [sys.executable, "-c", code % json.dumps(RUN)],
            env=os.environ | changed | {"PYTHONPATH": str(ROOT)},
            cwd=ROOT,
        )
        wait_until(lambda: market.query(STORED)[0][0] > 30, "some are stored")
        worker.kill()
        worker.wait()
        stored = {symbol for (symbol,) in market.query("SELECT symbol FROM stock_quotes")}
        end = batch.run(RUN, 1)
    assert end.counts == "150 stored"
    assert 30 < len(stored) < 150
    counted = calls(sandbox)
    assert {counted[symbol] for symbol in stored} == {1}
    assert max(counted.values()) == 2  # what was out, or in hand, when the worker was killed


@pytest.mark.parametrize("keeps_its_data", [True, False])
def test_killed_redis_exceeds_no_quota(
    *, environment: dict[str, str], sandbox: RunningSandbox, market: Market, own: OwnRedis, keeps_its_data: bool
):
    """kill -9 of Redis during a batch, with or without its data: it goes on by itself, and no call is refused."""
    quota = "10/s,500/day"
    sandbox.change("plan", quota=quota)
    sandbox.change("faults", faults="", latency="0.02:0.05")
    own_redis = environment | {"LIMITER_REDIS_URL": own.server.url(), "ALPHA_VANTAGE_QUOTA": quota, "API_TIMEOUT": "1"}
    with wired(own_redis) as wiring:
        ends: list[BatchEnd] = []
        batch = planned(wiring, *symbols(80))
        thread = threading.Thread(target=lambda: ends.append(batch.run(RUN, 1)))
        thread.start()
        wait_until(lambda: market.query(STORED)[0][0] >= 20, "a quarter is stored")
        own.kill()
        if not keeps_its_data:
            own.forget()
        own.start()
        thread.join()
    assert [end.counts for end in ends] == ["80 stored"]
    assert {entry.verdict for entry in sandbox.entries()} == {"served"}
    assert len(sandbox.entries()) == 80
