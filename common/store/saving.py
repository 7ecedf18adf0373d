"""What a transaction makes of rows: which were new, which changed, and what the ledger says of their symbols."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import chain
from operator import attrgetter
from typing import Any, Final

from psycopg2.extensions import cursor as Cursor

from common.database.copying import copy_new
from common.database.queries import statement
from common.database.rows import as_json, aware
from common.database.upsert import insert_missing, upsert, withdraw
from common.datasets.dataset import Table
from common.values import Outcome, OutcomeStatus, Symbol, UpsertCounts

log = logging.getLogger(__name__)

#: What became of the rows that changed, by their keys.
Changes = dict[tuple[Any, ...], str]

_INSERTED: Final = "inserted"
_UPDATED: Final = "updated"
_WITHDRAWN: Final = "withdrawn"
_UNCHANGED: Final = "unchanged"


def require_aware(rows: Mapping[Table, Sequence[object]]) -> None:
    """Raise TypeError for a time without a zone, which PostgreSQL would have to guess."""
    for table, values in rows.items():
        if table.version:
            for row in values:
                aware(getattr(row, table.version))


def store_rows(cursor: Cursor, table: Table, rows: Sequence[object]) -> Changes:
    """Copy the rows of symbols that are new as a whole, and upsert the others."""
    copied = dict.fromkeys(copy_new(cursor, table, rows), _INSERTED)
    if len(copied) == len(rows):
        return copied
    keyed = zip(map(table.key_of, rows), rows, strict=True)
    return copied | upsert_rows(cursor, table, [row for key, row in keyed if key not in copied])


def store_missing(cursor: Cursor, table: Table, rows: Sequence[object]) -> Changes:
    """Store the rows whose keys the table has not; nothing of a whole list, of which a later one has the last word."""
    if not rows or table.withdrawn:
        return {}
    cursor.execute(insert_missing(table), {"rows": as_json(rows)})
    return dict.fromkeys(cursor.fetchall(), _INSERTED)


def upsert_rows(cursor: Cursor, table: Table, rows: Sequence[object]) -> Changes:
    """Run an upsert; return what became of each row that changed, by its key, and log what is worth it."""
    if not rows:
        return {}
    if table.withdrawn:  # two lists of a symbol would each wait for a row that the other one has changed
        cursor.execute(statement("lock_lists"), {"symbols": list(dict.fromkeys(map(table.symbol_of, rows)))})
    cursor.execute(statement(table.statement) if table.statement else upsert(table), {"rows": as_json(rows)})
    width, changed = len(table.key), cursor.fetchall()
    for row in changed:
        if any(old_to_new := row[width + 1 :]):
            log.info("%s: the final values of %s changed: %s", *row[:width], *old_to_new)
    changes = {row[:width]: _INSERTED if row[width] else _UPDATED for row in changed}
    if table.withdrawn:
        cursor.execute(withdraw(table), {"rows": as_json(rows)})
        changes |= dict.fromkeys(cursor.fetchall(), _WITHDRAWN)
    return changes


def reasons_by_symbol(rows: Mapping[Table, Sequence[object]], changes: Mapping[Table, Changes]) -> dict[Symbol, str]:
    """Return what became of each symbol: inserted if a row of it was, else updated if one was, else unchanged.

    One that lost a row to a withdrawal is updated as well.
    """
    reasons = {symbol: _UNCHANGED for table, values in rows.items() for symbol in map(table.symbol_of, values)}
    for reason, called_so in ((_UPDATED, {_UPDATED, _WITHDRAWN}), (_INSERTED, {_INSERTED})):
        changed = {key[0] for of_table in changes.values() for key, what in of_table.items() if what in called_so}
        reasons |= dict.fromkeys(changed & reasons.keys(), reason)
    return reasons


def sessions_by_symbol(rows: Mapping[Table, Sequence[object]]) -> dict[Symbol, date]:
    """Return the newest session of each symbol's rows."""
    by_session = {table: values for table, values in rows.items() if table.session}
    found = (map(attrgetter(table.key[0], table.session), values) for table, values in by_session.items())
    return dict(sorted(chain.from_iterable(found)))  # of two values for a key a dictionary keeps the last


def with_reason(outcome: Outcome, reasons: Mapping[Symbol, str]) -> Outcome:
    """Return the line of a stored symbol with what became of its rows; any other as it is."""
    if outcome.status is not OutcomeStatus.STORED or outcome.symbol not in reasons:
        return outcome
    return replace(outcome, reason=reasons[outcome.symbol])


def count_changes(changes: Mapping[Table, Changes], total: int) -> UpsertCounts:
    """Count the changes among ``total`` rows that were handed in."""
    all_changes = [change for of_table in changes.values() for change in of_table.values()]
    inserted, updated = all_changes.count(_INSERTED), all_changes.count(_UPDATED)
    return UpsertCounts(inserted, updated, total - inserted - updated)
