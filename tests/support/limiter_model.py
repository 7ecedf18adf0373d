"""The limiter in plain Python, slow and obvious, to be compared with the scripts. Times in µs."""

import heapq
from dataclasses import dataclass, field

from common.quota.quota import Quota
from tests.support.limiter_clock import MICROSECONDS

MAX_SPREAD = 600 * MICROSECONDS


@dataclass
class Model:
    """One API key's state.

    ``log``: permit -> score. ``queue``: waiter -> (when it joined, its name; that
    decides between two of one microsecond).
    """

    quota: Quota
    cap: int
    grace: int
    horizon: int
    now: int
    hold: int = 0
    log: dict[str, int] = field(default_factory=dict)
    queue: dict[str, tuple[int, str]] = field(default_factory=dict)
    due: dict[str, int] = field(default_factory=dict)
    deferred: dict[str, int] = field(default_factory=dict)

    def acquire(self, permit: str) -> tuple:
        if permit in self.log:
            if self.log[permit] <= self.now:
                return ("spent",)
            self.log[permit] = self.now + self.cap
            return ("granted",)
        for waiter in [waiter for waiter, due in self.due.items() if due <= self.now and waiter != permit]:
            self._leave(waiter)
        waiters = sorted(self.queue, key=self.queue.__getitem__)
        ahead = waiters.index(permit) if permit in waiters else len(waiters)
        fits = self.earliest(ahead + 1)
        at = max(fits, self.hold)
        if at <= self.now:
            self._leave(permit)
            self._trim()
            self.log[permit] = self.now + self.cap
            return ("granted",)
        return self._line_up(permit, ahead, fits, at)

    def settle(self, permit: str) -> None:
        # A permit that is forgotten is added: its call was made.
        self.log[permit] = min(self.log.get(permit, self.now), self.now)

    def release(self, permit: str) -> None:
        self._leave(permit)
        self.deferred.pop(permit, None)
        if permit in self.log and self.log[permit] > self.now:
            del self.log[permit]

    def hold_back(self, duration: int) -> None:
        self.hold = max(self.hold, self.now + duration)

    def used(self, period: int) -> int:
        return sum(score > self.now - period for score in self.log.values())

    def earliest(self, nth: int) -> int:
        """When the nth call from now fits every window, by playing the calls through each."""
        return max(self._play(window.limit, window.period_s * MICROSECONDS, nth) for window in self.quota.windows)

    def _play(self, limit: int, period: int, nth: int) -> int:
        leaves = [min(score, self.now) + period for score in self.log.values()]
        slots = [leave for leave in leaves if leave > self.now]
        slots += [self.now] * (limit - len(slots))
        slots = sorted(slots)[-limit:]
        at = self.now
        for _ in range(nth):
            at = heapq.heappop(slots)
            heapq.heappush(slots, at + period)
        return at

    def _line_up(self, permit: str, ahead: int, fits: int, at: int) -> tuple:
        told = self.deferred.get(permit)
        known = permit in self.queue or (told is not None and told <= self.now)
        if at - self.now <= self.horizon or (known and at - self.now <= 2 * self.horizon):
            self.queue.setdefault(permit, (self.now, permit))
            self.due[permit] = at + self.grace
            return ("reserved", at)
        self._leave(permit)
        if told is not None and told > self.now:
            return ("denied", told, at)
        self.deferred = {name: back for name, back in self.deferred.items() if back > self.now - self.grace}
        back = at + (self.earliest(ahead + len(self.deferred) + 1) - fits) % MAX_SPREAD
        self.deferred[permit] = back
        return ("denied", back, at)

    def _trim(self) -> None:
        """Forget what has left the longest window, once there is no room."""
        longest = self.quota.windows[-1]
        if len(self.log) >= longest.limit:
            since = self.now - longest.period_s * MICROSECONDS
            self.log = {name: score for name, score in self.log.items() if score > since}

    def _leave(self, permit: str) -> None:
        self.queue.pop(permit, None)
        self.due.pop(permit, None)
