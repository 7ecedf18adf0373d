"""Daily bars from TIME_SERIES_DAILY and TIME_SERIES_DAILY_ADJUSTED."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Final

from pydantic import TypeAdapter, ValidationError

from common.datasets.checks import check_day, check_range, check_symbol, latest_day, read_row, refuse, section, shown
from common.datasets.dataset import PRICE, SYMBOL, BySession, Dataset, Parsed, Table
from common.datasets.fields import Day, DayOfStamp
from common.datasets.plain_bars import plain_bars
from common.datasets.rows import AdjustedRow, BarRow
from common.provider import MAX_BYTES, MAX_BYTES_FULL, Request
from common.values import DailyBar, Rejection, Reply, Symbol

#: How many sessions a compact series has.
COMPACT: Final = 100
_UNFINISHED: Final = "unfinished"
_META: Final = "Meta Data"
_SYMBOL: Final = "2. Symbol"
_REFRESHED: Final = "3. Last Refreshed"
_SERIES: Final = "Time Series (Daily)"
_ADJUSTED_CLOSE: Final = "5. adjusted close"
#: How many rows are judged at once: one that is odd costs the exact judgement of all of these.
_AT_ONCE: Final = 100
_DAY: Final = TypeAdapter[date](Day)
_DAY_OF_STAMP: Final = TypeAdapter[date](DayOfStamp)


TABLE: Final = Table(
    "daily_bars",
    {
        "symbol": SYMBOL,
        "session": "date",
        "open_price": PRICE,
        "high_price": PRICE,
        "low_price": PRICE,
        "close_price": PRICE,
        "volume": "bigint",
        "adjusted_close": PRICE,
        "dividend_amount": PRICE,
        "split_coefficient": PRICE,
    },
    key=("symbol", "session"),
    keep=frozenset({"adjusted_close", "dividend_amount", "split_coefficient"}),
    session="session",
)


def request(symbol: Symbol, *, full: bool = False, adjusted: bool = False) -> Request:
    """Ask for the daily bars: the latest 100, or with ``full`` all of them; both options need a premium plan."""
    return Request(
        "TIME_SERIES_DAILY_ADJUSTED" if adjusted else "TIME_SERIES_DAILY",
        symbol,
        {"symbol": symbol, "outputsize": "full" if full else "compact"},
        MAX_BYTES_FULL if full else MAX_BYTES,
    )


def bars_from_reply(symbol: Symbol, reply: Reply) -> tuple[list[DailyBar], list[Rejection]]:
    """Return the sound bars of a daily series, in the reply's order (newest first), and why each other is refused.

    The latest bar of a session that is still open is refused as ``unfinished``. Raises PayloadRejected, with a code
    of the package's table, where the structure is wrong or the series is another symbol's.
    """
    meta = section(symbol, reply, _META)
    if mismatch := check_symbol(_SYMBOL, meta.get(_SYMBOL), symbol):
        raise refuse(symbol, reply, mismatch)
    series = section(symbol, reply, _SERIES)
    if not series:
        raise refuse(symbol, reply, Rejection("no_rows", f"{_SERIES!r} is empty", _SERIES))
    bars: list[DailyBar] = []
    rejections: list[Rejection] = []
    unfinished = _open_session(meta)
    if unfinished in series:
        rejections.append(_rejection(unfinished, Rejection(_UNFINISHED, "the session was still open")))
    rows = [(name, values) for name, values in series.items() if name != unfinished]
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        if plain := plain_bars(symbol, part, latest_day(reply.received_at)):
            bars += plain
            continue
        verdicts = [_bar(symbol, name, values, reply.received_at) for name, values in part]
        bars += [verdict for verdict in verdicts if isinstance(verdict, DailyBar)]
        rejections += [verdict for verdict in verdicts if isinstance(verdict, Rejection)]
    return bars, rejections


def parse(symbol: Symbol, reply: Reply) -> Parsed:
    """Return the bars as what a reply holds, and why each other is refused; an unfinished one is no fault."""
    bars, rejections = bars_from_reply(symbol, reply)
    faults = [rejection for rejection in rejections if rejection.code != _UNFINISHED]
    detail = f"{len(bars)} bars up to {max(bar.session for bar in bars)}" if bars else "no finished bar"
    return Parsed({TABLE: bars}, faults, detail)


def _open_session(meta: Mapping[str, object]) -> str | None:
    """Return the session that was still open: the provider then says a time of day, else the day alone."""
    try:
        return _DAY_OF_STAMP.validate_python(meta.get(_REFRESHED)).isoformat()
    except ValidationError:
        return None


def _bar(symbol: Symbol, name: str, values: object, received_at: datetime) -> DailyBar | Rejection:
    try:
        session = _DAY.validate_python(name)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        return _rejection(name, Rejection(first["type"], f"the session {first['msg']}"))
    adjusted = isinstance(values, Mapping) and _ADJUSTED_CLOSE in values
    row = read_row(AdjustedRow if adjusted else BarRow, values)
    if isinstance(row, Rejection):
        return _rejection(name, row)
    if problem := check_day("the session", session, received_at) or check_range(row):
        return _rejection(name, problem)
    return _bar_of(symbol, session, row)


def _rejection(name: str, problem: Rejection) -> Rejection:
    return replace(problem, message=f"{shown(name)}: {problem.message}")


def _bar_of(symbol: Symbol, session: date, row: BarRow) -> DailyBar:
    bar = DailyBar(symbol, session, row.open_price, row.high_price, row.low_price, row.price, row.volume)
    if not isinstance(row, AdjustedRow):
        return bar
    return replace(
        bar,
        adjusted_close=row.adjusted_close,
        dividend_amount=row.dividend_amount,
        split_coefficient=row.split_coefficient,
    )


DAILY_BARS: Final = Dataset("daily_bars", request, parse, (TABLE,), due=BySession())
