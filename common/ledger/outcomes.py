"""The ledger of outcomes: what became of each symbol in each run. Each method is one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import attrgetter
from typing import Any, Final

from psycopg2.extensions import cursor as Cursor

from common.database.pool import Connections
from common.database.queries import fetch_one, statement
from common.database.rows import MAX_REASON, MAX_SENTENCE, MAX_WORKER, as_json, aware, last_of_each, storable
from common.errors import (
    HALTED,
    RETRYABLE,
    ClaimLost,
    Interrupted,
    NotAttempted,
    PipelineError,
    RunFailed,
    UnknownSymbol,
    reasons_of,
)
from common.values import Outcome, OutcomeStatus, Symbol, symbol_or_misspelt

#: The dataset of a line that names none.
QUOTES: Final = "quotes"
#: docs/adr/0010-what-an-answer-without-data-means.md gives the reasons of these three.
_UNKNOWN_AFTER_DAYS: Final = 5
_OUTAGE: Final = {"least": 3, "share": 0.2}
#: What the ledger says of a symbol that its run left open.
_LEFT_OPEN: Final[Mapping[type[PipelineError], str]] = {
    NotAttempted: "No task took it up before the run ended: a task was marked in the UI, killed, or had no retry left.",
    Interrupted: "Its task ended without an outcome: it was marked in the UI, killed, or had no retry left.",
}


@dataclass(frozen=True, slots=True)
class LastAttempt:
    """When a symbol was last worked on and what came of it: the order of a plan that spends a scarce quota.

    ``attempted_at``: the last time that a call was spent on it, with ``status`` and ``reason`` of then; None if
    never. ``postponed_at``: since when it waits for its turn, None if it was not postponed since the last attempt.
    """

    symbol: Symbol
    attempted_at: datetime | None = None
    status: OutcomeStatus | None = None
    reason: str = ""
    postponed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """That a pass has taken up a symbol: ``number`` counts those who did, ``dataset`` is what the plan asks of it."""

    number: int
    dataset: str


class OutcomeLedger:
    """The lines of ``fetch_outcomes``. Thread-safe; raises what ``Connections`` raises.

    Each line is of a dataset, and what became of one says nothing of another. ``run_id`` must differ between the runs
    of two DAGs, too: two that were started at the same time have the same one in Airflow.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def plan_run(
        self,
        run_id: str,
        symbols: Iterable[Symbol],
        without_call: Iterable[Outcome] = (),
        *,
        batch_size: int | None = None,
        again: bool = False,
        wanted: Mapping[Symbol, date] | None = None,
        dataset: str = QUOTES,
        instead: Mapping[Symbol, str] | None = None,
    ) -> None:
        """Open a ledger line for each symbol, and write what the run leaves out. What is settled, or in work, stays,
        but for its batch.

        ``symbols`` are in the order in which the quota is spent. With a ``batch_size`` the first so many of them are
        batch 1, and so on. ``again``: what is settled is opened, too. ``wanted``: the session that a symbol's reply
        should be of; an earlier one will be stale. ``instead``: the symbols that another dataset is asked for.
        """
        rows: dict[Symbol, dict[str, Any]] = {}
        for place, symbol in enumerate(symbols):
            batch = place // batch_size + 1 if batch_size else None
            rows[symbol] = {"symbol": symbol, "status": "planned", "reason": "", "detail": ""}
            rows[symbol]["dataset"] = (instead or {}).get(symbol, dataset)
            rows[symbol] |= {"batch": batch, "place": place if batch else None}
            rows[symbol]["wanted_session"] = (wanted or {}).get(symbol)
        rows |= {outcome.symbol: _row_of(outcome) for outcome in without_call}

        def write(cursor: Cursor) -> None:
            plan = {"run_id": run_id, "rows": as_json(rows.values()), "again": again}
            cursor.execute(statement("rebatch_run"), plan)
            cursor.execute(statement("plan_run"), plan)

        self._connections.run(write)

    def start(self, run_id: str, symbol: Symbol, worker: str, dataset: str = QUOTES) -> Outcome | None:
        """Mark that ``worker`` takes up the symbol; return its outcome instead if it is settled already."""

        def mark(cursor: Cursor) -> Outcome | None:
            values = {"run_id": run_id, "dataset": dataset, "symbols": [symbol], "worker": worker}
            cursor.execute(statement("start"), values)
            if cursor.fetchone():
                return None
            cursor.execute(statement("outcomes"), {"run_id": run_id, "symbol": symbol, "batch": None})
            return _read_outcome(fetch_one(cursor))

        return self._connections.run(mark)

    def reopen_batch(self, run_id: str, batch: int, *, cleared: bool = False, force: bool = False) -> bool:
        """Make what failed of a batch, and can heal, ready for another try.

        ``cleared``: a person asked for it, so all that is not stored is ready, and with ``force`` what is stored.
        Return whether a person asked for the try, because none would come by itself: then all that failed is ready.
        """
        reasons = {"retryable": sorted(RETRYABLE), "halted": sorted(HALTED)}
        asked = {"cleared": cleared, "force": force}
        return bool(
            self._connections.query("reopen_batch", {"run_id": run_id, "batch": batch, **reasons, **asked})[0][0]
        )

    def claim_batch(self, run_id: str, batch: int, worker: str) -> dict[Symbol, Claim]:
        """Take up the symbols of a batch that are to be done; return them in the plan's order, each with its claim.

        Whoever had claimed them before has lost them.
        """
        rows = self._connections.query("claim_batch", {"run_id": run_id, "batch": batch, "worker": worker})
        return {Symbol(symbol): Claim(*claim) for symbol, *claim in rows}

    def still_claimed(self, run_id: str, claims: Mapping[Symbol, Claim]) -> list[Symbol]:
        """Return those of the claimed symbols that are still to be done, in the order given.

        Raises ClaimLost if another worker has claimed one of them since.
        """
        asked = {"symbols": [str(symbol) for symbol in claims], "claims": [claim.number for claim in claims.values()]}
        held = dict(self._connections.query("held_claims", {"run_id": run_id, **asked}))
        if not all(held.values()):
            raise ClaimLost("Another worker has taken this batch up meanwhile, so this one leaves it alone.")
        return [symbol for symbol in claims if symbol in held]

    def single_symbol(self, run_id: str, batch: int) -> Symbol | None:
        """Return the symbol of the batch where each of the run has one of its own, or None."""
        rows = self._connections.query("single_symbol", {"run_id": run_id, "batch": batch})
        return Symbol(rows[0][0]) if rows else None

    def record_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        """Write ledger lines. A line that says "stored" is final and stays; ``api_calls`` are this attempt's.

        A symbol that has rows is not written as unknown before the provider said so on several days, and many answers
        without data are written as an outage: the lines then say NoData and ProviderOutage.
        """
        self._connections.run(lambda cursor: self.write(cursor, outcomes))
        self.look_for_outage(outcomes)

    def look_for_outage(self, outcomes: Sequence[Outcome]) -> None:
        """Say it where the lines just written show an outage; in a transaction of its own: it locks others' lines."""
        for run_id in {outcome.run_id for outcome in outcomes if outcome.reason == UnknownSymbol.reason}:
            self._connections.execute("outage", {"run_id": run_id, **_OUTAGE})

    def outcomes(self, run_id: str, batch: int | None = None) -> list[Outcome]:
        """Return the ledger lines of the run, or of one of its batches, by symbol."""
        rows = self._connections.query("outcomes", {"run_id": run_id, "symbol": None, "batch": batch})
        return [_read_outcome(row) for row in rows]

    def stored(self, run_id: str) -> tuple[int, date | None]:
        """Return of how many symbols the run stored what the provider said, and the newest session of those rows."""
        count, session = self._connections.query("stored", {"run_id": run_id})[0]
        return count, session

    def close_run(self, run_id: str) -> list[Symbol]:
        """End the run's lines that are open still, as not attempted or interrupted; return their symbols.

        Only for a run that nothing works on: a task that does writes its outcome over this one.
        """
        values = {"run_id": run_id}
        for error, detail in _LEFT_OPEN.items():
            values |= {error.reason: error.reason, f"{error.reason}_detail": detail}
        return sorted(Symbol(symbol) for (symbol,) in self._connections.query("close_run", values))

    def open_runs(self, run_id: str) -> list[str]:
        """Return the other runs that have lines without an outcome, by name."""
        return sorted(name for (name,) in self._connections.query("open_runs", {"run_id": run_id}))

    def halted_by(self, run_id: str) -> Outcome | None:
        """Return the run's first outcome that no other symbol can escape (a rejected key, say), or None."""
        rows = self._connections.query("halted_by", {"run_id": run_id, "reasons": sorted(reasons_of(RunFailed))})
        return _read_outcome(rows[0]) if rows else None

    def last_attempts(self, symbols: Iterable[Symbol], dataset: str = QUOTES) -> dict[Symbol, LastAttempt]:
        """Return when each symbol was last worked on, and since when it waits; without those never seen."""
        asked = {"dataset": dataset, "symbols": as_json(dict.fromkeys(symbols))}
        rows = self._connections.query("last_attempts", asked)
        return {attempt.symbol: attempt for attempt in map(_read_attempt, rows)}

    def write(self, cursor: Cursor, outcomes: Sequence[Outcome], days: Mapping[Symbol, date] | None = None) -> None:
        """Write lines within a transaction of the caller's, who calls ``look_for_outage`` after it.

        ``days``: the newest trading days of the rows that are stored with them.
        """
        if outcomes:
            last = last_of_each(outcomes, attrgetter("run_id", "symbol"))
            rows = [_row_of(outcome) | {"session": (days or {}).get(outcome.symbol)} for outcome in last]
            cursor.execute(statement("upsert_outcomes"), {"rows": as_json(rows)})
        unknown: dict[tuple[str, str], list[str]] = {}
        for outcome in outcomes:
            if outcome.reason == UnknownSymbol.reason and outcome.api_calls:
                unknown.setdefault((outcome.run_id, outcome.dataset), []).append(str(outcome.symbol))
        for (run_id, dataset), symbols in unknown.items():
            values = {"run_id": run_id, "dataset": dataset, "symbols": symbols, "days": _UNKNOWN_AFTER_DAYS}
            cursor.execute(statement("doubt_unknown"), values)


def _row_of(outcome: Outcome) -> dict[str, Any]:
    """Return a ledger line as its columns, texts cut to what they hold."""
    return {
        "run_id": outcome.run_id,
        "dataset": outcome.dataset,
        "symbol": outcome.symbol,
        "status": outcome.status,
        "reason": storable(outcome.reason, MAX_REASON),
        "detail": storable(outcome.detail, MAX_SENTENCE),
        "worker": storable(outcome.worker, MAX_WORKER),
        "api_calls": outcome.api_calls,
        "retry_at": outcome.retry_at and aware(outcome.retry_at),
    }


def _read_outcome(row: tuple[Any, ...]) -> Outcome:
    """Build a ledger line from a row of ``outcomes``."""
    run_id, symbol, status, *rest = row
    return Outcome(run_id, symbol_or_misspelt(symbol), OutcomeStatus(status), *rest)


def _read_attempt(row: tuple[Any, ...]) -> LastAttempt:
    """Build a symbol's last attempt from a row of ``last_attempts``."""
    symbol, attempted_at, status, reason, postponed_at = row
    known = OutcomeStatus(status) if status else None
    return LastAttempt(symbol_or_misspelt(symbol), attempted_at, known, reason or "", postponed_at)
