"""The store: rows and their ledger lines in one transaction, the newest rows, and retention."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from operator import attrgetter
from time import perf_counter
from types import TracebackType
from typing import Final, Self

from psycopg2.extensions import cursor as Cursor  # noqa: N812  a class, whatever its name says
from pydantic import SecretStr

from common.database.address import Address
from common.database.migrations import HEAD
from common.database.pool import Connections
from common.database.queries import read_version, statement
from common.database.rows import FINAL_AFTER, as_json, aware, last_of_each
from common.datasets import quotes
from common.errors import StoreNotReady
from common.ledger import CallLedger, OutcomeLedger
from common.quarantine import Quarantine
from common.values import DailyBar, Outcome, OutcomeStatus, Quote, Symbol, UpsertCounts

log = logging.getLogger(__name__)

_BATCH: Final = 5_000
#: Calls are kept for the longest window of a quota, the rolling day, and a day to look back at.
_CALL_DAYS: Final = 2
_RETAINED: Final = ("stock_quotes", "fetch_outcomes", "quarantine", "api_calls")


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """The database's state. ``latency_s`` is one query's round trip, the connection already open."""

    server_version: str
    revision: str | None
    expected_revision: str
    latency_s: float

    @property
    def at_head(self) -> bool:
        """Whether the schema is the one that this version was written for."""
        return self.revision == self.expected_revision

    def __str__(self) -> str:
        state = f"revision {self.revision}" if self.revision else "no tables"
        wanted = "" if self.at_head else f", but this version needs revision {self.expected_revision}"
        return f"PostgreSQL {self.server_version}, {state}{wanted}"

    def require_head(self) -> None:
        """Raise StoreNotReady unless the schema is the one that this version was written for."""
        if not self.at_head:
            raise StoreNotReady(f"{self}: run python -m common.migrate of this version.")


class Store:
    """The market database: its rows, and beside them ``ledger``, ``calls`` and ``quarantine``.

    Outcomes and refused replies are those of ``dataset``; calls are of all.

    Thread-safe; connects when it is first used, and again after the server restarted.
    ``dsn`` is a libpq URL. A statement may take ``timeout_s``, a transaction on a server that hangs twice as much.
    At most ``pool_size`` connections; who finds them all busy waits up to ``timeout_s``.

    Every method raises StoreUnavailable (try again: nothing was stored, or it was stored and its acknowledgement
    got lost, and storing it again changes nothing), StoreNotReady (migrate first) or RowRefused.
    """

    def __init__(
        self,
        dsn: SecretStr,
        *,
        timeout_s: float = 10,
        pool_size: int = 4,
        application_name: str = "stock-pipeline",
        dataset: str = quotes.NAME,
    ) -> None:
        self._address = Address(dsn, timeout_s=timeout_s, application_name=application_name)
        self._connections = Connections(self._address, size=pool_size, timeout_s=timeout_s)
        self.ledger = OutcomeLedger(self._connections, dataset)
        self.calls = CallLedger(self._connections)
        self.quarantine = Quarantine(self._connections, self.ledger)

    def __repr__(self) -> str:
        return f"Store({self._address})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the next use opens new ones."""
        self._connections.close()

    # Quotes and bars

    def save_quotes(self, quotes: Sequence[Quote], outcomes: Sequence[Outcome] = ()) -> UpsertCounts:
        """Store quotes and their ledger lines together. Of the same symbol and day, the latest reply counts; until the
        day is final, one with less volume is no later one. What a final day's last word changed is logged.

        The ledger's reason for a stored symbol becomes ``inserted``, ``updated`` or ``unchanged``; one whose day is
        before the session that the plan wants is ``stale``.
        """
        newest = _newest_of_each(quotes)
        for quote in newest.values():
            aware(quote.data_timestamp)

        def save(cursor: Cursor) -> UpsertCounts:
            changes = _upsert(cursor, "upsert_quotes", list(newest.values()))
            by_symbol = {symbol: changes.get((symbol, day), "unchanged") for symbol, day in sorted(newest)}
            self.ledger.write(cursor, [_with_change(outcome, by_symbol) for outcome in outcomes], dict(sorted(newest)))
            return _count(changes, len(newest))

        counts = self._connections.run(save)
        self.ledger.look_for_outage(outcomes)
        return counts

    def save_bars(self, bars: Sequence[DailyBar]) -> UpsertCounts:
        """Store daily bars. Of the same symbol and session, the last one given counts."""
        rows = last_of_each(bars, attrgetter("symbol", "session"))
        return self._connections.run(lambda cursor: _count(_upsert(cursor, "upsert_bars", rows), len(rows)))

    def quotes(self, symbols: Iterable[Symbol] | None = None, limit: int = 1000) -> list[Quote]:
        """Return the newest quote of each of the symbols (of all, if None), by symbol, at most ``limit``."""
        asked = None if symbols is None else [str(symbol) for symbol in symbols]
        rows = self._connections.query("newest_quotes", {"symbols": asked, "row_limit": limit})
        return [Quote(Symbol(symbol), *values) for symbol, *values in rows]

    def latest_sessions(self, symbols: Iterable[Symbol]) -> dict[Symbol, date]:
        """Return the newest stored trading day of each symbol that has one."""
        rows = self._connections.query("latest_sessions", {"symbols": as_json(dict.fromkeys(symbols))})
        return {Symbol(symbol): day for symbol, day in rows}

    # Upkeep

    def delete_older_than(self, days: int) -> dict[str, int]:
        """Delete what is older than ``days``; return the number of rows for each table. Daily bars are kept.

        Each batch is a transaction of its own, so no lock lasts long and an interrupted cleaning goes on next time.
        """
        if days < 1:
            raise ValueError(f"a retention of {days} days would delete today's rows: keep at least 1.")
        ages = {table: min(days, _CALL_DAYS) if table == "api_calls" else days for table in _RETAINED}
        return {table: self._delete_old(table, age) for table, age in ages.items()}

    def check(self) -> StoreHealth:
        """Return the server's version, the schema's revision and the time of a round trip."""

        def look(cursor: Cursor) -> StoreHealth:
            version, revision = read_version(cursor)
            started = perf_counter()
            cursor.execute("SELECT 1")
            return StoreHealth(version, revision, HEAD, perf_counter() - started)

        return self._connections.run(look)

    def _delete_old(self, table: str, days: int) -> int:
        deleted = 0
        while batch := self._connections.execute(f"delete_old_{table}", {"days": days, "row_limit": _BATCH}):
            deleted += batch
        return deleted


