"""Each line that is logged on a batch's threads says which run, symbol, try and worker it is of."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from common.logs import LogFormatter, bound
from common.values import Symbol
from workers.wiring import Wiring

RUN = "manual__1"
SYMBOLS = ["IBM", "NOSUCH1", "NOSUCH2", "FAULT-RESET-BEFORE", "AAPL"]


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged, as JSON lines."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LogFormatter(as_json=True))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def test_lines_of_threads_name_their_symbol(wiring: Wiring, lines: io.StringIO):
    """Warnings of several threads of a batch each have their own symbol, and all of them the run's facts."""
    wiring.store.ledger.plan_run(RUN, [Symbol(symbol) for symbol in SYMBOLS], batch_size=len(SYMBOLS))
    with bound(run=RUN, attempt=2, worker="worker-7"):
        wiring.batch(budget_s=30).run(RUN, 1)
    logged = [json.loads(line) for line in lines.getvalue().splitlines()]
    warnings = [line for line in logged if line["logger"] == "workers.pipeline.batch_threads"]
    assert {line["symbol"] for line in warnings} == {"NOSUCH1", "NOSUCH2", "FAULT-RESET-BEFORE"}
    assert all(line["symbol"] in line["event"] for line in warnings)
    assert {(line.get("run"), line.get("attempt"), line.get("worker")) for line in logged} == {(RUN, "2", "worker-7")}
