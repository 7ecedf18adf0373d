"""A Celery application without Airflow that does the bare job: Redis, prefork, one message for each symbol."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from celery import Celery

from benchmarks.bare import BareJob
from benchmarks.servers import Servers
from common.values import Symbol
from local.state import ROOT
from local.temporary import wait_until

CONCURRENCY: Final = 4
_BROKER, _API, _DSN = "BENCHMARK_BROKER", "BENCHMARK_API", "BENCHMARK_DSN"

app = Celery("benchmark", broker=os.environ.get(_BROKER, "memory://"))
# As the pipeline's workers: nothing reserved beyond what runs, acknowledged when done, no results.
app.conf.update(worker_prefetch_multiplier=1, task_acks_late=True, task_ignore_result=True)
_jobs: list[BareJob] = []


@app.task  # type: ignore[untyped-decorator]  # Celery has no types
def fetch(symbol: str) -> None:
    """Fetch and store one symbol, over what this process has open."""
    if not _jobs:
        _jobs.append(BareJob(os.environ[_API], os.environ[_DSN]))
    _jobs[0](symbol)


@contextmanager
def celery_worker(servers: Servers) -> Iterator[Callable[[Sequence[Symbol]], float]]:
    """Run a worker; yield a function that publishes the symbols and returns the seconds until the last row."""
    broker = servers.redis.url(3)
    environment = os.environ | {
        _BROKER: broker,
        _API: servers.sandbox_url,
        _DSN: servers.dsn,
        "PYTHONWARNINGS": "ignore",
    }
    command = [sys.executable, "-m", "celery", "--app", __name__, "worker", "--loglevel", "ERROR"]
    options = ["--pool", "prefork", "--concurrency", str(CONCURRENCY)]
    app.conf.broker_url = broker
    with subprocess.Popen([*command, *options], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as worker:
        try:
            wait_until(lambda: app.control.ping(timeout=0.5), "the Celery worker answers")
            _publish(servers, [Symbol(f"WARM{number}") for number in range(8 * CONCURRENCY)])
            yield lambda universe: _publish(servers, universe)
        finally:
            worker.terminate()
            worker.wait()


def _publish(servers: Servers, universe: Sequence[Symbol]) -> float:
    """Publish a message for each symbol; return the seconds from the first of them to the last row."""
    before = servers.count()
    begun = time.time()
    for symbol in universe:
        fetch.delay(symbol)
    wait_until(lambda: _wait(servers.count() >= before + len(universe)), "the last row is there", 600)
    with servers.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM max(created_at)) FROM stock_quotes")
        ((last,),) = cursor.fetchall()
    connection.close()
    return float(last) - begun


def _wait(done: bool) -> bool:
    """Ask seldom: each question is a connection of its own."""
    if not done:
        time.sleep(0.1)
    return done