def _upsert(cursor: Cursor, name: str, rows: Sequence[object]) -> dict[tuple[str, date], str]:
    """Run an upsert; return what became of each row that changed, by its key, and log what is worth it."""
    if not rows:
        return {}
    cursor.execute(statement(name), {"rows": as_json(rows)})
    changed = cursor.fetchall()
    for symbol, day, _, *old_to_new in changed:
        if any(old_to_new):
            log.info("%s: the final values of %s changed: %s", symbol, day, *old_to_new)
    return {(symbol, day): "inserted" if inserted else "updated" for symbol, day, inserted, *_ in changed}


def _newest_of_each(quotes: Iterable[Quote]) -> dict[tuple[Symbol, date], Quote]:
    """Return one quote for each key: the one whose reply came last, of equals the last one given.

    As in ``upsert_quotes``, a reply with less volume does not replace one with more before its day is final.
    """
    newest: dict[tuple[Symbol, date], Quote] = {}
    for quote in sorted(quotes, key=attrgetter("data_timestamp")):
        key = (quote.symbol, quote.latest_trading_day)
        if key not in newest or quote.volume >= newest[key].volume or _is_final(quote):
            newest[key] = quote
    return newest


def _is_final(quote: Quote) -> bool:
    """Whether the reply is one about a day that is over on every exchange, by twelve hours."""
    return quote.data_timestamp >= datetime.combine(quote.latest_trading_day, time(), UTC) + FINAL_AFTER


def _with_change(outcome: Outcome, changes: Mapping[Symbol, str]) -> Outcome:
    if outcome.status is not OutcomeStatus.STORED or outcome.symbol not in changes:
        return outcome
    return replace(outcome, reason=changes[outcome.symbol])


def _count(changes: Mapping[tuple[str, date], str], total: int) -> UpsertCounts:
    inserted = sum(change == "inserted" for change in changes.values())
    return UpsertCounts(inserted, len(changes) - inserted, total - len(changes))
