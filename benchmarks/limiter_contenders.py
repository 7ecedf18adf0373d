"""The quota limiter and the libraries beside it, each used as its documentation says to wait until a call is allowed.

Where a library knows one window only, the longest is asked first and each is waited for in turn: nothing is burned by
a refusal of the next, which is the kindest order.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from importlib.metadata import version
from typing import Final, Protocol

import limits
import pyrate_limiter
import redis
import throttled
from pydantic import SecretStr

from common.quota.limiter import Limiter
from common.quota.quota import Quota
from common.quota.results import Granted

KEY: Final = SecretStr("benchmark")
#: The client of the pipeline gives up after 30 s.
CAP_S: Final = 35.0
_FOR_EVER_S: Final = 3600.0
_SHORTEST_SLEEP_S: Final = 0.01  # as limits' documentation polls
_NAME: Final = "calls"


class Gate(Protocol):
    """One process's view of the quota that all share. Thread-safe."""

    def permit(self, call: str) -> AbstractContextManager[object]:
        """Wait until the call is allowed; the block makes it."""

    def ask(self, call: str) -> bool:
        """Ask once, without waiting; return whether it is allowed."""


class Ours:
    """common.quota."""

    def __init__(self, url: str, quota: Quota) -> None:
        self._limiter = Limiter(SecretStr(url), quota, key=KEY, cap_s=CAP_S)
        self._limiter.start_fresh()

    def permit(self, call: str) -> AbstractContextManager[object]:
        """Wait in place, and settle at the end of the block."""
        return self._limiter.permit(call, max_wait_s=_FOR_EVER_S)

    def ask(self, call: str) -> bool:
        """Ask for a permit now or never."""
        return isinstance(self._limiter.acquire(call, horizon_s=0), Granted)


class Limits:
    """limits: ``hit``, and after a refusal sleep until the window's ``reset_time``."""

    def __init__(self, url: str, quota: Quota, strategy: type[limits.strategies.RateLimiter]) -> None:
        self._strategy = strategy(limits.storage.RedisStorage(url))
        self._items = [limits.parse(f"{w.limit} per {w.period_s} second") for w in reversed(quota.windows)]

    @contextmanager
    def permit(self, call: str) -> Iterator[None]:
        """Wait for each window."""
        for item in self._items:
            while not self._strategy.hit(item, _NAME):
                time.sleep(max(_SHORTEST_SLEEP_S, self._reset(item) - time.time()))
        yield

    def ask(self, call: str) -> bool:
        """Ask each window until one refuses; then ask when it opens."""
        for item in self._items:
            if not self._strategy.hit(item, _NAME):
                self._reset(item)
                return False
        return True

    def _reset(self, item: limits.RateLimitItem) -> float:
        return float(self._strategy.get_window_stats(item, _NAME).reset_time)


class Pyrate:
    """pyrate-limiter: one bucket in Redis for all windows; ``try_acquire`` blocks."""

    def __init__(self, url: str, quota: Quota) -> None:
        rates = [pyrate_limiter.Rate(w.limit, w.period_s * pyrate_limiter.Duration.SECOND) for w in quota.windows]
        bucket = pyrate_limiter.RedisBucket.init(rates, redis.Redis.from_url(url), _NAME)
        self._limiter = pyrate_limiter.Limiter(bucket)

    @contextmanager
    def permit(self, call: str) -> Iterator[None]:
        """Wait in ``try_acquire``."""
        self._limiter.try_acquire(_NAME)
        yield

    def ask(self, call: str) -> bool:
        """Ask once."""
        return bool(self._limiter.try_acquire(_NAME, blocking=False))


class Throttled:
    """throttled-py: one limiter for each window; ``limit`` waits up to its ``timeout``."""

    def __init__(self, url: str, quota: Quota, algorithm: throttled.RateLimiterType) -> None:
        store = throttled.RedisStore(server=url)
        self._windows = [
            throttled.Throttled(
                key=f"{_NAME}:{window}",
                using=algorithm.value,
                quota=throttled.rate_limiter.per_duration(timedelta(seconds=window.period_s), window.limit),
                store=store,
            )
            for window in reversed(quota.windows)
        ]

    @contextmanager
    def permit(self, call: str) -> Iterator[None]:
        """Wait for each window."""
        for window in self._windows:
            while window.limit(timeout=_FOR_EVER_S).limited:
                pass
        yield

    def ask(self, call: str) -> bool:
        """Ask each window until one refuses."""
        return not any(window.limit().limited for window in self._windows)


Build = Callable[[str, Quota], Gate]

VERSIONS: Final = ", ".join(f"{name} {version(name)}" for name in ("limits", "pyrate-limiter", "throttled-py"))

CONTENDERS: Final[Mapping[str, Build]] = {
    "ours": Ours,
    "limits, moving window": lambda url, quota: Limits(url, quota, limits.strategies.MovingWindowRateLimiter),
    "limits, fixed window": lambda url, quota: Limits(url, quota, limits.strategies.FixedWindowRateLimiter),
    "pyrate-limiter, log": Pyrate,
    "throttled-py, sliding window": lambda url, quota: Throttled(url, quota, throttled.RateLimiterType.SLIDING_WINDOW),
    "throttled-py, GCRA": lambda url, quota: Throttled(url, quota, throttled.RateLimiterType.GCRA),
}
