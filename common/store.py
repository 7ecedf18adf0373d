"""The store: rows and their ledger lines in one transaction, the newest rows, and retention."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from operator import attrgetter
from time import perf_counter
from types import TracebackType
from typing import Any, Final, Self

from psycopg2.extensions import cursor as Cursor
from pydantic import SecretStr

from common.adjust.rebuild import refresh_factors
from common.database.address import Address
from common.database.copying import copy_new
from common.database.migrations import HEAD
from common.database.pool import Connections
from common.database.queries import read_version, statement
from common.database.rows import as_json, aware
from common.database.upsert import latest_sessions, upsert, withdraw
from common.datasets.dataset import Table
from common.datasets.quotes import TABLE
from common.errors import StoreNotReady
from common.ledger import CallLedger, Entitlements, OutcomeLedger
from common.quarantine import Quarantine
from common.replies import RawReply, Replies
from common.universe.listing_table import ListingTable
from common.values import Outcome, OutcomeStatus, Quote, Symbol, UpsertCounts

log = logging.getLogger(__name__)

#: What became of the rows that changed, by their keys.
Changes = dict[tuple[Any, ...], str]

_INSERTED: Final = "inserted"
_UPDATED: Final = "updated"
_UNCHANGED: Final = "unchanged"
_BATCH: Final = 5_000
#: Of replies fewer go in a step: the history of a symbol fills eighty rows of TOAST.
_REPLY_BATCH: Final = 500
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
    """The market database: its rows, and beside them ``ledger``, ``calls``, ``replies`` and ``quarantine``,
    and ``listings``, the lists of companies.

    Replies are kept for ``raw_retention_days``; 0 keeps none.

    Thread-safe; connects when it is first used, and again after the server restarted.
    ``dsn`` is a libpq URL. A statement may take ``timeout_s``, a transaction on a server that hangs twice as much.
    At most ``pool_size`` connections; a caller that finds them all busy waits up to ``timeout_s``.

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
        raw_retention_days: int = 30,
    ) -> None:
        self._address = Address(dsn, timeout_s=timeout_s, application_name=application_name)
        self._connections = Connections(self._address, size=pool_size, timeout_s=timeout_s)
        self.ledger = OutcomeLedger(self._connections)
        self.calls = CallLedger(self._connections)
        self.listings = ListingTable(self._connections)
        self.replies = Replies(self._connections, days=raw_retention_days)
        self.quarantine = Quarantine(self._connections, self.ledger, self.replies)

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

    def entitlements(self, key_digest: str, plan: str, *, holds_for: timedelta) -> Entitlements:
        """Return what the provider refuses to a key under its plan; a refusal holds for so long."""
        return Entitlements(self._connections, key_digest, plan, holds_for=holds_for)

    def save(
        self,
        rows: Mapping[Table, Sequence[object]],
        outcomes: Sequence[Outcome] = (),
        replies: Sequence[RawReply] = (),
    ) -> UpsertCounts:
        """Store rows and their ledger lines together; of two rows with one key the table says which one counts.

        With them go the ``replies`` that were not kept before.

        The ledger's reason for a stored symbol becomes ``inserted``, ``updated`` or ``unchanged``; one whose newest
        session is before the one that the plan wants is ``stale``. What a final day's last word changed is logged.
        """
        chosen = {table: table.one_of_each(values) for table, values in rows.items()}
        _require_aware(chosen)

        def save(cursor: Cursor) -> UpsertCounts:
            self.replies.write(cursor, replies)
            changes = {table: _store(cursor, table, values) for table, values in chosen.items()}
            refresh_factors(cursor, changes)
            reasons = _reasons(chosen, changes)
            self.ledger.write(cursor, [_with_reason(each, reasons) for each in outcomes], _sessions(chosen))
            return _count(changes, sum(map(len, chosen.values())))

        counts = self._connections.run(save)
        self.ledger.look_for_outage(outcomes)
        return counts

    def quotes(self, symbols: Iterable[Symbol] | None = None, limit: int = 1000) -> list[Quote]:
        """Return the newest quote of each of the symbols (of all, if None), by symbol, at most ``limit``."""
        asked = None if symbols is None else [str(symbol) for symbol in symbols]
        rows = self._connections.query("newest_quotes", {"symbols": asked, "row_limit": limit})
        return [Quote(Symbol(symbol), *values) for symbol, *values in rows]

    def latest_sessions(self, symbols: Iterable[Symbol], tables: Sequence[Table] = (TABLE,)) -> dict[Symbol, date]:
        """Return the trading day up to which all of the tables have rows, of each symbol that has some in each."""
        asked = {"symbols": as_json(dict.fromkeys(symbols))}

        def look(cursor: Cursor) -> dict[Symbol, date]:
            days: list[dict[str, date]] = []
            for table in tables:
                cursor.execute(latest_sessions(table), asked)
                days.append(dict(cursor.fetchall()))
            in_all = set.intersection(*map(set, days))
            return {Symbol(symbol): min(of_table[symbol] for of_table in days) for symbol in in_all}

        return self._connections.run(look)

    def unexplained_jumps(self, symbols: Iterable[Symbol]) -> dict[Symbol, datetime]:
        """Return the symbols whose price has lately jumped without a split that is stored, and when that was seen."""
        rows = self._connections.query("unexplained_jumps", {"symbols": as_json(dict.fromkeys(symbols))})
        return {Symbol(symbol): seen_at for symbol, seen_at in rows}

    # Upkeep

    def delete_older_than(self, days: int) -> dict[str, int]:
        """Delete what is older than ``days``; return the number of rows for each table. Daily bars are kept.

        Replies have a retention of their own, and one that quarantine points at stays as long as that does.
        Each batch is a transaction of its own, so no lock lasts long and an interrupted cleaning goes on next time.
        """
        if days < 1:
            raise ValueError(f"a retention of {days} days would delete today's rows: keep at least 1.")
        ages = {table: min(days, _CALL_DAYS) if table == "api_calls" else days for table in _RETAINED}
        deleted = {table: self._delete_old(table, age, _BATCH) for table, age in ages.items()}
        return deleted | {"raw_replies": self._delete_old("raw_replies", self.replies.days, _REPLY_BATCH)}

    def check(self) -> StoreHealth:
        """Return the server's version, the schema's revision and the time of a round trip."""

        def look(cursor: Cursor) -> StoreHealth:
            version, revision = read_version(cursor)
            started = perf_counter()
            cursor.execute("SELECT 1")
            return StoreHealth(version, revision, HEAD, perf_counter() - started)

        return self._connections.run(look)

    def _delete_old(self, table: str, days: int, row_limit: int) -> int:
        deleted = 0
        while batch := self._connections.execute(f"delete_old_{table}", {"days": days, "row_limit": row_limit}):
            deleted += batch
        return deleted


