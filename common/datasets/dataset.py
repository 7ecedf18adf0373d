"""What a dataset is: one frozen value that says what to ask for, how to read the reply, and where its rows go.

Job, batch, plan, ledger and DAG take a dataset as an argument and know none by name. What does not fit (a listing is
CSV and has no symbol) is a slice of its own beside this one, not one more field. docs/adr/0010-one-dataset-one-file.md
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from common.provider import Request
from common.values import Rejection, Reply, Symbol

#: The type of every column that holds a symbol: its bytes decide the order, so all writers lock in one order.
SYMBOL: Final = 'varchar(32) COLLATE "C"'
#: Six decimals, fourteen digits before the point: raw prices as traded, in the exchange's unit.
PRICE: Final = "numeric(20, 6)"


@dataclass(frozen=True, slots=True, eq=False)  # a table is itself: it can be a key
class Table:
    """A table of the market database, as an upsert sees it.

    ``columns``: each column that is written and its PostgreSQL type, in order; the rows' fields have these names.
    ``key``: the columns of its unique key, the symbol first. ``version``: the column by which an older row never
    overwrites a newer one; without it the last writer wins. ``keep``: columns that a null never overwrites.
    ``aged_by``: the column by which retention deletes; without it rows are kept for ever. ``withdrawn``: the column
    that is set once a later reply no longer has the row, among the rows that share ``list_of`` with those of the reply.
    """

    name: str
    columns: Mapping[str, str]
    key: tuple[str, ...]
    version: str = ""
    keep: frozenset[str] = frozenset()
    aged_by: str = ""
    withdrawn: str = ""
    list_of: tuple[str, ...] = ()

    @property
    def values(self) -> tuple[str, ...]:
        """The columns in which two rows of the same key differ: all but the key and the version."""
        return tuple(name for name in self.columns if name not in {*self.key, self.version})


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a reply holds: sound rows for each table, why each other row is refused, and a few words for the ledger."""

    rows: Mapping[Table, Sequence[object]]
    rejections: Sequence[Rejection] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class BySession:
    """Due once the exchange has completed a session that is not stored."""


@dataclass(frozen=True, slots=True)
class Every:
    """Due when the last answer is older than ``period``."""

    period: timedelta


@dataclass(frozen=True, slots=True)
class Dataset:
    """What the pipeline can fetch. ``name`` is what ledger, calls and quarantine know it by; it never changes.

    ``request`` builds the call for one symbol, ``parse`` reads its reply or raises PayloadRejected with a code of the
    package's table.
    """

    name: str
    request: Callable[[Symbol], Request]
    parse: Callable[[Symbol, Reply], Parsed]
    tables: tuple[Table, ...]
    due: BySession | Every
