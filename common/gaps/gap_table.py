"""The tables ``bar_gaps``, ``bar_gap_checks`` and ``missing_sessions``."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from psycopg2.extensions import cursor as Cursor

from common.database.pool import Connections
from common.database.queries import statement
from common.database.rows import MAX_SENTENCE, as_json, storable
from common.datasets.daily_bars import COMPACT
from common.gaps.gap import Gap, Look, State
from common.gaps.shared import MissingSession
from common.universe.listings import Listing
from common.values import Symbol

#: How many gaps a statement writes: of a share that is hardly traded there are thousands.
_ROWS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Check:
    """Up to which answer a symbol's bars were looked at, and whether it has gaps that are not repaired."""

    answered_at: datetime
    has_gap: bool


@dataclass(frozen=True, slots=True)
class DueGap:
    """Since when a symbol's gaps are worth a call, and which one: ``within`` the reach of a compact series or not."""

    since: datetime
    within: bool
    beyond: bool


class GapTable:
    """What is known of gaps. Thread-safe; each method is one transaction and raises what ``Connections`` raises.

    Hand in some hundred symbols at a time: a statement on more of them could take too long.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def checks(self, symbols: Iterable[Symbol]) -> dict[Symbol, Check]:
        """Return what was looked at of each symbol; nothing of one that never was."""
        rows = self._connections.query("gap_checks", {"symbols": as_json(symbols)})
        return {Symbol(symbol): Check(*values) for symbol, *values in rows}

    def look(self, symbols: Iterable[Symbol], sessions: Sequence[date], *, compact: bool = False) -> list[Look]:
        """Return which of the ``sessions`` the symbols' bars lack: among all, or those of a ``compact`` series."""
        newest = COMPACT if compact else None
        values = {"symbols": as_json(symbols), "sessions": list(sessions), "newest": newest, "compact": COMPACT}
        return [Look(Symbol(symbol), *rest) for symbol, *rest in self._connections.query("missing_sessions", values)]

    def spans(self, symbols: Iterable[Symbol]) -> list[tuple[date, date]]:
        """Return the sessions of the oldest and of the newest bar of each symbol that has some."""
        return self._connections.query("bar_spans", {"symbols": as_json(symbols)})

    def gaps(self, symbols: Iterable[Symbol]) -> dict[Symbol, list[Gap]]:
        """Return the gaps of each symbol that has some, in order, without those that are repaired."""
        rows = self._connections.query("gaps", {"symbols": as_json(symbols)})
        gaps = map(_gap, rows)
        return {symbol: list(group) for symbol, group in groupby(gaps, attrgetter("symbol"))}

    def listed(self, state: State | None, symbols: Collection[Symbol] | None, limit: int) -> tuple[Sequence[Gap], int]:
        """Return gaps by symbol, at most ``limit``, and how many there are; None stands for any."""
        asked = None if symbols is None else as_json(dict.fromkeys(symbols))
        rows = self._connections.query("listed_gaps", {"state": state, "symbols": asked, "row_limit": limit})
        return [_gap(row[:-1]) for row in rows], rows[0][-1] if rows else 0

    def mark_halted(self, symbol: Symbol, first_session: date, word: str) -> Gap | None:
        """Note a person's ``word`` that it was not traded then: no call is spent on the gap any more.

        Return None if no such gap is open, absent or marked. Raises ValueError for a word that is empty.
        """
        if not word.strip():
            raise ValueError("a gap is marked with a word that says why.")
        values = {"symbol": symbol, "first_session": first_session, "word": storable(word.strip(), MAX_SENTENCE)}
        return next(map(_gap, self._connections.query("mark_halted", values)), None)

    def mark_open(self, symbol: Symbol, first_session: date) -> Gap | None:
        """Take a mark back, so that the gap is asked about again; return None if it has none."""
        values = {"symbol": symbol, "first_session": first_session}
        return next(map(_gap, self._connections.query("mark_open", values)), None)

    def listings(self, symbols: Iterable[Symbol]) -> list[Listing]:
        """Return what the last lists of companies say of the symbols."""
        rows = self._connections.query("listings_of", {"symbols": as_json(symbols)})
        return [Listing(Symbol(symbol), *rest) for symbol, *rest in rows]

    def write(self, gaps: Sequence[Gap], forgotten: Sequence[Gap], looked_at: Mapping[Symbol, datetime]) -> None:
        """Store the gaps as they are now, forget others, and note up to which answer the symbols were looked at."""

        def write(cursor: Cursor) -> None:
            _write(cursor, "forget_gaps", forgotten)
            _write(cursor, "write_gaps", gaps)
            rows = [{"symbol": symbol, "answered_at": at} for symbol, at in looked_at.items()]
            _write(cursor, "write_gap_checks", rows)

        self._connections.run(write)

    def unresolved_sessions(self, exchange: str) -> set[date]:
        """Return the sessions that many symbols of the exchange lack."""
        return {session for (session,) in self._connections.query("unresolved_sessions", {"exchange": exchange})}

    def write_sessions(self, found: Sequence[MissingSession]) -> None:
        """Store what many symbols of an exchange lack, and what is resolved of it."""
        self._connections.run(lambda cursor: _write(cursor, "write_missing_sessions", found))

    def due(self, symbols: Collection[Symbol], moment: datetime) -> dict[Symbol, DueGap]:
        """Return the symbols with gaps that it is time to ask about again at ``moment``."""
        values = {"symbols": as_json(dict.fromkeys(symbols)), "moment": moment, "compact": COMPACT}
        return {Symbol(symbol): DueGap(*rest) for symbol, *rest in self._connections.query("due_gaps", values)}


def _gap(row: tuple[Any, ...]) -> Gap:
    symbol, *rest = row
    return Gap(Symbol(symbol), *rest)


def _write(cursor: Cursor, name: str, rows: Sequence[Any]) -> None:
    for start in range(0, len(rows), _ROWS):
        cursor.execute(statement(name), {"rows": as_json(rows[start : start + _ROWS])})
