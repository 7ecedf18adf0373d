"""The job without Airflow: what requests and psycopg2 can do at best here, and what our own code adds to them."""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from math import ceil
from typing import TypeVar

from benchmarks.bare import BareJob
from benchmarks.clusters import progress, symbols
from benchmarks.plain_celery import celery_worker
from benchmarks.servers import Servers, running_servers
from benchmarks.tables import Table, middle
from common.values import Symbol
from workers.wiring import Wiring

SYMBOLS, ROUNDS, THREADS, BATCH = 1000, 5, 8, 250
_RUN = "benchmark"

T = TypeVar("T")
Contender = Callable[[Servers, list[Symbol]], float]


def bare_loop(servers: Servers, universe: list[Symbol]) -> float:
    """One session, one connection, one symbol after the other."""
    with BareJob(servers.sandbox_url, servers.dsn) as job:
        job("WARM")
        return _timed(lambda: _each(job, universe))


def bare_pool(servers: Servers, universe: list[Symbol]) -> float:
    """A pool of threads, each with a session and a connection of its own."""
    own = threading.local()
    with ExitStack() as opened:

        def open_own() -> None:
            own.job = opened.enter_context(BareJob(servers.sandbox_url, servers.dsn))
            own.job("WARM")

        with ThreadPoolExecutor(THREADS, initializer=open_own) as pool:
            _warm(pool)
            return _timed(lambda: list(pool.map(lambda symbol: own.job(symbol), universe)))  # noqa: PLW0108  each thread's own


def our_loop(servers: Servers, universe: list[Symbol]) -> float:
    """``workers.pipeline.job``: quota, client, validation, store and ledger; one symbol after the other."""
    with Wiring(servers.settings) as wiring:
        _prepare(wiring, universe)
        return _timed(lambda: _each(lambda symbol: wiring.job.run(_RUN, symbol), universe))


def our_pool(servers: Servers, universe: list[Symbol]) -> float:
    """The same in a pool of threads that share one wiring: its session pool and its four connections."""
    with Wiring(servers.settings) as wiring, ThreadPoolExecutor(THREADS) as pool:
        _prepare(wiring, universe)
        _warm(pool)
        return _timed(lambda: list(pool.map(lambda symbol: wiring.job.run(_RUN, symbol), universe)))


def our_batches(servers: Servers, universe: list[Symbol]) -> float:
    """``workers.pipeline.batch``: the same job on eight threads, written together; one batch after the other."""
    with Wiring(servers.settings) as wiring:
        _prepare(wiring, universe, BATCH)
        batch = wiring.batch(budget_s=600)
        batches = range(1, ceil(len(universe) / BATCH) + 1)
        return _timed(lambda: _each(lambda number: batch.run(_RUN, number), batches))


def plain_celery(servers: Servers, universe: list[Symbol]) -> float:
    """A Celery application that does the bare job, one message for each symbol, four processes."""
    with celery_worker(servers) as publish:
        return publish(universe)


CONTENDERS: dict[str, Contender] = {
    "bare loop": bare_loop,
    f"bare pool of {THREADS} threads": bare_pool,
    "plain Celery, 4 processes": plain_celery,
    "workers.pipeline.job, loop": our_loop,
    f"workers.pipeline.job, pool of {THREADS} threads": our_pool,
    f"workers.pipeline.batch of {BATCH}, {THREADS} threads": our_batches,
}


def run(*, quick: bool = False) -> list[Table]:
    """Time all contenders in turn, several rounds, and compare their medians."""
    universe = symbols(100 if quick else SYMBOLS)
    rates: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    with running_servers() as servers:
        for number in range(1 if quick else ROUNDS):
            for name, contender in CONTENDERS.items():
                servers.empty()
                rates[name].append(len(universe) / contender(servers, universe))
                progress(f"round {number + 1}: {name}: {rates[name][-1]:,.0f} symbols/s")
    loop = middle(rates["bare loop"])
    rows = [(name, middle(seen), min(seen), max(seen), middle(seen) / loop) for name, seen in rates.items()]
    return [
        Table("The job without Airflow", ("way", "symbols/s", "slowest", "fastest", "to the bare loop"), rows, _note())
    ]


def _note() -> str:
    return (
        f"{SYMBOLS} symbols into an empty table, median of {ROUNDS} rounds in turn; sandbox, PostgreSQL (it waits for "
        "its disk at each commit) and contender share the cores. The bare ones check nothing, keep no ledger and know "
        "no quota. Plain Celery is timed from the first message published to the last row, its worker warm."
    )


def _prepare(wiring: Wiring, universe: list[Symbol], batch_size: int | None = None) -> None:
    wiring.permits.prepare()
    wiring.store.ledger.plan_run(_RUN, universe, batch_size=batch_size)
    wiring.job.run("warm", Symbol("WARM"))


def _warm(pool: ThreadPoolExecutor) -> None:
    """Make the pool start all of its threads."""
    barrier = threading.Barrier(THREADS)
    list(pool.map(lambda _: barrier.wait(), range(THREADS)))


def _each(work: Callable[[T], object], items: Iterable[T]) -> None:
    for item in items:
        work(item)


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
