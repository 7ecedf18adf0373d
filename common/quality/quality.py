"""The checks at work: over what changed since they looked last, in steps of some hundred symbols."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from itertools import chain, starmap
from time import perf_counter
from typing import Any, Final

from psycopg2.extensions import cursor as Cursor

from common.database.pool import Connections
from common.database.queries import statement
from common.database.rows import as_json
from common.quality.adjusted_otherwise import judge_adjusted_closes
from common.quality.calendars import calendar_rows, stale_before
from common.quality.check import Check, LooksAt, all_checks
from common.quality.finding_table import FindingTable, Found, Looked
from common.trading_calendar import EXCHANGES, NEW_YORK, UNKNOWN, exchange_of
from common.values import Symbol

#: How many symbols a step looks at, and how many days their sessions span together: about a second's work.
_SYMBOLS: Final = 500
_DAYS: Final = 100_000
#: The checks whose rows are judged by a function: their SQL alone does not say what is wrong.
_JUDGES: Final[Mapping[str, Callable[..., Iterator[tuple[str, date, str]]]]] = {
    "adjusted_otherwise": judge_adjusted_closes
}


@dataclass(frozen=True, slots=True)
class CheckCounts:
    """What a look did. ``symbols``: looked at; ``opened``: findings; ``waiting``: symbols that it did not reach.

    ``seconds``: what each check took.
    """

    symbols: int = 0
    opened: int = 0
    waiting: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)

    def __add__(self, other: "CheckCounts") -> "CheckCounts":
        names = self.seconds.keys() | other.seconds.keys()
        seconds = {name: self.seconds.get(name, 0.0) + other.seconds.get(name, 0.0) for name in names}
        return CheckCounts(self.symbols + other.symbols, self.opened + other.opened, other.waiting, seconds)


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where to look at a symbol: bars are read from ``read_from`` on, and judged from ``first`` to ``last``."""

    symbol: Symbol
    exchange: str
    read_from: date
    first: date
    last: date
    stale_before: date | None


@dataclass(frozen=True, slots=True)
class _Time:
    """When it is, and how long after its close a session is expected to be stored."""

    moment: datetime
    grace: timedelta

    def scope(self, symbol: str, read_from: date = date.min, first: date = date.min, last: date = date.max) -> _Scope:
        """Return where to look at a symbol; without days, at all of it."""
        exchange = exchange_of(Symbol(symbol))
        return _Scope(Symbol(symbol), exchange, read_from, first, last, stale_before(exchange, self.moment, self.grace))


class Quality:
    """The checks over the stored rows. Thread-safe; each step is one transaction and raises what ``Connections`` does.

    Several at once take turns, and share what is to be looked at.
    """

    def __init__(self, connections: Connections, findings: FindingTable) -> None:
        self._connections = connections
        self._findings = findings

    def pend(self, symbols: Iterable[Symbol] | None = None) -> int:
        """Let the next look be at all that is stored of the symbols, or (None) of every one; return of how many."""
        if symbols is None:
            symbols = [Symbol(symbol) for (symbol,) in self._connections.query("symbols_with_prices", {})]
        return sum(self._connections.execute("pend_symbols", {"symbols": as_json(step)}) for step in _steps(symbols))

    def check_changed(
        self,
        moment: datetime,
        *,
        grace: timedelta = timedelta(),
        budget_s: float | None = None,
        told: Callable[[CheckCounts], None] = lambda counts: None,
    ) -> CheckCounts:
        """Run every check over what changed since the last look; return what was done.

        ``moment`` (aware) is now; a session is expected to be stored ``grace`` after its close. After ``budget_s`` the
        rest waits for the next look. ``told`` hears of each step.
        """
        time, deadline = _Time(moment, grace), None if budget_s is None else perf_counter() + budget_s
        counts = self._connections.run(lambda cursor: self._look(cursor, "exchange", [], time))
        until = self._connections.query("look_begins", {})[0][0]
        while step := self._connections.run(lambda cursor: self._step(cursor, until, time)):
            counts += step
            told(counts)
            if deadline and perf_counter() > deadline:
                break
        return counts + CheckCounts(waiting=self._connections.query("count_pending", {})[0][0])

    def check_stale(self, symbols: Iterable[Symbol], moment: datetime, *, grace: timedelta = timedelta()) -> int:
        """Look whether symbols are stale, which no change of a row tells; return how many findings were opened."""
        time, opened = _Time(moment, grace), 0
        for step in _steps(symbols):
            scope = [time.scope(symbol) for symbol in step]
            opened += self._connections.run(partial(self._look, looks_at="symbol", scope=scope, time=time)).opened
        return opened

    def _step(self, cursor: Cursor, until: datetime, time: _Time) -> CheckCounts | None:
        """Look at the symbols that wait longest; None where none does. What changes meanwhile waits again."""
        cursor.execute(statement("one_check_at_a_time"))
        limits = {"until": until, "symbol_limit": _SYMBOLS, "day_limit": _DAYS}
        cursor.execute(statement("next_quality_step"), limits)
        rows = cursor.fetchall()
        if not rows:
            return None
        scope = [time.scope(symbol, *days) for symbol, _, *days in rows]
        counts = self._look(cursor, "sessions", scope, time) + self._look(cursor, "symbol", scope, time)
        done = [{"symbol": symbol, "changed_at": changed_at} for symbol, changed_at, *_ in rows]
        cursor.execute(statement("looked_at"), {"rows": as_json(done)})
        return counts + CheckCounts(len(rows))

    def _look(self, cursor: Cursor, looks_at: LooksAt, scope: Sequence[_Scope], time: _Time) -> CheckCounts:
        """Run the checks that look so, write what they find, and resolve what they find no more."""
        cursor.execute(statement("one_check_at_a_time"))
        checks = [check for check in all_checks() if check.looks_at == looks_at]
        values = {"scope": as_json(scope), "calendar": as_json(_calendar(scope, time.moment))}
        seconds, found = dict[str, float](), list[Found]()
        for check in checks:
            started = perf_counter()
            found += _run(cursor, check, values)
            seconds[check.name] = perf_counter() - started
        names = [check.name for check in checks]
        opened = self._findings.record(cursor, list(_looked(looks_at, scope, names)), found)
        return CheckCounts(opened=opened, seconds=seconds)


def _run(cursor: Cursor, check: Check, values: Mapping[str, str]) -> Iterator[Found]:
    cursor.execute(check.statement, values)
    rows: Iterable[Any] = cursor.fetchall()
    if judge := _JUDGES.get(check.name):
        rows = chain.from_iterable(starmap(judge, rows))
    return (Found(check.name, check.severity, *row) for row in rows)


def _looked(looks_at: LooksAt, scope: Sequence[_Scope], names: Sequence[str]) -> Iterator[Looked]:
    if looks_at == "exchange":
        for exchange in {NEW_YORK, *EXCHANGES.values()}:
            yield Looked(exchange, date.min, date.max, names)
    for each in scope:
        whole = looks_at == "symbol"
        yield Looked(each.symbol, date.min if whole else each.first, date.max if whole else each.last, names)


def _calendar(scope: Sequence[_Scope], moment: datetime) -> Iterable[object]:
    exchanges = {each.exchange for each in scope} - {UNKNOWN}
    if not exchanges:
        return []
    return calendar_rows(sorted(exchanges), min(each.first for each in scope), max(each.last for each in scope), moment)


def _steps(symbols: Iterable[Symbol]) -> Iterator[Sequence[Symbol]]:
    unique = list(dict.fromkeys(symbols))
    for start in range(0, len(unique), _SYMBOLS):
        yield unique[start : start + _SYMBOLS]
