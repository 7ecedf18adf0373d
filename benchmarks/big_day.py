"""What follows a day's run on a big market: the look for gaps, and every check of what was stored."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from operator import itemgetter
from typing import Final, TypeVar

from psycopg2.extensions import cursor as Cursor

from benchmarks.big_market import BigMarket
from benchmarks.big_writes import Days, Row
from benchmarks.clusters import progress
from benchmarks.comparing import percentile
from benchmarks.tables import Table, middle
from common.datasets import daily_bars, quotes
from common.quality import CheckCounts
from common.settings import PipelineSettings
from workers.pipeline.gaps import find_gaps
from workers.wiring import Wiring

DAYS: Final = 21
_RUN: Final = "history:benchmark"
_ANSWERED: Final = """
DELETE FROM fetch_outcomes WHERE run_id = %(run)s;
INSERT INTO fetch_outcomes (run_id, dataset, symbol, status, reason, planned_at, finished_at, session)
SELECT %(run)s, 'daily_bars', symbol, 'stored', 'updated', now(), now(), latest_trading_day FROM latest_quotes
"""
_UNDO: Final = """
DELETE FROM fetch_outcomes WHERE run_id = %(run)s;
DELETE FROM bar_revisions WHERE replaced_at > %(begun)s;
DELETE FROM quote_revisions WHERE replaced_at > %(begun)s;
DELETE FROM quality_findings;
DELETE FROM quality_pending
"""

T = TypeVar("T")


def after_runs(market: BigMarket, days: Days, cursor: Cursor, *, times: int = DAYS, long: bool = False) -> list[Table]:
    """Let a run change the newest session of every symbol, again and again, and time what follows each run.

    ``long``: let the checks go over all bars once before.
    """
    seconds: dict[str, list[float]] = {}

    def timed(name: str, work: Callable[[], T]) -> T:
        begun = time.perf_counter()
        result = work()
        seconds.setdefault(name, []).append(time.perf_counter() - begun)
        progress(f"{name}: {seconds[name][-1]:.1f} s")
        return result

    with Wiring(_settings(market)) as wiring, _undone(wiring, days, cursor):
        quality, symbols = wiring.store.quality, days.symbols
        cursor.execute("DELETE FROM bar_gaps; DELETE FROM bar_gap_checks")
        timed(_FIRST_GAPS, lambda: find_gaps(wiring, symbols, datetime.now(UTC)))
        if long:
            quality.pend()
            timed(_FIRST_CHECKS, lambda: quality.check_changed(datetime.now(UTC)))
        looks = list[CheckCounts]()
        for number in range(1, times + 1):
            _store(wiring, days, number)
            cursor.execute(_ANSWERED, {"run": _RUN})
            moment = datetime.now(UTC)
            timed(_GAPS, lambda: find_gaps(wiring, symbols, moment))  # noqa: B023  called at once
            looks.append(timed(_CHECKS, lambda: quality.check_changed(moment)))  # noqa: B023  called at once
            timed(_STALE, lambda: quality.check_stale(symbols, moment))  # noqa: B023  called at once
    rows = [
        (name, len(taken), percentile(taken, 50), percentile(taken, 95), min(taken)) for name, taken in seconds.items()
    ]
    title = f"After a run of {len(days.symbols):,} symbols (s)"
    return [Table(title, ("what", "times", "p50", "p95", "fastest"), rows, _NOTE), _each_check(looks)]


def _settings(market: BigMarket) -> PipelineSettings:
    environment = {
        "SANDBOX_URL": "http://127.0.0.1:1",  # nobody is asked
        "MARKET_DATABASE_URL": market.dsn().get_secret_value(),
        "WORKER_NAME": "benchmark",
    }
    return PipelineSettings.from_environment(environment)


@contextmanager
def _undone(wiring: Wiring, days: Days, cursor: Cursor) -> Iterator[None]:
    """Give the newest session its values back in the end; what is known of gaps stays."""
    cursor.execute("SELECT clock_timestamp()")
    ((begun,),) = cursor.fetchall()
    try:
        yield
    finally:
        _store(wiring, days, 0)
        cursor.execute(_UNDO, {"run": _RUN, "begun": begun})
        cursor.execute("VACUUM (ANALYZE)")


def _store(wiring: Wiring, days: Days, more: int) -> None:
    """Store the newest session with a little more volume, as a provider corrects it."""
    wiring.store.save({daily_bars.TABLE: [_traded(row, more) for row in days.bars_of(days.newest)]})
    wiring.store.save({quotes.TABLE: [_traded(row, more) for row in days.quotes_of(days.newest)]})


def _traded(row: Row, more: int) -> Row:
    return replace(row, volume=row.volume + more)


def _each_check(looks: Sequence[CheckCounts]) -> Table:
    """Return what each check took, the longest first."""
    rows = [(name, middle(look.seconds[name] for look in looks)) for name in looks[0].seconds]
    return Table("Each check after a run (s)", ("check", "p50"), sorted(rows, key=itemgetter(1), reverse=True), _EACH)


_FIRST_GAPS: Final = "gaps: the first look, at all bars"
_FIRST_CHECKS: Final = "checks: all of them over all bars"
_GAPS: Final = "gaps: after a run"
_CHECKS: Final = "checks: all of them after a run"
_STALE: Final = "checks: whether a symbol is stale"
_NOTE: Final = (
    "Each run changes the newest bar and quote of every symbol and answers for all of them in the ledger. Then "
    "workers.pipeline.gaps.find_gaps, Quality.check_changed and Quality.check_stale, one after the other."
)
_EACH: Final = "The SQL of each check and its rows, without what finds the rows that changed and writes the findings."
