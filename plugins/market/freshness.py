"""Which session each exchange should have by now, and how far behind it a symbol is.

The calendars take seconds, so a thread waits for them; until they are there nothing is known, and nobody waits.
"""

import logging
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import inf
from operator import itemgetter
from threading import Lock, Thread
from time import monotonic
from typing import Final

from common.trading_calendar import Session, exchange_of
from common.values import Symbol
from plugins.market.calendars import Sessions, read_sessions

log = logging.getLogger(__name__)

#: How long what is expected holds (s): nobody minds when a session is called complete seconds late.
_HOLDS_S: Final = 10
#: How long after calendars that could not be read they are read again (s): it takes a core for some seconds.
_RETRY_S: Final = 300


@dataclass(frozen=True, slots=True)
class Freshness:
    """What is expected of a symbol. ``behind``: how many sessions its newest row is; None where nobody knows."""

    expected: date | None
    behind: int | None
    state: str  # fresh, stale, never, unknown


class Calendars:
    """The latest complete session of each exchange. ``grace``: how late after a close its data is expected.

    ``retry_s``: how long after a failure the sessions are read again.
    """

    def __init__(
        self,
        grace: timedelta,
        *,
        read: Callable[[int], Sessions] = read_sessions,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        retry_s: float = _RETRY_S,
    ) -> None:
        self._grace = grace
        self._read = read
        self._clock = clock
        self._retry_s = retry_s
        self._lock = Lock()
        self._asked_for = 0  # the year whose sessions were asked for last
        self._retry_at = inf  # on the monotonic clock; finite after a failure
        self._sessions: Sessions = {}
        self._expected: Mapping[str, Session] = {}
        self._expected_at = -float(_HOLDS_S)

    def warm_up(self) -> None:
        """Ask for the sessions of this year, in a thread, unless that was done already and went well."""
        year = self._clock().year
        with self._lock:
            if self._asked_for == year and monotonic() < self._retry_at:
                return
            self._asked_for, self._retry_at = year, inf
        Thread(target=self._fetch, args=(year,), name="market-calendars", daemon=True).start()

    def expected(self) -> Mapping[str, Session]:
        """Return the latest complete session of each exchange, by its code; of none before the calendars are there."""
        if monotonic() >= self._retry_at:
            self.warm_up()
        if self._sessions and monotonic() - self._expected_at >= _HOLDS_S:
            self.warm_up()  # a new year has begun
            self._expected = self._now()
            self._expected_at = monotonic()
        return self._expected

    def judge(self, symbol: Symbol, session: date | None) -> Freshness:
        """Say how fresh a symbol is whose newest row is of ``session``; None: it has no row."""
        latest = self.expected().get(exchange_of(symbol))
        if session is None:
            return Freshness(latest.day if latest else None, None, "never")
        if latest is None:
            return Freshness(None, None, "unknown")
        behind = self._behind(session, latest)
        return Freshness(latest.day, behind, "stale" if behind else "fresh")

    def _behind(self, day: date, latest: Session) -> int:
        """Return how many sessions came after ``day``, up to the latest one; at most those of two years."""
        if day >= latest.day:
            return 0
        days = self._sessions[latest.exchange]
        first, last = (bisect_right(days, bound, key=itemgetter(0)) for bound in (day, latest.day))
        return last - first

    def _fetch(self, year: int) -> None:
        try:
            self._sessions = self._read(year)
        except Exception:  # nobody waits for this thread, and the page goes on without calendars
            self._retry_at = monotonic() + self._retry_s
            log.exception(
                "the exchanges' calendars cannot be read, so the Market page does not say what is stale; "
                "they are read again in %.0f s",
                self._retry_s,
            )

    def _now(self) -> Mapping[str, Session]:
        limit = self._clock() - self._grace
        found = {}
        for code, sessions in self._sessions.items():
            place = bisect_right(sessions, limit, key=itemgetter(1))
            if place:
                found[code] = Session(code, *sessions[place - 1])
        return found
