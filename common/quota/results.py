"""What the limiter says. All times are aware (UTC) and on Redis's clock; all durations are in seconds."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from common.quota.quota import Window


@dataclass(frozen=True, slots=True)
class Granted:
    """Send now. The whole request must be over within the limiter's ``cap_s`` from ``at`` on."""

    permit_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Reserved:
    """A place in the queue: ask again with the same id at ``at``, ``wait_s`` from now.

    It may then be a little later still: ``at`` is the earliest time that is possible, so that no quota is lost.
    A caller that has not asked again by ``at`` plus the limiter's grace has lost the place. ``held_by``: the reason of
    the hold that stands in the way, or empty where the quota does.
    """

    permit_id: str
    at: datetime
    wait_s: float
    held_by: str = ""


@dataclass(frozen=True, slots=True)
class Denied:
    """No place within the horizon; nothing was consumed. Come back at ``retry_at``, ``wait_s`` from now.

    ``window`` is what stands in the way: a window such as ``25/day``, or the reason of a hold. At ``opens_at`` it
    lets one call pass; ``retry_at`` is later where others were denied before, so that they don't come all at once.
    """

    permit_id: str
    retry_at: datetime
    wait_s: float
    opens_at: datetime
    window: str


Decision = Granted | Reserved | Denied


@dataclass(slots=True)
class Permit:
    """A granted permit, while its request is made. ``expires``: the moment on ``clock`` when it must be over."""

    permit_id: str
    expires: float
    clock: Callable[[], float]
    unsent: bool = field(default=False, init=False)
    provider_answered: bool | None = field(default=None, init=False)

    @property
    def remaining_s(self) -> float:
        """How long the request may still take: less than planned if this process was held up after the grant."""
        return self.expires - self.clock()

    def give_back(self) -> None:
        """Say that no request was sent and none will be: the permit goes back to the others."""
        self.unsent = True

    def report(self, *, answered: bool) -> None:
        """Say whether the provider did its work, or failed: calls that fail one after the other are an outage."""
        self.provider_answered = answered


@dataclass(frozen=True, slots=True)
class WindowUsage:
    """How much of a window is used, what is out included. ``next_at``: when one more call (the nth) fits it."""

    window: Window
    used: int
    next_at: datetime

    @property
    def left(self) -> int:
        """How many calls fit now."""
        return max(0, self.window.limit - self.used)


@dataclass(frozen=True, slots=True)
class Usage:
    """The quota now, shortest window first.

    ``in_flight``: permits whose requests are out. ``waiting``: reserved. ``deferred``: told to come back later.
    ``next_at``: when a new caller (the nth) could go, behind those that wait. ``hold_until``: nothing is granted
    before, for the reason ``held_by``; None if there is no hold.
    """

    at: datetime
    windows: tuple[WindowUsage, ...]
    in_flight: int
    waiting: int
    deferred: int
    next_at: datetime
    hold_until: datetime | None
    held_by: str

    @property
    def left(self) -> int:
        """How many calls fit now, behind those that wait."""
        return 0 if self.hold_until else max(0, min(window.left for window in self.windows) - self.waiting)


@dataclass(frozen=True, slots=True)
class LimiterHealth:
    """Redis as the limiter sees it. ``durable``: it keeps an append-only file, so a restart loses nothing."""

    latency_s: float
    redis_version: str
    durable: bool
    usage: Usage