def _require_aware(rows: Mapping[Table, Sequence[object]]) -> None:
    """Raise TypeError for a time without a zone, which PostgreSQL would have to guess."""
    for table, values in rows.items():
        if table.version:
            for row in values:
                aware(getattr(row, table.version))


def _store(cursor: Cursor, table: Table, rows: Sequence[object]) -> Changes:
    """Copy the rows of symbols that are new as a whole, and upsert the others."""
    copied = dict.fromkeys(copy_new(cursor, table, rows), _INSERTED)
    keyed = zip(map(table.key_of, rows), rows, strict=True)
    return copied | _upsert(cursor, table, [row for key, row in keyed if key not in copied])


def _upsert(cursor: Cursor, table: Table, rows: Sequence[object]) -> Changes:
    """Run an upsert; return what became of each row that changed, by its key, and log what is worth it."""
    if not rows:
        return {}
    cursor.execute(statement(table.statement) if table.statement else upsert(table), {"rows": as_json(rows)})
    width, changed = len(table.key), cursor.fetchall()
    for row in changed:
        if any(old_to_new := row[width + 1 :]):
            log.info("%s: the final values of %s changed: %s", *row[:width], *old_to_new)
    changes = {row[:width]: _INSERTED if row[width] else _UPDATED for row in changed}
    if table.withdrawn:
        cursor.execute(withdraw(table), {"rows": as_json(rows)})
        changes |= dict.fromkeys(cursor.fetchall(), "withdrawn")
    return changes


def _reasons(rows: Mapping[Table, Sequence[object]], changes: Mapping[Table, Changes]) -> dict[Symbol, str]:
    """Return what became of each symbol: inserted if a row of it was, else updated if one was, else unchanged."""
    reasons = {symbol: _UNCHANGED for table, values in rows.items() for symbol in map(table.symbol_of, values)}
    for change in (_UPDATED, _INSERTED):
        changed = {key[0] for of_table in changes.values() for key, what in of_table.items() if what == change}
        reasons |= dict.fromkeys(changed & reasons.keys(), change)
    return reasons


def _sessions(rows: Mapping[Table, Sequence[object]]) -> dict[Symbol, date]:
    """Return the newest session of each symbol's rows."""
    newest: dict[Symbol, date] = {}
    for table, values in rows.items():
        for symbol, session in map(attrgetter(table.key[0], table.session), values) if table.session else ():
            newest[symbol] = max(session, newest.get(symbol, session))
    return newest


def _with_reason(outcome: Outcome, reasons: Mapping[Symbol, str]) -> Outcome:
    if outcome.status is not OutcomeStatus.STORED or outcome.symbol not in reasons:
        return outcome
    return replace(outcome, reason=reasons[outcome.symbol])


def _count(changes: Mapping[Table, Changes], total: int) -> UpsertCounts:
    all_changes = [change for of_table in changes.values() for change in of_table.values()]
    inserted, updated = all_changes.count(_INSERTED), all_changes.count(_UPDATED)
    return UpsertCounts(inserted, updated, total - inserted - updated)
