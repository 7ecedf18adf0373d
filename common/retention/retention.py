"""Old rows are deleted table by table, in steps that are transactions of their own: nobody waits for one for long."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from math import ceil
from typing import Final

from psycopg2 import sql
from psycopg2.errors import LockNotAvailable, QueryCanceled
from psycopg2.extensions import cursor as Cursor

from common.database.pool import Connections
from common.database.queries import fetch_one, statement
from common.retention.rules import RULES, Rule

#: How long (s) a step may hold its locks; one that needs longer is taken back and made smaller.
STEP_S: Final = 0.5
#: How long (s) a step waits for a table that another session has locked as a whole.
_LOCK_S: Final = 0.2

#: Takes a table and how many of its rows are deleted so far.
Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Deleted:
    """What became of a table's old rows. ``days`` None: all are kept. ``left``: why some may be left, if any are."""

    table: str
    days: int | None
    rows: int = 0
    steps: int = 0
    left: str = ""

    def __str__(self) -> str:
        if self.days is None:
            return f"{self.table}: all rows are kept"
        done = f"{self.table}: {self.rows:,} rows older than {self.days} days deleted, steps: {self.steps}"
        return f"{done}. The others are left to the next run: {self.left}" if self.left else done


class _TooLong(Exception):
    """The step is tried again with fewer rows."""


class _Locked(Exception):
    """The table is left to the next run."""


class Retention:
    """The deletion of what is older than its table's days. Several at once share the work."""

    def __init__(self, connections: Connections, *, step_s: float = STEP_S) -> None:
        self._connections = connections
        self._step_s = step_s

    def delete_old(
        self, days: Mapping[str, int | None], told: Progress = lambda table, rows: None
    ) -> Iterator[Deleted]:
        """Yield what became of each table's old rows. ``days`` by table: whole ones; None keeps all, 0 keeps none.

        A table that is locked, or too slow, is left to the next run and stops no other. Each step is committed, so
        what was interrupted goes on where it was. Raises StoreUnavailable or StoreNotReady.
        """
        for rule in RULES:
            kept_days = days[rule.table]
            yield Deleted(rule.table, None) if kept_days is None else self._delete(rule, kept_days, told)

    def _delete(self, rule: Rule, days: int, told: Progress) -> Deleted:
        rows = steps = 0
        size = rule.step
        since: date | datetime | str = "-infinity"
        while True:
            try:
                count, newest = self._step(rule, days, since, size)
            except _Locked:
                return Deleted(rule.table, days, rows, steps, "another session has locked the table.")
            except _TooLong:
                size //= 2
                if not size:
                    return Deleted(rule.table, days, rows, steps, f"to delete one takes over {self._step_s:g} s.")
                continue
            rows, steps, since = rows + count, steps + bool(count), newest or since
            told(rule.table, rows)
            if count < size:
                return Deleted(rule.table, days, rows, steps)

    def _step(
        self, rule: Rule, days: int, since: date | datetime | str, row_limit: int
    ) -> tuple[int, date | datetime | None]:
        query = sql.SQL(statement("delete_old_rows")).format(
            table=sql.Identifier(rule.table), age=sql.Identifier(rule.age), spared=sql.SQL(statement(rule.spared))
        )

        def delete(cursor: Cursor) -> tuple[int, date | datetime | None]:
            bounds = {"lock_ms": ceil(_LOCK_S * 1000), "step_ms": ceil(self._step_s * 1000)}
            cursor.execute(statement("bound_step"), bounds)
            try:
                cursor.execute(query, {"days": days, "since": since, "row_limit": row_limit})
            except LockNotAvailable:
                raise _Locked from None
            except QueryCanceled:
                raise _TooLong from None
            count, newest = fetch_one(cursor)
            return count, newest

        return self._connections.run(delete)
