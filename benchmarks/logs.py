"""What it costs a batch that each line of its logs names run, symbol, try and worker; and what a line costs."""

import io
import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from math import ceil

from benchmarks.clusters import progress, symbols
from benchmarks.servers import Servers, running_servers
from benchmarks.tables import Table, middle
from common.logs import TIMED, LogFormatter, bound
from common.redaction import RedactingFilter, Redactor
from common.values import Symbol
from workers.pipeline import batch_threads
from workers.wiring import Wiring

SYMBOLS, ROUNDS, BATCH, LINES = 1000, 9, 250, 20_000
_RUN = "benchmark"


def run(*, quick: bool = False) -> list[Table]:
    """Run batches with and without what is bound, in turn; then write lines of each format."""
    universe = symbols(100 if quick else SYMBOLS)
    ways: dict[str, Callable[..., AbstractContextManager[object]]] = {
        "nothing bound": lambda **_: nullcontext(),
        "as it is": bound,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    with running_servers() as servers:
        for number in range(1 if quick else ROUNDS):
            for name, way in ways.items():
                servers.empty()
                seconds[name].append(_batches(servers, universe, way))
                progress(f"round {number + 1}: {name}: {seconds[name][-1]:.3f} s of CPU")
    ratios = [after / before for before, after in zip(*seconds.values(), strict=True)]
    rows = [(name, 1e6 * middle(seen) / len(universe)) for name, seen in seconds.items()]
    return [
        Table(
            "What is bound to each line of a batch's log",
            ("way", "µs of CPU a symbol"),
            [*rows, ("ratio, median of the rounds", middle(ratios))],
            f"{len(universe)} symbols on eight threads, CPU of this process alone; {ROUNDS} rounds in turn.",
        ),
        Table("A line of the log", ("format", "µs"), _lines(LINES // 100 if quick else LINES), _note()),
    ]


def _batches(servers: Servers, universe: list[Symbol], way: Callable[..., AbstractContextManager[object]]) -> float:
    """Return the CPU (s) that the batches of a run take with ``way`` in the place of ``bound``."""
    shipped, batch_threads.bound = batch_threads.bound, way  # type: ignore[assignment,attr-defined]  # imported there
    try:
        with Wiring(servers.settings) as wiring, way(run=_RUN, attempt=1, worker="benchmark"):
            wiring.permits.prepare()
            wiring.store.ledger.plan_run(_RUN, universe, batch_size=BATCH)
            wiring.job.run("warm", Symbol("WARM"))
            batch = wiring.batch(budget_s=600)
            begun = time.process_time()
            for number in range(1, ceil(len(universe) / BATCH) + 1):
                batch.run(_RUN, number)
            return time.process_time() - begun
    finally:
        batch_threads.bound = shipped  # type: ignore[attr-defined]  # same


def _lines(count: int) -> list[tuple[str, float]]:
    formats = {
        "text, nothing bound": (logging.Formatter(TIMED), {}),
        "text": (LogFormatter(TIMED), {"run": _RUN, "symbol": "IBM", "attempt": 1, "worker": "worker-1"}),
        "JSON": (LogFormatter(as_json=True), {"run": _RUN, "symbol": "IBM", "attempt": 1, "worker": "worker-1"}),
    }
    return [(name, 1e6 * _line(formatter, facts, count)) for name, (formatter, facts) in formats.items()]


def _line(formatter: logging.Formatter, facts: dict[str, object], count: int) -> float:
    """Return the CPU (s) of one line, redacted and written to memory."""
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(formatter)
    handler.addFilter(RedactingFilter(Redactor(["a-secret-of-the-settings"])))
    log = logging.Logger("benchmark")
    log.addHandler(handler)
    with bound(**facts):
        begun = time.process_time()
        for _ in range(count):
            log.warning("%s: no reply: connection reset by peer", "IBM")
        return (time.process_time() - begun) / count


def _note() -> str:
    return "A warning with one argument, through the filter that takes secrets out. Airflow's own lines cost more."
