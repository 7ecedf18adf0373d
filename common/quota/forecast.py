"""What the quota leaves for a run: how many calls can go soon, and when the others can."""

from bisect import bisect_right
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from common.quota.results import Usage

#: A wait beyond this (s) is a matter of the day's quota and not of the minute's.
POSTPONE_BEYOND_S: Final = 3600.0


class QuotaForecast:
    """A ``planning.Budget``, asked of the limiter's own state. ``usage`` is ``Limiter.usage``.

    ``reserved``: calls that go before any of these, because somebody else is to find them.

    Windows of up to ``beyond_s`` seconds postpone nothing: a caller that meets a full one waits. What a longer window
    lets pass within ``beyond_s`` is within reach, as the job waits for it too: a run that comes a little earlier in the
    day than yesterday's still has the whole day's calls. A hold counts like a window.
    """

    def __init__(
        self, usage: Callable[[int], Usage], *, reserved: int = 0, beyond_s: float = POSTPONE_BEYOND_S
    ) -> None:
        self._usage = cache(usage)
        now = self._usage(1)
        self._before = now.waiting + reserved
        self._not_before = now.hold_until or now.at
        self._until = now.at + timedelta(seconds=beyond_s)
        self._long = [number for number, each in enumerate(now.windows) if each.window.period_s > beyond_s]

    def affordable(self, wanted: int) -> int:
        """Return how many of ``wanted`` calls can go soon."""
        return bisect_right(range(1, wanted + 1), self._until, key=self.opens_at)

    def opens_at(self, nth: int) -> datetime:
        """Return when the nth call from now can go, behind those that wait and what is reserved; on Redis's clock."""
        return max([self._not_before, *(self._fits(number, self._before + nth) for number in self._long)])

    def _fits(self, number: int, nth: int) -> datetime:
        """Return when a window lets the nth call pass. Whole periods on, its slots repeat: those are not asked for."""
        window = self._usage(1).windows[number].window
        periods, place = divmod(nth - 1, window.limit)
        return self._usage(place + 1).windows[number].next_at + periods * timedelta(seconds=window.period_s)
