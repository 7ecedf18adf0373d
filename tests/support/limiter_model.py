"""The limiter in plain Python, slow and obvious, to be compared with the scripts. Times in µs."""

import heapq
from dataclasses import dataclass, field

from common.values import Quota
from tests.support.limiter_clock import MICROSECONDS

MAX_SPREAD = 600 * MICROSECONDS


@dataclass
class Model:
    """One API key's state. ``log``: permit -> (score, cost). ``queue``: waiter -> (when it joined, its
    first member in Redis, which decides between two of one microsecond, cost)."""

    quota: Quota
    cap: int
    grace: int
    horizon: int
    now: int
    hold: int = 0
    log: dict[str, tuple[int, int]] = field(default_factory=dict)
    queue: dict[str, tuple[int, str, int]] = field(default_factory=dict)
    due: dict[str, int] = field(default_factory=dict)
    deferred: dict[str, int] = field(default_factory=dict)

    def acquire(self, permit: str, cost: int) -> tuple:
        if permit in self.log:
            if self.log[permit][0] <= self.now:
                return ("spent",)
            self.log[permit] = (self.now + self.cap, cost)
            return ("granted",)
        for waiter in [waiter for waiter, due in self.due.items() if due <= self.now and waiter != permit]:
            self._leave(waiter)
        waiters = sorted(self.queue, key=self.queue.__getitem__)
        before = waiters[: waiters.index(permit)] if permit in waiters else waiters
        ahead = sum(self.queue[waiter][2] for waiter in before)
        fits = self.earliest(ahead + cost)
        at = max(fits, self.hold)
        if at <= self.now:
            self._leave(permit)
            self._trim(cost)
            self.log[permit] = (self.now + self.cap, cost)
            return ("granted",)
        return self._line_up(permit, cost, ahead, fits, at)

    def settle(self, permit: str, cost: int) -> None:
        score, cost = self.log.get(permit, (self.now, cost))  # a permit that is forgotten is added: its call was made
        self.log[permit] = (min(score, self.now), cost)

    def release(self, permit: str) -> None:
        self._leave(permit)
        self.deferred.pop(permit, None)
        if permit in self.log and self.log[permit][0] > self.now:
            del self.log[permit]

    def hold_back(self, duration: int) -> None:
        self.hold = max(self.hold, self.now + duration)

    def used(self, period: int) -> int:
        return sum(cost for score, cost in self.log.values() if score > self.now - period)

    def earliest(self, units: int) -> int:
        """When the units-th call from now fits every window, by playing the calls through each."""
        return max(self._play(window.limit, window.period_s * MICROSECONDS, units) for window in self.quota.windows)

    def _play(self, limit: int, period: int, units: int) -> int:
        leaves = [min(score, self.now) + period for score, cost in self.log.values() for _ in range(cost)]
        slots = [leave for leave in leaves if leave > self.now]
        slots += [self.now] * (limit - len(slots))
        slots = sorted(slots)[-limit:]
        at = self.now
        for _ in range(units):
            at = heapq.heappop(slots)
            heapq.heappush(slots, at + period)
        return at

    def _line_up(self, permit: str, cost: int, ahead: int, fits: int, at: int) -> tuple:
        told = self.deferred.get(permit)
        known = permit in self.queue or (told is not None and told <= self.now)
        if at - self.now <= self.horizon or (known and at - self.now <= 2 * self.horizon):
            self.queue.setdefault(permit, (self.now, permit if cost == 1 else f"{permit} 1", cost))
            self.due[permit] = at + self.grace
            return ("reserved", at)
        self._leave(permit)
        if told is not None and told > self.now:
            return ("denied", told, at)
        self.deferred = {name: back for name, back in self.deferred.items() if back > self.now - self.grace}
        back = at + (self.earliest(ahead + len(self.deferred) + cost) - fits) % MAX_SPREAD
        self.deferred[permit] = back
        return ("denied", back, at)

    def _trim(self, cost: int) -> None:
        """Forget what has left the longest window, once there is no room."""
        longest = self.quota.windows[-1]
        if cost + sum(cost for _, cost in self.log.values()) > longest.limit:
            since = self.now - longest.period_s * MICROSECONDS
            self.log = {name: (score, cost) for name, (score, cost) in self.log.items() if score > since}

    def _leave(self, permit: str) -> None:
        self.queue.pop(permit, None)
        self.due.pop(permit, None)
