"""All factors computed again by today's code: for a formula, or a reading of splits, that was changed."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from psycopg2.extensions import cursor as Cursor

from common.adjust.rebuild import fill_factors, recompute_factors
from common.database.pool import Connections
from common.database.queries import statement
from common.database.rows import as_json
from common.datasets.splits import ratio_of
from common.values import Symbol

#: How many symbols a transaction computes: it keeps others from computing those meanwhile.
_STEP: Final = 100


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A step: its symbols, those with other factors now, and how many splits were read again as other shares."""

    symbols: list[str]
    changed: list[str]
    read_again: int


class Adjustments:
    """The factors of all symbols. Thread-safe; raises what ``Connections`` raises."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def rebuild(self, symbols: Collection[Symbol] | None = None) -> Iterator[Rebuilt]:
        """Yield step by step, by symbol; None: of all that have bars or actions. Each step is committed.

        A split is read again from what the provider wrote. Where that and the formula say what they said, no row is
        touched, so a second time, or one after an interruption, changes nothing that is right.
        """
        while symbols is None and self._connections.run(fill_factors):
            pass  # of symbols that a version without factors had stored
        asked = None if symbols is None else [str(symbol) for symbol in symbols]
        after = ""
        while step := self._connections.query("symbols_with_factors", _page(after, asked)):
            names = [symbol for (symbol,) in step]
            yield self._connections.run(partial(_rebuild, symbols=names))
            after = names[-1]


def _page(after: str, symbols: list[str] | None) -> dict[str, object]:
    return {"after": after, "symbols": symbols, "row_limit": _STEP}


def _rebuild(cursor: Cursor, symbols: list[str]) -> Rebuilt:
    cursor.execute(statement("lock_lists"), {"symbols": symbols})  # as whoever stores a list: before any of its rows
    read_again = _read_again(cursor, symbols)
    return Rebuilt(symbols, recompute_factors(cursor, symbols), read_again)


def _read_again(cursor: Cursor, symbols: list[str]) -> int:
    cursor.execute(statement("stored_splits"), {"symbols": symbols})
    rows = []
    for symbol, kind, ex_date, seq, text, *stored in cursor.fetchall():
        ratio = ratio_of(text)
        if stored != [ratio.numerator, ratio.denominator]:
            row = {"symbol": symbol, "kind": kind, "ex_date": ex_date, "seq": seq}
            rows.append(row | {"numerator": ratio.numerator, "denominator": ratio.denominator})
    if rows:
        cursor.execute(statement("write_ratios"), {"rows": as_json(rows)})
    return len(rows)
