"""The limiter as callers have it, with its times (cap, grace, horizon): one quota over all workers, on Redis's clock.

The decisions are the scripts in ``common/quota/lua``; docs/adr/0001-the-quota-limiter.md says why they keep the quota.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Final

import redis
from pydantic import SecretStr

from common.clock import boot_clock
from common.errors import (
    ConfigurationError,
    DeadlineExceeded,
    LimiterUnavailable,
    NetworkFailed,
    PermitExpired,
    ProviderDown,
    QuotaWait,
)
from common.quota.quota import Quota
from common.quota.redis_clock import MICROSECONDS
from common.quota.results import (
    Decision,
    Denied,
    Granted,
    LimiterHealth,
    Permit,
    Reserved,
    Usage,
)
from common.quota.scripts import LimiterScripts, connect, micro, text
from common.quota.view import from_micro, read_usage
from common.values import RecordedCall

log = logging.getLogger(__name__)

#: How much longer (s) than the HTTP client's own deadline ``cap_s`` should be.
CAP_MARGIN_S: Final = 5.0
DEFAULT_GRACE_S: Final = 5.0
DEFAULT_HORIZON_S: Final = 60.0
#: After a loss, windows up to this period are waited out (exact, and short); longer ones come from the ledger.
WAIT_OUT_S: Final = 60
_MAX_ID_LENGTH: Final = 200
_MAX_REASON_LENGTH: Final = 200
#: The reason of the hold while calls fail one after the other: see outage.lua.
OUTAGE: Final = "the provider fails every call"
#: What a call's end says of the provider, as the scripts want it.
_VERDICTS: Final = {True: "up", False: "down", None: ""}


class Limiter:
    """The quota of one API key. Thread-safe; one for each process. Connects when it is first used.

    ``cap_s``: the longest that a request can live from its grant on, so more than the HTTP client's **total** time.
    ``grace_s``: how late a caller that was promised a slot may ask for it. ``key_digest`` stands for the key in names.

    Every method may raise a LimiterUnavailable: then nothing is known to be granted, and no call may be made.
    """

    def __init__(
        self,
        redis_url: SecretStr,
        quota: Quota,
        *,
        key: SecretStr,
        cap_s: float,
        grace_s: float = DEFAULT_GRACE_S,
        client: redis.Redis | None = None,
        monotonic: Callable[[], float] = boot_clock,
    ) -> None:
        if cap_s <= 0 or grace_s <= 0:
            raise ConfigurationError(f"the limiter needs cap_s and grace_s above 0, not {cap_s} and {grace_s}.")
        self.quota = quota
        self.cap_s = cap_s
        self.grace_s = grace_s
        self._clock = monotonic
        self._redis = LimiterScripts(connect(redis_url) if client is None else client, quota, key, monotonic)
        self.key_digest = self._redis.key_digest

    # Asking

    def acquire(self, permit_id: str, *, horizon_s: float = DEFAULT_HORIZON_S) -> Decision:
        """Ask for a permit for one request, or claim the reservation of that id. One round trip.

        An id stands for one request. Asking again with it returns the grant it already has, so a lost reply costs
        nothing. Call this when the request is about to be sent, and ``settle`` or ``release`` afterwards.
        Slots further away than ``horizon_s`` are not reserved. Raises ValueError for an id that is settled, and
        ProviderDown in an outage of more than five minutes.
        """
        _check_id(permit_id)
        times = (micro(self.cap_s), micro(self.grace_s), micro(horizon_s))
        tag, now, *rest = self._redis.decide("acquire", permit_id, *times)
        if tag == "spent":
            raise ValueError(f"permit {permit_id!r} was settled: another call needs another id.")
        if tag == "granted":
            return Granted(permit_id, from_micro(now))
        if tag == "reserved":
            return Reserved(permit_id, from_micro(rest[1]), (rest[1] - now) / MICROSECONDS, text(rest[2]))
        if tag == "down":
            raise ProviderDown(
                f"Not asked: the provider has failed every call since {from_micro(rest[1]):%Y-%m-%d %H:%M:%S} UTC. It "
                "will be tried again; check the network, and whether the provider has an outage."
            )
        _, back, window, opens, held_by = rest
        standing = str(self.quota.windows[window - 1]) if window else text(held_by)
        return Denied(permit_id, from_micro(back), (back - now) / MICROSECONDS, from_micro(opens), standing)

    def settle(self, permit_id: str, *, answered: bool | None = None) -> None:
        """Say that the reply, or the failure, of the request was seen. Twice is as good as once.

        Should Redis have lost the permit meanwhile, its call is counted all the same.
        ``answered``: whether the provider did its work; None says nothing of that.
        """
        _check_id(permit_id)
        self._redis.end("settle", permit_id, _VERDICTS[answered])

    def release(self, permit_id: str, *, answered: bool | None = None) -> None:
        """Give back a permit whose request was never sent, or a place in the queue. Twice is as good as once."""
        _check_id(permit_id)
        self._redis.end("release", permit_id, _VERDICTS[answered])

    @contextmanager
    def permit(
        self, permit_id: str, *, max_wait_s: float, sleep: Callable[[float], None] = time.sleep
    ) -> Iterator[Permit]:
        """Hold a permit while one request is made; wait for it in place for up to ``max_wait_s``.

        It is settled in the end, or given back if nothing was sent: ``Permit.give_back`` says so, and so does an
        error with ``request_sent`` False. Raises QuotaWait if the slot is further away; the place in the queue, if
        there is one, is kept for a caller that asks again with the same id by then.
        """
        permit = self._wait(permit_id, max_wait_s, sleep)
        try:
            yield permit
        except (NetworkFailed, DeadlineExceeded) as error:
            permit.unsent |= not error.request_sent
            if not isinstance(error, PermitExpired):
                permit.report(answered=False)
            raise
        finally:
            self._finish(permit)

    def hold_back(self, seconds: float, reason: str) -> None:
        """Grant nothing for ``seconds``: the provider knows of calls that we don't. A longer hold stays."""
        self._redis.decide("hold", micro(seconds), " ".join(reason.split())[:_MAX_REASON_LENGTH])

    def outage(self) -> QuotaWait | None:
        """Return the wait for the next try of a provider that fails every call, or None."""
        usage = self._usage(1)
        if usage.hold_until is None or usage.held_by != OUTAGE:
            return None
        return QuotaWait(
            f"Since {OUTAGE}, nobody asks it until {usage.hold_until:%Y-%m-%d %H:%M:%S} UTC: ask again then.",
            retry_at=usage.hold_until,
            retry_after_s=(usage.hold_until - usage.at).total_seconds(),
            window=OUTAGE,
        )

    # Looking

    def usage(self, nth: int = 1) -> Usage:
        """Return what is used of each window, how many wait, and when the nth call from now can go."""
        return self._usage(nth)

    def earliest(self, nth: int = 1) -> datetime:
        """Return the earliest time at which the nth call from now can go, behind those that wait already."""
        return self._usage(nth).next_at

    def check(self) -> LimiterHealth:
        """Return how Redis is. Raises LimiterRedisUnfit if it may evict keys, or is a replica."""
        latency_s, info = self._redis.inspect()
        durable = bool(info.get("aof_enabled"))
        return LimiterHealth(latency_s, str(info.get("redis_version")), durable, self.usage())

    # Knowing what was called

    def start_fresh(self) -> bool:
        """Begin with an empty log. Only for a fresh installation: the caller asserts that no calls were made.

        Return whether this call began it (False: the state is known already). Raises LimiterStateUnknown if there
        are traces of calls.
        """
        return self._establish("fresh", ())

    def recover(self, calls: Sequence[RecordedCall]) -> bool:
        """Rebuild the log from the durable ledger after a LimiterStateUnknown. Of many callers one wins.

        ``calls``: those of the longest window at least. Nothing is granted until requests that may be out are over
        and windows of up to a minute have passed. Return whether this call did it (False: the state is known).
        """
        return self._establish("recover", calls)

    def adopt(self, calls: Sequence[RecordedCall]) -> bool:
        """Put this limiter's quota in force in place of another, as ``recover`` does where the state is unknown.

        The log is kept; of ``calls`` only those are needed that are older than the former longest window. Processes
        with the former quota are refused from then on. Return whether anything changed.
        """
        return self._establish("adopt", calls)

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _wait(self, permit_id: str, max_wait_s: float, sleep: Callable[[float], None]) -> Permit:
        clock = self._clock
        patience = clock() + max_wait_s
        while True:
            asked = clock()
            answer = self.acquire(permit_id)
            if isinstance(answer, Granted):
                return Permit(permit_id, asked + self.cap_s, clock)
            if asked + answer.wait_s > patience:
                raise _too_far(answer, self.quota)
            try:
                sleep(answer.wait_s)
            except BaseException:
                self._quietly(permit_id, partial(self.release, permit_id))
                raise

    def _finish(self, permit: Permit) -> None:
        how = self.release if permit.unsent else self.settle
        end = partial(how, permit.permit_id, answered=permit.provider_answered)
        self._quietly(permit.permit_id, end)

    def _quietly(self, permit_id: str, end: Callable[[], None]) -> None:
        """End a permit. Without Redis it counts for the whole cap, which is safe: the request's result matters more."""
        try:
            end()
        except LimiterUnavailable as error:
            log.warning("permit %s counts until its cap of %s s has passed: %s", permit_id, self.cap_s, error)

    def _usage(self, nth: int) -> Usage:
        return read_usage(self._redis.decide("usage", nth), self.quota)

    def _establish(self, purpose: str, calls: Iterable[RecordedCall]) -> bool:
        periods = [window.period_s for window in self.quota.windows]
        wait_out = self.cap_s + max((period for period in periods if period <= WAIT_OUT_S), default=0)
        return self._redis.establish(purpose, calls, wait_out_s=wait_out, cap_s=self.cap_s)


def _check_id(permit_id: str) -> None:
    if not 0 < len(permit_id) <= _MAX_ID_LENGTH or not permit_id.isprintable() or " " in permit_id:
        raise ValueError(f"a permit id is 1 to {_MAX_ID_LENGTH} printable characters, not {permit_id[:64]!r}.")


def _too_far(answer: Reserved | Denied, quota: Quota) -> QuotaWait:
    at = answer.at if isinstance(answer, Reserved) else answer.retry_at
    window = answer.held_by or str(quota) if isinstance(answer, Reserved) else answer.window
    return QuotaWait(
        f"The limiter ({window}) lets no call pass until {at:%Y-%m-%d %H:%M:%S} UTC: ask again then.",
        retry_at=at,
        retry_after_s=answer.wait_s,
        window=window,
        permit_id=answer.permit_id,
    )
