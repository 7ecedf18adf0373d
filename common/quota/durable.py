"""Permits that survive a loss of Redis: the limiter, with the durable ledger of calls beside it.

A day's calls must outlive Redis. Where the quota has a window that is too long to wait out, each call is noted in
PostgreSQL before it is sent, and the limiter is rebuilt from these notes when it does not know its state.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from common.errors import (
    DeadlineExceeded,
    LimiterQuotaChanged,
    LimiterStateUnknown,
    NetworkFailed,
    PermitExpired,
    QuotaWait,
    StoreUnavailable,
)
from common.quota.limiter import WAIT_OUT_S, Limiter
from common.quota.results import Permit
from common.values import RecordedCall, Symbol

log = logging.getLogger(__name__)


class CallLedger(Protocol):
    """The durable ledger of calls: the store's."""

    def record_call(self, permit_id: str, key_digest: str, *, dataset: str, symbol: Symbol | None) -> None:
        """Note that a call is about to be sent."""

    def settle_call(self, permit_id: str) -> None:
        """Note that its reply, or its failure, was seen."""

    def forget_call(self, permit_id: str) -> None:
        """Take the note back: nothing was sent."""

    def calls_since(self, key_digest: str, seconds: float) -> Sequence[RecordedCall]:
        """Return the calls of the last seconds."""

    def ever_called(self) -> bool:
        """Whether any call was ever made."""


class DurablePermits:
    """The quota of one key. ``request_s`` is the longest that a request takes, below the limiter's cap."""

    def __init__(self, limiter: Limiter, ledger: CallLedger, *, request_s: float) -> None:
        self._limiter = limiter
        self._ledger = ledger
        self._request_s = request_s
        self._longest_s = limiter.quota.windows[-1].period_s
        self._durable = self._longest_s > WAIT_OUT_S

    @contextmanager
    def permit(
        self, permit_id: str, *, max_wait_s: float, dataset: str, symbol: Symbol | None = None
    ) -> Iterator[Permit]:
        """Hold a permit while one request is out, which asks for ``symbol`` of ``dataset``.

        Raises QuotaWait, LimiterUnavailable or StoreUnavailable.
        """
        with ExitStack() as stack:
            permit = self._enter(stack, permit_id, max_wait_s)
            with self._noted(permit, dataset, symbol):
                yield permit

    def _enter(self, stack: ExitStack, permit_id: str, max_wait_s: float) -> Permit:
        """Wait for the permit; a state that was lost is rebuilt on the way."""
        try:
            return stack.enter_context(self._limiter.permit(permit_id, max_wait_s=max_wait_s))
        except LimiterStateUnknown as unknown:
            log.warning("%s", unknown)
            self.prepare()
            return stack.enter_context(self._limiter.permit(permit_id, max_wait_s=max_wait_s))

    def hold_back(self, seconds: float, reason: str) -> None:
        """Grant nothing for a while: the provider knows of calls that we don't."""
        self._limiter.hold_back(seconds, reason)

    def outage(self) -> QuotaWait | None:
        """Return the wait for the next try of a provider that fails every call, or None."""
        return self._limiter.outage()

    def leave(self, permit_id: str) -> None:
        """Give up waiting for a permit: its place goes to the others."""
        self._limiter.release(permit_id)

    def prepare(self) -> None:
        """Make the limiter's state known: on a fresh installation, after a loss, or for a changed plan."""
        try:
            self._limiter.usage()
        except LimiterQuotaChanged as changed:
            if self._limiter.adopt(self._calls()):
                log.warning("the quota is %s from now on; it was %s", changed.configured, changed.in_force)
        except LimiterStateUnknown:
            self._establish()

    def _establish(self) -> None:
        if not self._ledger.ever_called() and self._limiter.start_fresh():
            log.warning("a fresh installation: the quota %s starts unused", self._limiter.quota)
        elif self._limiter.recover(self._calls()):
            log.warning("the limiter's state was lost and is rebuilt from the ledger of calls")

    def _calls(self) -> Sequence[RecordedCall]:
        # A call that was never settled counts for the cap beyond its window.
        return self._ledger.calls_since(self._limiter.key_digest, self._longest_s + self._limiter.cap_s)

    @contextmanager
    def _noted(self, permit: Permit, dataset: str, symbol: Symbol | None) -> Iterator[None]:
        """Note the call before it is sent. A call that cannot be noted, or would end too late, is not sent."""
        if not self._durable:
            yield
            return
        try:
            self._note(permit, dataset, symbol)
        except BaseException:
            permit.give_back()
            raise
        try:
            yield
        except (NetworkFailed, DeadlineExceeded) as error:
            if not error.request_sent:
                permit.give_back()
            raise
        finally:
            self._note_end(permit)

    def _note(self, permit: Permit, dataset: str, symbol: Symbol | None) -> None:
        self._ledger.record_call(permit.permit_id, self._limiter.key_digest, dataset=dataset, symbol=symbol)
        if permit.remaining_s < self._request_s:
            raise PermitExpired("Noting the call took too long, so it was not sent.", request_sent=False)

    def _note_end(self, permit: Permit) -> None:
        end = self._ledger.forget_call if permit.unsent else self._ledger.settle_call
        try:
            end(permit.permit_id)
        except StoreUnavailable as error:
            log.warning("the end of call %s is not noted, so it counts from its cap: %s", permit.permit_id, error)


def day_reopens_in_s(now: datetime) -> float:
    """Return the seconds until a used-up day can open again at the earliest.

    When the provider's day resets is not documented: midnight in New York and midnight UTC are both claimed. The
    earlier one is tried; if the day is still used up then, that reply says so at the cost of one call.
    """
    midnights = []
    for zone in (UTC, ZoneInfo("America/New_York")):
        local = now.astimezone(zone)
        midnight = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        midnights.append((midnight.astimezone(UTC) - now).total_seconds())
    return min(midnights)
