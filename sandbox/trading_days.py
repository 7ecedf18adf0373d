"""Which days an exchange trades: its sessions are numbered from 0."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from sandbox import holidays

FIRST_DAY: Final = date(1999, 11, 1)
#: 65 years of sessions, a power of two for the price walk.
SESSION_COUNT: Final = 2**14


@dataclass(frozen=True, eq=False)
class Exchange:
    """A calendar. ``complete``: a day's session counts as complete from then on, in the exchange's own time.

    ``holidays`` returns the closures of a year that a rule gives, ``closed`` holds the others.
    """

    zone: ZoneInfo
    complete: time
    holidays: Callable[[int], frozenset[date]]
    closed: frozenset[date]

    @cached_property
    def sessions(self) -> tuple[date, ...]:
        """All sessions that the sandbox knows, oldest first; the index is the session's number."""
        return tuple(islice(self._trading_days(FIRST_DAY), SESSION_COUNT + 1))

    def latest_session(self, moment: datetime) -> int:
        """Return the number of the last session that is complete at ``moment`` (aware)."""
        local = moment.astimezone(self.zone)
        day = local.date() if local.time() >= self.complete else local.date() - timedelta(days=1)
        return self.session_on_or_before(day)

    def session_on_or_before(self, day: date) -> int:
        """Return the number of the last session up to ``day``. Raises ValueError outside of the known years."""
        number = bisect_right(self.sessions, day) - 1
        if not 0 < number < SESSION_COUNT:
            known = f"{FIRST_DAY} to {self.sessions[-1]}"
            raise ValueError(f"{day} is outside of the years that the sandbox knows ({known}).")
        return number

    def _trading_days(self, day: date) -> Iterator[date]:
        closed: frozenset[date] = frozenset()
        year = 0
        while True:
            if day.year != year:
                year = day.year
                closed = self.holidays(year) | self.closed
            if day.weekday() < holidays.SATURDAY and day not in closed:
                yield day
            day += timedelta(days=1)


#: The close at 16:00 and a quarter of an hour for its data.
NEW_YORK: Final = Exchange(
    ZoneInfo("America/New_York"), time(16, 15), holidays.new_york, holidays.UNSCHEDULED_IN_NEW_YORK
)
#: The close at 16:30 and half an hour for its auction and its data.
LONDON: Final = Exchange(ZoneInfo("Europe/London"), time(17), holidays.london, holidays.PROCLAIMED_IN_LONDON)


def exchange_of(symbol: str) -> Exchange:
    """Return the exchange whose days the symbol trades on: New York's for all but London's suffix."""
    return LONDON if symbol.endswith(".LON") else NEW_YORK
