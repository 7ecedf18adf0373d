"""The writer of a batch, interrupted wherever Python can be interrupted."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from types import FrameType, SimpleNamespace
from typing import Any

from common.datasets import daily_bars, quotes
from common.provider import Request
from common.replies import RawReply
from common.store import Store
from common.values import Outcome, OutcomeStatus, Rejection, Symbol
from tests.support.batches import RUN
from tests.support.market import Market
from tests.support.rows import MONDAY, NOON, bar, quote
from workers.pipeline import batch_writer
from workers.pipeline.batch_writer import MAX_ROWS, Entry, Writer

REFUSED = Rejection("incomplete", "no price")


@contextmanager
def interrupted_at(step: int) -> Iterator[None]:
    """Raise TimeoutError, as a signal's handler would, before the writer's instruction number ``step``."""
    left = step

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename != batch_writer.__file__:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if left == 0:
                raise TimeoutError
        return trace

    before = sys.gettrace()
    sys._getframe().f_trace_opcodes = True  # Python 3.12 looks for it when tracing begins, and traces no opcode else
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def said(symbol: Symbol, text: str = "{}") -> RawReply:
    return RawReply(Request("GLOBAL_QUOTE", symbol, {"symbol": symbol}), symbol, text, NOON)


def entries(run_id: str, step: int) -> list[Entry]:
    """A stored quote, a refused reply and a failure, of symbols that no other step has."""
    stored, refused, failed = (
        Outcome(run_id, Symbol(f"S{step}.{status.upper()}"), status, "reason", "detail")
        for status in (OutcomeStatus.STORED, OutcomeStatus.QUARANTINED, OutcomeStatus.FAILED)
    )
    return [
        Entry(stored, {quotes.TABLE: [quote(stored.symbol)]}),
        Entry(refused, refused=(REFUSED, said(refused.symbol))),
        Entry(failed),
    ]


def job_of(store: Store) -> SimpleNamespace:
    """What a writer needs of a job: where things go."""
    return SimpleNamespace(store=store, ledger=store.ledger, quarantine=store.quarantine)


def test_a_refused_row_loses_no_other(store: Store, market: Market):
    """What an interruption leaves is written also where PostgreSQL refuses one row of it."""
    given = entries(RUN, 1)
    store.ledger.plan_run(RUN, [entry.outcome.symbol for entry in given], batch_size=len(given))
    writer = Writer(job_of(store), len(given))
    writer.put(replace(given[2], rows={quotes.TABLE: [quote("REFUSED", price=Decimal("NaN"))]}))
    writer.keep([said(entry.outcome.symbol) for entry in given])
    for entry in given[:2]:
        writer.put(entry)
    writer.write_rest()
    assert [outcome.status for outcome in store.ledger.outcomes(RUN)] == [
        OutcomeStatus.PLANNED,
        OutcomeStatus.QUARANTINED,
        OutcomeStatus.STORED,
    ]
    assert market.query("SELECT count(*) FROM raw_replies") == [(len(given),)]


def test_a_history_waits_for_room(store: Store, market: Market):
    """Of histories that come faster than they are written few are held at a time, and few are in one transaction."""
    symbols = [Symbol(f"H{number}") for number in range(12)]
    store.ledger.plan_run(RUN, symbols, batch_size=len(symbols))
    writer = Writer(job_of(store), len(symbols))
    held: list[int] = []

    def hand_over(symbol: Symbol) -> None:
        rows = [bar(symbol, session=MONDAY - timedelta(days=back)) for back in range(MAX_ROWS // 2)]
        writer.put(Entry(Outcome(RUN, symbol, OutcomeStatus.STORED), {daily_bars.TABLE: rows}))
        held.append(sum(entry.row_count for entry in writer._unwritten))

    with ThreadPoolExecutor(4) as threads:
        writer.write_all([threads.submit(hand_over, symbol) for symbol in symbols])
    assert max(held) < MAX_ROWS
    assert market.query("SELECT count(*) FROM daily_bars") == [(len(symbols) * MAX_ROWS // 2,)]
    of_each = "SELECT count(DISTINCT symbol) FROM daily_bars GROUP BY xmin::text"
    assert max(market.query(of_each)) == (2,)


def test_a_long_history_alone(store: Store, market: Market):
    """One that is longer than all that may wait is written in one transaction, and its thread goes on."""
    rows = [bar(session=MONDAY - timedelta(days=back)) for back in range(MAX_ROWS + 1)]
    store.ledger.plan_run(RUN, [Symbol("IBM")], batch_size=1)
    writer = Writer(job_of(store), 1)
    writer.put(Entry(Outcome(RUN, Symbol("IBM"), OutcomeStatus.STORED), {daily_bars.TABLE: rows}))
    writer.write_all()
    assert market.query("SELECT count(*), count(DISTINCT xmin::text) FROM daily_bars") == [(len(rows), 1)]


def test_an_interruption_frees_who_waits(store: Store):
    """A writer that is interrupted lets go of the threads that wait for room, so that the task can end."""
    symbols = [Symbol(f"H{number}") for number in range(4)]
    writer = Writer(job_of(store), len(symbols))

    def hand_over(symbol: Symbol) -> None:
        rows = [bar(symbol, session=MONDAY - timedelta(days=back)) for back in range(MAX_ROWS)]
        writer.put(Entry(Outcome(RUN, symbol, OutcomeStatus.STORED), {daily_bars.TABLE: rows}))

    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(hand_over, symbol) for symbol in symbols]
        with suppress(TimeoutError), interrupted_at(60):
            writer.write_all(waiting)
    assert all(worker.done() for worker in waiting)


def test_an_interruption_anywhere_loses_no_reply(store: Store, market: Market):
    """Whatever instruction a time-out comes at, all that the threads handed over is written at the end."""
    step, ended = 0, False
    while not ended:
        step += 1
        run_id = f"{RUN}.{step}"
        given = entries(run_id, step)
        store.ledger.plan_run(run_id, [entry.outcome.symbol for entry in given], batch_size=len(given))
        writer = Writer(job_of(store), len(given))
        for entry in given:
            writer.keep([said(entry.outcome.symbol)])
            writer.put(entry)
        with suppress(TimeoutError), interrupted_at(step):
            writer.write_all()
            ended = True
        writer.write_rest()
        lost = {outcome.symbol for outcome in store.ledger.outcomes(run_id) if outcome.status is OutcomeStatus.PLANNED}
        assert not lost, f"interrupted at instruction {step}"
    assert step > 100, "the writer was interrupted at too few places to tell"
    for table in ("stock_quotes", "quarantine"):
        (counts,) = market.query(f"SELECT count(*), count(DISTINCT symbol) FROM {table}")
        assert counts == (step, step), table
    assert market.query("SELECT count(*) FROM raw_replies") == [(3 * step,)]
