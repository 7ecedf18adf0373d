"""The store: values in, counts out. Each method is one transaction."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from operator import attrgetter
from types import TracebackType
from typing import Any, Final, Self

from psycopg2.extensions import cursor as Cursor  # noqa: N812  a class, whatever its name says
from pydantic import SecretStr

from common.database.address import Address
from common.database.migrations import HEAD
from common.database.pool import Connections
from common.database.queries import fetch_one, read_version, statement
from common.errors import (
    CAN_HEAL,
    HALTED,
    ClaimLost,
    Interrupted,
    NotAttempted,
    PipelineError,
    RunFailed,
    UnknownSymbol,
    reasons_of,
)
from common.store.rows import (
    MAX_REASON,
    MAX_SENTENCE,
    as_json,
    aware,
    last_of_each,
    newest_of_each,
    outcome_row,
    read_attempt,
    read_outcome,
    storable,
    storable_payload,
)
from common.store.values import LastAttempt, QuarantinedReply, RecordedCall, StoreHealth
from common.values import DailyBar, Outcome, OutcomeStatus, Quote, Rejection, Symbol, UpsertCounts

log = logging.getLogger(__name__)

_BATCH: Final = 5_000
#: Calls are kept for the longest window of a quota, the rolling day, and a day to look back at.
_CALL_DAYS: Final = 2
#: How many different replies of a busy provider a run keeps, of each reason: they all say "not now".
_SAMPLES: Final = 3
#: docs/adr/0010-what-an-answer-without-data-means.md gives the reasons of these three.
_UNKNOWN_AFTER_DAYS: Final = 5
_OUTAGE: Final = {"least": 3, "share": 0.2}
#: What the ledger says of a symbol that its run left open.
_LEFT_OPEN: Final[Mapping[type[PipelineError], str]] = {
    NotAttempted: "No task took it up before the run ended: a task was marked in the UI, killed, or had no retry left.",
    Interrupted: "Its task ended without an outcome: it was marked in the UI, killed, or had no retry left.",
}
_RETAINED: Final = ("stock_quotes", "fetch_outcomes", "quarantine", "api_calls")


class Store:
    """The market database. Thread-safe; connects when it is first used, and again after the server restarted.

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
    ) -> None:
        self._address = Address(dsn, timeout_s=timeout_s, application_name=application_name)
        self._connections = Connections(self._address, size=pool_size, timeout_s=timeout_s)

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
        newest = newest_of_each(quotes)
        for quote in newest.values():
            aware(quote.data_timestamp)

        def save(cursor: Cursor) -> UpsertCounts:
            changes = _upsert(cursor, "upsert_quotes", list(newest.values()))
            by_symbol = {symbol: changes.get((symbol, day), "unchanged") for symbol, day in sorted(newest)}
            _write_outcomes(cursor, [_with_change(outcome, by_symbol) for outcome in outcomes], dict(sorted(newest)))
            return _count(changes, len(newest))

        counts = self._connections.run(save)
        self._look_for_outage(outcomes)
        return counts

    def save_bars(self, bars: Sequence[DailyBar]) -> UpsertCounts:
        """Store daily bars. Of the same symbol and session, the last one given counts."""
        rows = last_of_each(bars, attrgetter("symbol", "session"))
        return self._connections.run(lambda cursor: _count(_upsert(cursor, "upsert_bars", rows), len(rows)))

    def quotes(self, symbols: Iterable[Symbol] | None = None, limit: int = 1000) -> list[Quote]:
        """Return the newest quote of each of the symbols (of all, if None), by symbol, at most ``limit``."""
        asked = None if symbols is None else [str(symbol) for symbol in symbols]
        rows = self._query("newest_quotes", {"symbols": asked, "row_limit": limit})
        return [Quote(Symbol(symbol), *values) for symbol, *values in rows]

    def latest_sessions(self, symbols: Iterable[Symbol]) -> dict[Symbol, date]:
        """Return the newest stored trading day of each symbol that has one."""
        rows = self._query("latest_sessions", {"symbols": as_json(dict.fromkeys(symbols))})
        return {Symbol(symbol): day for symbol, day in rows}

    # The ledger

    def plan_run(
        self,
        run_id: str,
        symbols: Iterable[Symbol],
        without_call: Iterable[Outcome] = (),
        *,
        batch_size: int | None = None,
        again: bool = False,
        wanted: Mapping[Symbol, date] | None = None,
    ) -> None:
        """Open a ledger line for each symbol, and write what the run leaves out. What is settled, or in work, stays,
        but for its batch.

        ``symbols`` are in the order in which the quota is spent. With a ``batch_size`` the first so many of them are
        batch 1, and so on. ``again``: what is settled is opened, too. ``wanted``: the session that a symbol's reply
        should be of; an earlier one will be stale.

        ``run_id`` must differ between DAGs too: two of them started at the same moment have the same one in Airflow.
        """
        rows: dict[Symbol, dict[str, Any]] = {}
        for place, symbol in enumerate(symbols):
            batch = place // batch_size + 1 if batch_size else None
            rows[symbol] = {"symbol": symbol, "status": "planned", "reason": "", "detail": ""}
            rows[symbol] |= {"batch": batch, "place": place if batch else None}
            rows[symbol]["wanted_session"] = (wanted or {}).get(symbol)
        rows |= {outcome.symbol: outcome_row(outcome) for outcome in without_call}

        def write(cursor: Cursor) -> None:
            plan = {"run_id": run_id, "rows": as_json(rows.values()), "again": again}
            cursor.execute(statement("rebatch_run"), plan)
            cursor.execute(statement("plan_run"), plan)

        self._connections.run(write)

    def start(self, run_id: str, symbol: Symbol, worker: str) -> Outcome | None:
        """Mark that ``worker`` takes up the symbol; return its outcome instead if it is settled already."""

        def mark(cursor: Cursor) -> Outcome | None:
            cursor.execute(statement("start"), {"run_id": run_id, "symbols": [symbol], "worker": worker})
            if cursor.fetchone():
                return None
            cursor.execute(statement("outcomes"), {"run_id": run_id, "symbol": symbol, "batch": None})
            return read_outcome(fetch_one(cursor))

        return self._connections.run(mark)

    def reopen_batch(self, run_id: str, batch: int, *, cleared: bool = False, force: bool = False) -> bool:
        """Make what failed of a batch, and can heal, ready for another try.

        ``cleared``: a person asked for it, so all that is not stored is ready, and with ``force`` what is stored.
        Return whether a person asked for the try, because none would come by itself: then all that failed is ready.
        """
        reasons = {"can_heal": sorted(CAN_HEAL), "halted": sorted(HALTED)}
        asked = {"cleared": cleared, "force": force}
        return bool(self._query("reopen_batch", {"run_id": run_id, "batch": batch, **reasons, **asked})[0][0])

    def claim_batch(self, run_id: str, batch: int, worker: str) -> dict[Symbol, int]:
        """Take up the symbols of a batch that are to be done; return them in the plan's order, each with its claim.

        Whoever had claimed them before has lost them.
        """
        rows = self._query("claim_batch", {"run_id": run_id, "batch": batch, "worker": worker})
        return {Symbol(symbol): claim for symbol, claim in rows}

    def still_claimed(self, run_id: str, claims: Mapping[Symbol, int]) -> list[Symbol]:
        """Return those of the claimed symbols that are still to be done, in the order given.

        Raises ClaimLost if another worker has claimed one of them since.
        """
        asked = {"symbols": [str(symbol) for symbol in claims], "claims": list(claims.values())}
        held = dict(self._query("held_claims", {"run_id": run_id, **asked}))
        if not all(held.values()):
            raise ClaimLost("Another worker has taken this batch up meanwhile, so this one leaves it alone.")
        return [symbol for symbol in claims if symbol in held]

    def lone_symbol(self, run_id: str, batch: int) -> Symbol | None:
        """Return the symbol of the batch where each of the run has one of its own, or None."""
        rows = self._query("lone_symbol", {"run_id": run_id, "batch": batch})
        return Symbol(rows[0][0]) if rows else None

    def record_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        """Write ledger lines. A line that says "stored" is final and stays; ``api_calls`` are this attempt's.

        A symbol that has rows is not written as unknown before the provider said so on several days, and many answers
        without data are written as an outage: the lines then say NoData and ProviderOutage.
        """
        self._connections.run(lambda cursor: _write_outcomes(cursor, outcomes))
        self._look_for_outage(outcomes)

    def _look_for_outage(self, outcomes: Sequence[Outcome]) -> None:
        """In a transaction of its own: it locks lines of other workers."""
        for run_id in {outcome.run_id for outcome in outcomes if outcome.reason == UnknownSymbol.reason}:
            self._execute("outage", {"run_id": run_id, **_OUTAGE})

    def outcomes(self, run_id: str, batch: int | None = None) -> list[Outcome]:
        """Return the ledger lines of the run, or of one of its batches, by symbol."""
        rows = self._query("outcomes", {"run_id": run_id, "symbol": None, "batch": batch})
        return [read_outcome(row) for row in rows]

    def close_run(self, run_id: str) -> list[Symbol]:
        """End the run's lines that are open still, as not attempted or interrupted; return their symbols.

        Only for a run that nothing works on: a task that does writes its outcome over this one.
        """
        values = {"run_id": run_id}
        for error, detail in _LEFT_OPEN.items():
            values |= {error.reason: error.reason, f"{error.reason}_detail": detail}
        return sorted(Symbol(symbol) for (symbol,) in self._query("close_run", values))

    def open_runs(self, run_id: str) -> list[str]:
        """Return the other runs that have lines without an outcome, by name."""
        return sorted(name for (name,) in self._query("open_runs", {"run_id": run_id}))

    def halted_by(self, run_id: str) -> Outcome | None:
        """Return the run's first outcome that no other symbol can escape (a rejected key, say), or None."""
        rows = self._query("halted_by", {"run_id": run_id, "reasons": sorted(reasons_of(RunFailed))})
        return read_outcome(rows[0]) if rows else None

    def last_attempts(self, symbols: Iterable[Symbol]) -> dict[Symbol, LastAttempt]:
        """Return when each symbol was last worked on, and since when it waits; without those never seen."""
        rows = self._query("last_attempts", {"symbols": as_json(dict.fromkeys(symbols))})
        return {attempt.symbol: attempt for attempt in map(read_attempt, rows)}

    # Quarantine

    def quarantine(
        self, outcome: Outcome, *, function: str, rejection: Rejection, payload: str, received_at: datetime
    ) -> int:
        """Keep a refused reply, its secrets blotted out by the caller, with its ledger line; return its id.

        NUL and lone surrogates become U+FFFD, and the text ends at MAX_PAYLOAD bytes. The same reply again is
        the same row. Of what is not the symbol's (its outcome is not ``quarantined``) a few samples of each reason are
        kept in a run: 0 stands for one that was not needed.
        """
        row = {
            "run_id": outcome.run_id,
            "symbol": outcome.symbol,
            "function": function,
            "reason": storable(rejection.code, MAX_REASON),
            "message": storable(rejection.message, MAX_SENTENCE),
            "payload": storable_payload(payload),
            "received_at": aware(received_at),
            "samples": None if outcome.status is OutcomeStatus.QUARANTINED else _SAMPLES,
        }

        def keep(cursor: Cursor) -> int:
            cursor.execute(statement("insert_quarantine"), row)
            kept = cursor.fetchone()
            _write_outcomes(cursor, [outcome])
            return int(kept[0]) if kept else 0

        return self._connections.run(keep)

    def quarantined(self, limit: int = 100) -> list[QuarantinedReply]:
        """Return the refused replies that were not replayed yet, oldest first."""
        rows = self._query("waiting_quarantine", {"row_limit": limit})
        return [QuarantinedReply(number, run_id, Symbol(symbol), *rest) for number, run_id, symbol, *rest in rows]

    def mark_replayed(self, quarantine_id: int) -> None:
        """Note that a refused reply was taken up again."""
        self._execute("mark_replayed", {"id": quarantine_id})

    # The durable ledger of calls: the limiter's day is rebuilt from it

    def record_call(self, permit_id: str, key_digest: str, cost: int = 1, symbol: Symbol | None = None) -> None:
        """Note that a call is about to be sent. The same permit again changes nothing."""
        row = {"permit_id": permit_id, "key_digest": key_digest, "cost": cost, "symbol": symbol}
        self._execute("record_call", row)

    def settle_call(self, permit_id: str) -> None:
        """Note that the call's reply, or its failure, was seen."""
        self._execute("settle_call", {"permit_id": permit_id})

    def forget_call(self, permit_id: str) -> None:
        """Take back the note of a call that was never sent. One that was settled stays."""
        self._execute("forget_call", {"permit_id": permit_id})

    def calls_since(self, key_digest: str, seconds: float) -> list[RecordedCall]:
        """Return the key's calls that were settled, or sent and never settled, in the last ``seconds``."""
        rows = self._query("calls_since", {"key_digest": key_digest, "seconds": seconds})
        return [RecordedCall(*row) for row in rows]

    def ever_called(self) -> bool:
        """Whether any call was ever made: if not, this is a fresh installation."""
        return bool(self._query("ever_called", {})[0][0])

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
            started = time.perf_counter()
            cursor.execute("SELECT 1")
            return StoreHealth(version, revision, HEAD, time.perf_counter() - started)

        return self._connections.run(look)

    def _delete_old(self, table: str, days: int) -> int:
        deleted = 0
        while batch := self._execute(f"delete_old_{table}", {"days": days, "row_limit": _BATCH}):
            deleted += batch
        return deleted

    def _execute(self, name: str, values: Mapping[str, Any]) -> int:
        """Run a statement; return the number of rows that it touched."""

        def execute(cursor: Cursor) -> int:
            cursor.execute(statement(name), values)
            return cursor.rowcount

        return self._connections.run(execute)

    def _query(self, name: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        def query(cursor: Cursor) -> list[tuple[Any, ...]]:
            cursor.execute(statement(name), values)
            return cursor.fetchall()

        return self._connections.run(query)


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


def _write_outcomes(cursor: Cursor, outcomes: Sequence[Outcome], days: Mapping[Symbol, date] | None = None) -> None:
    """Write lines; ``days`` are the newest trading days of the rows that were stored with them."""
    if outcomes:
        last = last_of_each(outcomes, attrgetter("run_id", "symbol"))
        rows = [outcome_row(outcome) | {"session": (days or {}).get(outcome.symbol)} for outcome in last]
        cursor.execute(statement("upsert_outcomes"), {"rows": as_json(rows)})
    unknown: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.reason == UnknownSymbol.reason and outcome.api_calls:
            unknown.setdefault(outcome.run_id, []).append(str(outcome.symbol))
    for run_id, symbols in unknown.items():
        values = {"run_id": run_id, "symbols": symbols, "days": _UNKNOWN_AFTER_DAYS}
        cursor.execute(statement("doubt_unknown"), values)


def _with_change(outcome: Outcome, changes: Mapping[Symbol, str]) -> Outcome:
    if outcome.status is not OutcomeStatus.STORED or outcome.symbol not in changes:
        return outcome
    return replace(outcome, reason=changes[outcome.symbol])


def _count(changes: Mapping[tuple[str, date], str], total: int) -> UpsertCounts:
    inserted = sum(change == "inserted" for change in changes.values())
    return UpsertCounts(inserted, len(changes) - inserted, total - len(changes))
