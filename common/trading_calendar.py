"""Which session of an exchange is the latest completed one: what a symbol's stored rows should reach up to.

The suffix of a symbol names its exchange. Where a calendar is missing or has ended, sessions are assumed that may not
take place, never the other way round: that costs a call, but no session is missed.

Sessions and closes are those of the library exchange_calendars. It imports pandas, which takes seconds, so it is
imported when a calendar is first needed, and each calendar is built once for a process and year.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

from common.values import Symbol

NEW_YORK: Final = "XNYS"
#: The exchange of a symbol whose suffix is not known.
UNKNOWN: Final = ""
#: The provider's suffix -> the calendar's code (ISO 10383). Toronto's calendar is the Venture Exchange's too,
#: Shanghai's is Shenzhen's, Mumbai's is the National Stock Exchange's, and Stuttgart's, with trading up to 22:00,
#: stands for the German floors that the library does not have.
EXCHANGES: Final = {
    "AMS": "XAMS",
    "AUS": "XASX",
    "BER": "XSTU",
    "BRU": "XBRU",
    "BSE": "XBOM",
    "DEX": "XETR",
    "DUS": "XDUS",
    "FRK": "XFRA",
    "HAM": "XHAM",
    "HKG": "XHKG",
    "LIS": "XLIS",
    "LON": "XLON",
    "MIL": "XMIL",
    "MUN": "XSTU",
    "NSE": "XBOM",
    "PAR": "XPAR",
    "SAO": "BVMF",
    "SHH": "XSHG",
    "SHZ": "XSHG",
    "STO": "XSTO",
    "STU": "XSTU",
    "SWX": "XSWX",
    "TRT": "XTSE",
    "TRV": "XTSE",
    "TYO": "XTKS",
}
_SATURDAY: Final = 5
_YEAR: Final = timedelta(days=366)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Session:
    """A trading day of an exchange. ``closed_at`` is aware (UTC)."""

    exchange: str
    day: date
    closed_at: datetime


def exchange_of(symbol: Symbol) -> str:
    """Return the calendar's code for the symbol's exchange: New York's for US shares, UNKNOWN for a strange suffix.

    ``BRK-B``, ``BRK.B`` and ``BF.A`` are US shares: a single letter is a class of shares and not an exchange.
    """
    _, dot, suffix = symbol.rpartition(".")
    return EXCHANGES.get(suffix, UNKNOWN) if dot and len(suffix) > 1 else NEW_YORK


def latest_session(symbol: Symbol, moment: datetime, grace: timedelta = timedelta()) -> Session:
    """Return the latest session of the symbol's exchange that closed at least ``grace`` before ``moment`` (aware).

    Raises TypeError for a moment without a time zone.
    """
    if moment.tzinfo is None:
        raise TypeError(f"{moment!r} has no time zone.")
    limit = moment.astimezone(UTC) - grace
    exchange = exchange_of(symbol)
    if exchange == UNKNOWN:
        # Any day may be a session, over as soon as it begins in UTC: no exchange on Earth closes earlier.
        return Session(exchange, limit.date(), datetime.combine(limit.date(), time(), UTC))
    sessions, closes = _calendar(exchange, limit.year)
    return sessions[bisect_right(closes, limit) - 1]


def sessions_after(day: date, latest: Session) -> int:
    """Return how many sessions came after ``day``, up to ``latest``; at most those of two years."""
    if latest.exchange == UNKNOWN:
        return max(0, (latest.day - day).days)
    sessions, _ = _calendar(latest.exchange, latest.day.year)
    return max(0, _position(sessions, latest.day) - _position(sessions, day))


@lru_cache(maxsize=64)
def known_sessions(exchange: str, since: date, until: date) -> Sequence[date]:
    """Return the sessions of an exchange (not UNKNOWN) from ``since`` to ``until``, in order, both included.

    What lies outside the days that its calendar covers is left out: there nobody knows what was a session.
    """
    import exchange_calendars  # noqa: PLC0415  takes seconds: see the module's docstring

    kind = type(exchange_calendars.get_calendar(exchange))
    first, last = (bound and bound.date() for bound in (kind.bound_min(), kind.bound_max()))
    start, end = max(since, first or since), min(until, last or until)
    return tuple(day.date() for day in kind(start=start, end=end).sessions) if start < end else ()


def sessions_of(exchange: str, year: int) -> Sequence[Session]:
    """Return the sessions of an exchange (not UNKNOWN) in a year and the one before it, in order.

    Where its calendar has ended, sessions are assumed.
    """
    sessions, _ = _calendar(exchange, year)
    return sessions


def _position(sessions: Sequence[Session], day: date) -> int:
    return bisect_right(sessions, day, key=attrgetter("day"))


@lru_cache(maxsize=128)
def _calendar(exchange: str, year: int) -> tuple[tuple[Session, ...], tuple[datetime, ...]]:
    """Return the sessions of a year and the one before it, and their closes, both in order."""
    last_day = date(year, 12, 31)
    calendar, known_until = _build(exchange, last_day)
    known = [
        Session(exchange, day.date(), close.to_pydatetime().astimezone(UTC)) for day, close in calendar.closes.items()
    ]
    closing = known[-1].closed_at.astimezone(calendar.tz).timetz()
    sessions = (*known, *_assumed(exchange, closing, known_until + _DAY, last_day))
    return sessions, tuple(session.closed_at for session in sessions)


def _build(exchange: str, last_day: date) -> tuple[Any, date]:
    """Return the calendar, and the day up to which it is known: ``last_day`` or the last one with recorded holidays."""
    import exchange_calendars  # noqa: PLC0415  takes seconds: see the module's docstring

    try:
        return exchange_calendars.get_calendar(exchange, start=last_day - 2 * _YEAR, end=last_day), last_day
    except ValueError:  # some exchanges announce their holidays a year ahead
        kind = type(exchange_calendars.get_calendar(exchange))
        end = kind.bound_max()
        return kind(start=end - _YEAR, end=end), end.date()


def _assumed(exchange: str, closing: time, day: date, last_day: date) -> Iterator[Session]:
    """Yield what may be sessions from ``day`` on: every weekday, with ``closing``, a local time with its zone."""
    while day <= last_day:
        if day.weekday() < _SATURDAY:
            yield Session(exchange, day, datetime.combine(day, closing).astimezone(UTC))
        day += _DAY
