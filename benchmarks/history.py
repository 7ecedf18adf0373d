"""All the daily bars of many symbols: a bare loop of json.loads and COPY, our own code, and the cluster, in turn.

All of them ask the cluster's sandbox, which has made each reply before, and write into its PostgreSQL.
"""

import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from math import ceil
from typing import Final

import psycopg2
import requests

from benchmarks.cluster import cpu
from benchmarks.clusters import Contender, Measured, Run, folder_of_clusters, progress, running, symbols
from benchmarks.tables import Table, middle
from common.datasets.full_history import FULL_HISTORY
from common.provider.strict_json import read_object
from common.redaction import Redactor
from common.settings import SANDBOX_API_KEY
from common.values import Reply, Symbol
from workers.pipeline.feeds import HISTORY
from workers.wiring import Wiring

SYMBOLS, ROUNDS, BATCH = 300, 3, 50
CLUSTER: Final = Contender(
    "the cluster",
    {
        "STOCK_HISTORY": "on",
        "STOCK_ACTIONS": "off",
        "FULL_HISTORY": "on",
        "SYMBOLS_PER_TASK": "auto",
    },
)
_RUN: Final = "benchmark"
_SERIES: Final = "Time Series (Daily)"
_FIELDS: Final = ("1. open", "2. high", "3. low", "4. close", "5. volume")
_COPY: Final = "COPY daily_bars (symbol, session, open_price, high_price, low_price, close_price, volume) FROM STDIN"
#: After this part of a run a worker has its normal size.
_EARLY: Final = 0.25

Way = Callable[[Measured, Sequence[Symbol]], object]


def bare_loop(measured: Measured, universe: Sequence[Symbol]) -> None:
    """One session, one connection, one symbol after the other; nothing is checked."""
    connection = psycopg2.connect(measured.database_url)
    with requests.Session() as session:
        for symbol in universe:
            series = json.loads(_body(session, measured, symbol))[_SERIES]
            lines = ("\t".join((symbol, day, *(bar[name] for name in _FIELDS))) for day, bar in series.items())
            with connection, connection.cursor() as cursor:
                cursor.copy_expert(_COPY, io.StringIO("\n".join(lines)))
    connection.close()


def our_parsing(measured: Measured, universe: Sequence[Symbol]) -> None:
    """What our code makes of the bytes: redacted text, strict JSON, checked bars. On one core, nothing stored."""
    redactor = Redactor([SANDBOX_API_KEY])
    with requests.Session() as session:
        for symbol in universe:
            body = _body(session, measured, symbol)
            reply = Reply(read_object(body), redactor.text(body.decode()), datetime.now(UTC), 0.0)
            FULL_HISTORY.parse(symbol, reply)


def our_batches(measured: Measured, universe: Sequence[Symbol]) -> None:
    """``workers.pipeline.batch``: quota, client, validation, store, ledger, on eight threads; one after the other."""
    with Wiring(measured.settings, FULL_HISTORY) as wiring:
        wiring.permits.prepare()
        wiring.store.ledger.plan_run(_RUN, universe, batch_size=BATCH, dataset=FULL_HISTORY.name)
        batch = wiring.batch(budget_s=600)
        for number in range(1, ceil(len(universe) / BATCH) + 1):
            batch.run(_RUN, number)


WAYS: Final[dict[str, Way]] = {
    "bare loop": bare_loop,
    "our parsing alone, nothing stored": our_parsing,
    f"workers.pipeline.batch of {BATCH}, 8 threads": our_batches,
}


def run(*, quick: bool = False) -> list[Table]:
    """Time all ways in turn, several rounds, and compare their medians."""
    universe = symbols(20 if quick else SYMBOLS)
    rates: dict[str, list[float]] = {name: [] for name in (*WAYS, CLUSTER.name)}
    runs: list[Run] = []
    with folder_of_clusters() as folder, running(CLUSTER, folder) as measured:
        our_parsing(measured, universe)  # the sandbox makes each reply once
        bars = len(universe) * _length(measured, universe[0])
        for _ in range(1 if quick else ROUNDS):
            for name, way in WAYS.items():
                measured.empty()
                rates[name].append(bars / _timed(partial(way, measured, universe)))
                _require(measured, 0 if way is our_parsing else bars)
                progress(f"{name}: {rates[name][-1]:,.0f} bars/s")
            runs.append(measured.run(len(universe), feed=HISTORY))
            _require(measured, bars)
            rates[CLUSTER.name].append(bars / runs[-1].last_row_s)
            progress(f"{CLUSTER.name}: {rates[CLUSTER.name][-1]:,.0f} bars/s")
    return [_speed(rates, bars, len(universe)), cpu({(CLUSTER.name, len(universe)): runs}), _memory(runs)]


def _body(session: requests.Session, measured: Measured, symbol: Symbol) -> bytes:
    request = FULL_HISTORY.request(symbol)
    params = {"function": request.function, **request.params, "apikey": SANDBOX_API_KEY}
    response = session.get(f"{measured.settings.sandbox_url}/query", params=params, timeout=30)
    response.raise_for_status()
    return response.content


def _length(measured: Measured, symbol: Symbol) -> int:
    with requests.Session() as session:
        return len(json.loads(_body(session, measured, symbol))[_SERIES])


def _require(measured: Measured, bars: int) -> None:
    ((stored,),) = measured.query("SELECT count(*) FROM daily_bars")
    if stored != bars:
        raise RuntimeError(f"{stored} bars are stored, and not {bars}")


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _speed(rates: Mapping[str, Sequence[float]], bars: int, count: int) -> Table:
    loop = middle(rates["bare loop"])
    rows = [(name, middle(seen), min(seen), max(seen), middle(seen) / loop) for name, seen in rates.items()]
    note = (
        f"{count} symbols with {bars:,} bars in all, into an empty table; medians of {len(rates['bare loop'])} rounds "
        "in turn. Sandbox, PostgreSQL (it waits for its disk at each commit) and contender share the cores. The "
        "sandbox has made each reply before. The bare loop checks nothing, and keeps neither a ledger nor the reply; "
        "ours keeps both. The cluster is timed from the trigger to the last row, with no quota to speak of."
    )
    return Table("Histories", ("way", "bars/s", "slowest", "fastest", "to the bare loop"), rows, note)


def _memory(runs: Sequence[Run]) -> Table:
    """Return what each worker takes early in a run, at most, and at its end."""
    rows: list[Sequence[str | float]] = []
    for number, one in enumerate(runs, 1):
        begun = next(moment for moment, done in one.done if done >= _EARLY * one.symbols)
        samples = [sample for moment, sample in one.watch.memory if moment >= begun]
        for worker in sorted(name for name in samples[-1] if name.startswith("worker-")):
            sizes = [sample[worker] for sample in samples]
            rows.append((str(number), worker, sizes[0], max(sizes), sizes[-1]))
    note = (
        f"Proportional set size (MB) of all processes of a worker, sampled every second; early is after {_EARLY:.0%} "
        "of the symbols."
    )
    return Table("Memory of the workers", ("run", "worker", "early", "peak", "end"), rows, note)
