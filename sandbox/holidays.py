"""The days on which the exchanges of New York and London stay closed all day, by rule, without a library.

New York: the holidays of NYSE Rule 7.2, in force since 1999 (Juneteenth since 2022). London: the bank holidays of
England and Wales, in force since 1978.
"""

from datetime import date, timedelta
from typing import Final

SATURDAY: Final = 5
_SUNDAY: Final = 6
_MONDAY: Final = 0
_TUESDAY: Final = 1
_THURSDAY: Final = 3
_DAY: Final = timedelta(days=1)
_JUNETEENTH_SINCE: Final = 2022


def _days(*texts: str) -> frozenset[date]:
    return frozenset(map(date.fromisoformat, texts))


#: Closures of New York that no rule gives.
UNSCHEDULED_IN_NEW_YORK: Final = _days(
    "2001-09-11", "2001-09-12", "2001-09-13", "2001-09-14",  # attacks on New York
    "2004-06-11", "2007-01-02", "2018-12-05", "2025-01-09",  # presidents' funerals
    "2012-10-29", "2012-10-30",  # a hurricane
)  # fmt: skip
#: Closures of London that no rule gives: the eve of 2000, jubilees, a wedding, a funeral, a coronation.
PROCLAIMED_IN_LONDON: Final = _days(
    "1999-12-31", "2002-06-03", "2011-04-29", "2012-06-05", "2022-06-03", "2022-09-19", "2023-05-08",
)  # fmt: skip
#: By year: the bank holidays that were moved to lie beside a jubilee, or on the day of a victory.
_EARLY_MAY_MOVED: Final = {2020: date(2020, 5, 8)}
_LATE_MAY_MOVED: Final = {2002: date(2002, 6, 4), 2012: date(2012, 6, 4), 2022: date(2022, 6, 2)}


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


def _last_monday_before(day: date) -> date:
    return day - timedelta(days=day.weekday() or 7)


def _observed(day: date) -> date:
    """Return the weekday on which New York keeps a fixed holiday."""
    return day + timedelta(days={SATURDAY: -1, _SUNDAY: 1}.get(day.weekday(), 0))


def new_york(year: int) -> frozenset[date]:
    """Return the year's scheduled full-day closures in New York."""
    new_year = date(year, 1, 1)
    days = {
        _nth_weekday(year, 1, _MONDAY, 3),
        _nth_weekday(year, 2, _MONDAY, 3),
        easter(year) - 2 * _DAY,
        _last_monday_before(date(year, 6, 1)),
        _observed(date(year, 7, 4)),
        _nth_weekday(year, 9, _MONDAY, 1),
        _nth_weekday(year, 11, _THURSDAY, 4),
        _observed(date(year, 12, 25)),
    }
    if new_year.weekday() != SATURDAY:  # the exchange does not give up the year's last Friday for it
        days.add(_observed(new_year))
    if year >= _JUNETEENTH_SINCE:
        days.add(_observed(date(year, 6, 19)))
    return frozenset(days)


def london(year: int) -> frozenset[date]:
    """Return the year's bank holidays in London, with the days that stand in for those on a weekend."""
    new_year = date(year, 1, 1)
    days = {
        new_year + timedelta(days={SATURDAY: 2, _SUNDAY: 1}.get(new_year.weekday(), 0)),
        easter(year) - 2 * _DAY,
        easter(year) + _DAY,
        _EARLY_MAY_MOVED.get(year, _nth_weekday(year, 5, _MONDAY, 1)),
        _LATE_MAY_MOVED.get(year, _last_monday_before(date(year, 6, 1))),
        _last_monday_before(date(year, 9, 1)),
        date(year, 12, 25),
        date(year, 12, 26),
    }
    substitutes = (date(year, 12, 27), date(year, 12, 28))  # each two days after the one that it stands in for
    return frozenset(days.union(day for day in substitutes if day.weekday() in {_MONDAY, _TUESDAY}))
