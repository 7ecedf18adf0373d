"""Replies that are taken up again: their rows are stored as of when they came, and never over what came later.

A row of an older reply may be stored where none is. Over one that is there it is stored only if nothing that writes the
table was stored of the symbol since the reply came: most rows do not say of when they are, and a later reply that found
a row as it should be left it as it was. The ledger of outcomes, and quarantine itself, know of every later reply.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar

from psycopg2.extensions import cursor as Cursor

from common.adjust.rebuild import refresh_factors
from common.database.pool import Connections
from common.database.queries import statement
from common.database.rows import as_json
from common.datasets.dataset import Table
from common.errors import RowRefused
from common.quarantine import Quarantine, QuarantinedReply
from common.store.saving import Changes, count_changes, store_missing, store_rows
from common.values import Rejection, Symbol, UpsertCounts

T = TypeVar("T")

#: How long after a reply came its own rows and ledger lines may be written: a batch waits a minute for the database.
WRITTEN_WITHIN: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class AsOf:
    """Rows of one table, of a reply that came at ``moment``; ``writers`` are the datasets that write such rows.

    ``run_id``: the run that asked, where that is known. It may have stored the reply's other rows.
    """

    rows: Sequence[object]
    writers: Collection[str]
    moment: datetime
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a kept reply holds by today's rules: rows to store, and why it, or one of its rows, is refused still."""

    rows: Mapping[Table, AsOf] = field(default_factory=dict)
    rejection: Rejection | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did. ``rejection`` is None where nothing of the reply is refused any more."""

    counts: UpsertCounts = field(default_factory=UpsertCounts)
    rejection: Rejection | None = None


class Replays:
    """Stores what was kept. Thread-safe; each method is one transaction, and one at a time goes on in the database."""

    def __init__(self, connections: Connections, quarantine: Quarantine) -> None:
        self._connections = connections
        self._quarantine = quarantine

    def replay(
        self, quarantine_id: int, read: Callable[[QuarantinedReply], Reading], *, dry_run: bool = False
    ) -> Replayed | None:
        """Read a refused reply again, store its rows, and note in quarantine what is refused still.

        Return None where it is not there, was replayed already, or is in another replay's hands. ``dry_run`` takes
        back all of it.
        """

        def work(cursor: Cursor) -> Replayed | None:
            refused = self._quarantine.claim(cursor, quarantine_id)
            if refused is None:
                return None
            reading = read(refused)
            done = Replayed(_store(cursor, reading.rows), reading.rejection)
            self._quarantine.note(cursor, quarantine_id, done.rejection, stored=done.counts.total > 0)
            return done

        try:
            return self._run(work, dry_run=dry_run)
        except RowRefused as error:
            rejection = Rejection(error.reason, str(error))
            self._run(lambda cursor: self._quarantine.note(cursor, quarantine_id, rejection), dry_run=dry_run)
            return Replayed(rejection=rejection)

    def store(self, rows: Mapping[Table, AsOf], *, dry_run: bool = False) -> UpsertCounts:
        """Store rows of a reply that was kept; ``dry_run`` takes them back."""
        return self._run(lambda cursor: _store(cursor, rows), dry_run=dry_run)

    def _run(self, work: Callable[[Cursor], T], *, dry_run: bool) -> T:
        def run(cursor: Cursor) -> T:
            cursor.execute(statement("one_replay_at_a_time"))
            cursor.execute("SAVEPOINT before_replay")
            result = work(cursor)
            if dry_run:
                cursor.execute("ROLLBACK TO SAVEPOINT before_replay")
            return result

        return self._connections.run(run)


def _store(cursor: Cursor, rows: Mapping[Table, AsOf]) -> UpsertCounts:
    """Store rows of each table; return what became of them."""
    changes = {table: _store_table(cursor, table, of_table) for table, of_table in rows.items()}
    refresh_factors(cursor, changes)
    return count_changes(changes, sum(len(of_table.rows) for of_table in rows.values()))


def _store_table(cursor: Cursor, table: Table, reply: AsOf) -> Changes:
    """Store rows, and look afterwards whether a later reply was stored meanwhile: then they are taken back.

    A later reply that is stored from then on finds our rows locked, waits, and has the last word.
    """
    rows = table.one_of_each(reply.rows)
    outdated = _answered_since(cursor, table, reply)
    while True:
        cursor.execute("SAVEPOINT before_rows")
        newest = [row for row in rows if table.symbol_of(row) not in outdated]
        changes = store_rows(cursor, table, newest)
        changes |= store_missing(cursor, table, [row for row in rows if table.symbol_of(row) in outdated])
        found = _answered_since(cursor, table, reply)
        if found <= outdated:
            return changes
        cursor.execute("ROLLBACK TO SAVEPOINT before_rows")
        outdated |= found


def _answered_since(cursor: Cursor, table: Table, reply: AsOf) -> set[Symbol]:
    """Return the symbols of which something was stored since the reply came.

    Where a row is of one session and has a version, what was stored of another session says nothing of it.
    """
    asked = {
        (table.symbol_of(row), getattr(row, table.session) if table.version and table.session else None)
        for row in reply.rows
    }
    values = {
        "asked": as_json({"symbol": symbol, "session": session} for symbol, session in asked),
        "writers": list(reply.writers),
        "moment": reply.moment,
        "run_id": reply.run_id,
        "own_until": reply.moment + WRITTEN_WITHIN,
    }
    cursor.execute(statement("answered_since"), values)
    return {Symbol(symbol) for (symbol,) in cursor.fetchall()}
