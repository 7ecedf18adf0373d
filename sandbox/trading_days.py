"""Which days the New York exchanges trade, by rule, without a library: the sandbox's sessions are numbered from 0.

The rules are NYSE Rule 7.2's holidays, in force since 1999 (Juneteenth since 2022), and the unscheduled closures since.
"""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

NEW_YORK: Final = ZoneInfo("America/New_York")
#: A day's session counts as complete from here on: the close at 16:00 and a quarter of an hour for its data.
SESSION_COMPLETE: Final = time(16, 15)
FIRST_DAY: Final = date(1999, 11, 1)
#: 65 years of sessions, a power of two for the price walk.
SESSION_COUNT: Final = 2**14

_SATURDAY: Final = 5
_SUNDAY: Final = 6
_MONDAY: Final = 0
_THURSDAY: Final = 3
_JUNETEENTH_SINCE: Final = 2022
_UNSCHEDULED: Final = frozenset(
    date.fromisoformat(day)
    for day in (
        "2001-09-11", "2001-09-12", "2001-09-13", "2001-09-14",  # attacks on New York
        "2004-06-11", "2007-01-02", "2018-12-05", "2025-01-09",  # presidents' funerals
        "2012-10-29", "2012-10-30",  # a hurricane
    )
)  # fmt: skip


def easter(year: int) -> date:
    """Return Easter Sunday of a Gregorian year (the anonymous computus)."""
    century = year // 100
    moon_shift = (century - century // 4 - (8 * century + 13) // 25 + 19 * (year % 19) + 15) % 30
    moon = moon_shift - (moon_shift // 28) * (1 - (29 // (moon_shift + 1)) * ((21 - year % 19) // 11))
    weekday = (year + year // 4 + moon + 2 - century + century // 4) % 7
    days = moon - weekday
    month = 3 + (days + 40) // 44
    return date(year, month, days + 28 - 31 * (month // 4))


def _nth_weekday(year: int, month: int, weekday: int, nth: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))


def _observed(day: date) -> date:
    """Return the weekday on which a fixed holiday is kept."""
    return day + timedelta(days={_SATURDAY: -1, _SUNDAY: 1}.get(day.weekday(), 0))


def holidays(year: int) -> frozenset[date]:
    """Return the year's scheduled full-day closures."""
    new_year = date(year, 1, 1)
    days = {
        _nth_weekday(year, 1, _MONDAY, 3),
        _nth_weekday(year, 2, _MONDAY, 3),
        easter(year) - timedelta(days=2),
        _nth_weekday(year, 6, _MONDAY, 1) - timedelta(days=7),  # May's last Monday
        _observed(date(year, 7, 4)),
        _nth_weekday(year, 9, _MONDAY, 1),
        _nth_weekday(year, 11, _THURSDAY, 4),
        _observed(date(year, 12, 25)),
    }
    if new_year.weekday() != _SATURDAY:  # the exchange does not give up the year's last Friday for it
        days.add(_observed(new_year))
    if year >= _JUNETEENTH_SINCE:
        days.add(_observed(date(year, 6, 19)))
    return frozenset(days)


def _trading_days(day: date) -> Iterator[date]:
    closed: frozenset[date] = frozenset()
    year = 0
    while True:
        if day.year != year:
            year = day.year
            closed = holidays(year) | _UNSCHEDULED
        if day.weekday() < _SATURDAY and day not in closed:
            yield day
        day += timedelta(days=1)


@lru_cache(maxsize=1)
def sessions() -> tuple[date, ...]:
    """Return all sessions that the sandbox knows, oldest first; the index is the session's number."""
    days = _trading_days(FIRST_DAY)
    return tuple(next(days) for _ in range(SESSION_COUNT + 1))


def latest_session(moment: datetime) -> int:
    """Return the number of the last session that is complete at ``moment`` (aware)."""
    local = moment.astimezone(NEW_YORK)
    day = local.date() if local.time() >= SESSION_COMPLETE else local.date() - timedelta(days=1)
    return session_on_or_before(day)


def session_on_or_before(day: date) -> int:
    """Return the number of the last session up to ``day``. Raises ValueError outside of the known years."""
    number = bisect_right(sessions(), day) - 1
    if not 0 < number < SESSION_COUNT:
        raise ValueError(f"{day} is outside of the years that the sandbox knows ({FIRST_DAY} to {sessions()[-1]}).")
    return number
