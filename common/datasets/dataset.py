"""What a dataset is: one frozen value that says what to ask for, how to read the reply, and where its rows go.

Job, batch, plan, ledger and DAG take a dataset as an argument and know none by name. What does not fit (a listing is
CSV and has no symbol) is a slice of its own beside this one, not one more field. docs/adr/0017-one-dataset-one-file.md
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from operator import attrgetter
from typing import Any, Final

from common.provider import Request
from common.values import Rejection, Reply, Symbol

#: The type of every column that holds a symbol: its bytes decide the order, so all writers lock in one order.
SYMBOL: Final = 'varchar(32) COLLATE "C"'
#: Six decimals, fourteen digits before the point: raw prices as traded, in the exchange's unit.
PRICE: Final = "numeric(20, 6)"


def _the_later_one(earlier: object, later: object) -> bool:
    del earlier, later
    return True


@dataclass(frozen=True, slots=True, eq=False)  # a table is itself: it can be a key
class Table:
    """A table of the market database, as an upsert sees it.

    ``columns``: each column that is written and its PostgreSQL type, in order; the rows' fields have these names.
    ``key``: the columns of its unique key, the symbol first. ``version``: the column by which an older row never
    overwrites a newer one; without it the last writer wins. ``keep``: columns that a null never overwrites.
    ``session``: the column of the trading day, where a row is of one. ``withdrawn``: the column that is set once a
    later reply no longer has the row. ``statement``: the named upsert, where the generated one says too little.
    ``supersedes``: whether the second of two rows with one key counts, of which the first is not newer.
    """

    name: str
    columns: Mapping[str, str]
    key: tuple[str, ...]
    version: str = ""
    keep: frozenset[str] = frozenset()
    session: str = ""
    withdrawn: str = ""
    statement: str = ""
    supersedes: Callable[[Any, Any], bool] = _the_later_one

    @property
    def symbol_of(self) -> Callable[[Any], Symbol]:
        """What takes a row and returns its symbol."""
        return attrgetter(self.key[0])

    @property
    def key_of(self) -> Callable[[Any], tuple[Any, ...]]:
        """What takes a row and returns its key, whose first value is the symbol."""
        take = attrgetter(*self.key)
        return take if len(self.key) > 1 else lambda row: (take(row),)

    def one_of_each(self, rows: Iterable[Any]) -> list[Any]:
        """Return one row for each key: the newest that supersedes those before it."""
        oldest_first = sorted(rows, key=attrgetter(self.version)) if self.version else list(rows)
        keys = list(map(self.key_of, oldest_first))
        if len(set(keys)) == len(keys):
            return oldest_first
        chosen: dict[tuple[Any, ...], Any] = {}
        for key, row in zip(keys, oldest_first, strict=True):
            if key not in chosen or self.supersedes(chosen[key], row):
                chosen[key] = row
        return list(chosen.values())

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
class Bulk:
    """How a dataset is asked for with one call for up to ``size`` symbols. Not every key may: ``feature`` is the right.

    ``covers`` tells whether a symbol can be among them. ``parse`` returns what the reply holds of each symbol, or why
    that is refused; nothing for one that the reply leaves out. It raises PayloadRejected where the structure is wrong.
    """

    feature: str
    size: int
    covers: Callable[[Symbol], bool]
    request: Callable[[Sequence[Symbol]], Request]
    parse: Callable[[Sequence[Symbol], Reply], Mapping[Symbol, Parsed | Rejection]]


@dataclass(frozen=True, slots=True)
class BySession:
    """Due once the exchange has completed a session that is not stored."""


@dataclass(frozen=True, slots=True)
class Every:
    """Due when the last answer is older than ``period``, or than a jump of the price that nothing stored explains."""

    period: timedelta
    on_jumps: bool = False


@dataclass(frozen=True, slots=True)
class Backfill:
    """Due where there never was an answer, and where more than ``beyond`` sessions are missing since the newest row."""

    beyond: int


@dataclass(frozen=True, slots=True)
class Dataset:
    """What the pipeline can fetch. ``name`` is what ledger, calls and quarantine know it by; it never changes.

    ``request`` builds the call for one symbol, ``parse`` reads its reply or raises PayloadRejected with a code of the
    package's table. ``instead``: what is asked of a symbol for which this one is not due, or not the key's to ask.
    """

    name: str
    request: Callable[[Symbol], Request]
    parse: Callable[[Symbol, Reply], Parsed]
    tables: tuple[Table, ...]
    due: BySession | Every | Backfill
    instead: "Dataset | None" = None
