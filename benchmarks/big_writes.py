"""Upserts of whole days into a big market, beside those into empty tables."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Final

from psycopg2.extensions import cursor as Cursor

from benchmarks.big_market import BigMarket, provide
from benchmarks.clusters import progress
from benchmarks.comparing import percentile
from benchmarks.tables import Table
from common.datasets import daily_bars, quotes
from common.datasets.dataset import Table as Stored
from common.store import Store
from common.trading_calendar import NEW_YORK, known_sessions
from common.values import DailyBar, Quote, Symbol

EMPTY: Final = "market_empty"
DAYS: Final = 21
#: How many symbols a batch of the pipeline stores in a transaction.
_BATCH: Final = 50
_UNDO: Final = """
DELETE FROM daily_bars WHERE symbol = ANY(%(symbols)s) AND session > %(newest)s;
DELETE FROM stock_quotes WHERE latest_trading_day > %(newest)s;
DELETE FROM bar_revisions WHERE session > %(newest)s;
DELETE FROM quote_revisions WHERE latest_trading_day > %(newest)s;
DELETE FROM quality_pending
"""

Row = Quote | DailyBar


class Days:
    """Days after the market's newest, made up from it: rows for each symbol, and an end to all that they brought."""

    def __init__(self, market: BigMarket, cursor: Cursor) -> None:
        self._cursor = cursor
        with Store(market.dsn(), timeout_s=60) as store:
            self.quotes = store.quotes(limit=1_000_000)
        self.newest = max(quote.latest_trading_day for quote in self.quotes)
        until = date(self.newest.year + 1, 12, 31)
        self.sessions = [day for day in known_sessions(NEW_YORK, self.newest, until) if day > self.newest]

    @property
    def symbols(self) -> list[Symbol]:
        """All symbols, in order."""
        return [quote.symbol for quote in self.quotes]

    def bars_of(self, session: date) -> list[DailyBar]:
        """Return a bar of each symbol."""
        return [
            DailyBar(each.symbol, session, each.open_price, each.high_price, each.low_price, each.price, each.volume)
            for each in self.quotes
        ]

    def quotes_of(self, session: date) -> list[Quote]:
        """Return a quote of each symbol."""
        return [replace(each, latest_trading_day=session, data_timestamp=datetime.now(UTC)) for each in self.quotes]

    def undo(self) -> None:
        """Delete the days, and vacuum what they left rows in."""
        self._cursor.execute(_UNDO, {"symbols": self.symbols, "newest": self.newest})
        self._cursor.execute("VACUUM (ANALYZE) daily_bars, stock_quotes, bar_revisions, quality_pending")


def upserts(market: BigMarket, days: Days, *, times: int = DAYS) -> Table:
    """Store days one after the other in the big tables, and each in empty ones: new, equal, changed, and in batches."""
    provide(market, EMPTY)
    rows: list[Sequence[str | float]] = []
    with (
        closing(market.administrate(EMPTY)) as connection,
        connection.cursor() as cursor,
        Store(market.dsn(), timeout_s=60) as big,
        Store(market.dsn(database=EMPTY), timeout_s=60) as empty,
    ):
        for table, made in ((daily_bars.TABLE, days.bars_of), (quotes.TABLE, days.quotes_of)):
            seconds: dict[tuple[str, str], list[float]] = {}
            for session, next_session in zip(days.sessions[:times], days.sessions[times : 2 * times], strict=True):
                cursor.execute("TRUNCATE daily_bars, stock_quotes, adjustment_factors, bar_revisions")
                for name, store in (("big", big), ("empty", empty)):
                    for kind, took in _stored(store, table, made(session), made(next_session)):
                        seconds.setdefault((kind, name), []).append(took)
            rows += _beside(table.name, seconds)
            progress(f"upserts into {table.name}: done")
    return Table("A day's upsert of each symbol, beside empty tables (ms)", _UPSERT_COLUMNS, rows, _UPSERTS)


def _stored(store: Store, table: Stored, day: Sequence[Row], next_day: Sequence[Row]) -> Iterator[tuple[str, float]]:
    """Store a day in one transaction, equal and changed again, and the next one in batches; yield the seconds."""
    for kind, transactions in (
        ("new, in one transaction", [day]),
        ("equal, in one transaction", [day]),
        ("changed, in one transaction", [[_changed(row) for row in day]]),
        (f"new, {_BATCH} in a transaction", [next_day[at : at + _BATCH] for at in range(0, len(next_day), _BATCH)]),
    ):
        begun = time.perf_counter()
        for rows in transactions:
            store.save({table: rows})
        yield kind, time.perf_counter() - begun


def _changed(row: Row) -> Row:
    return replace(row, volume=row.volume + 1)


def _beside(table: str, seconds: dict[tuple[str, str], list[float]]) -> Iterator[tuple[str | float, ...]]:
    """Yield a row for each kind; the first of the days only warms up."""
    for kind in dict.fromkeys(kind for kind, _ in seconds):
        big, empty = seconds[kind, "big"][1:], seconds[kind, "empty"][1:]
        ratio = percentile(big, 50) / percentile(empty, 50)
        figures = (percentile(taken, percent) * 1000 for taken in (big, empty) for percent in (50, 95))
        yield f"{table}: {kind}", *figures, ratio


_UPSERT_COLUMNS: Final = ("rows", "p50", "p95", "empty: p50", "empty: p95", "p50 to the empty table's")
_UPSERTS: Final = (
    "Store.save: the rows as JSON, the upsert, the factors of symbols beside an ex-date, the commit. Each day in its "
    "turn goes into the big tables and into ones that were just emptied, on the same server; the next one in batches."
)
