"""One symbol: permit, fetch, validate, store. Knows the order of these steps and nothing of how each works.

The collaborators are arguments. Whatever happens to the symbol is written to the ledger before an error leaves
here, so that a run can be read from the ledger alone.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Protocol
from uuid import uuid4

from common.datasets.dataset import Dataset, Parsed, Table
from common.errors import (
    ClaimLost,
    DailyQuotaUsedUp,
    DeadlineExceeded,
    NetworkFailed,
    PayloadRejected,
    PipelineError,
    ProviderBusy,
    ProviderUnavailable,
    QuotaWait,
    RateLimited,
    RunHalted,
    StoreUnavailable,
)
from common.provider import Gate, Request
from common.quota.durable import day_reopens_in_s
from common.quota.forecast import POSTPONE_BEYOND_S
from common.quota.results import Permit
from common.values import Outcome, OutcomeStatus, Rejection, Reply, Symbol, UpsertCounts

log = logging.getLogger(__name__)

#: How many refused rows of a reply a warning names.
_NAMED: Final = 5
#: How often the provider may say "too fast" to one symbol before it counts as a failure: somebody else uses the key.
MAX_REFUSALS: Final = 3
#: How long to hold back (s) when the provider says "too fast" without saying for how long.
DEFAULT_HOLD_S: Final = 2.0
#: How long to hold back (s) when the provider gives no data and nobody knows why: it is busy, or away behind a page.
BUSY_HOLD_S: Final = 30.0


class Provider(Protocol):
    """Where replies come from."""

    def fetch(self, request: Request, *, gate: Gate) -> Reply: ...


class Permits(Protocol):
    """The quota over all workers."""

    def permit(
        self, permit_id: str, *, max_wait_s: float, dataset: str, symbol: Symbol | None
    ) -> AbstractContextManager[Permit]: ...

    def hold_back(self, seconds: float, reason: str) -> None: ...

    def outage(self) -> QuotaWait | None: ...

    def leave(self, permit_id: str) -> None: ...


class Ledger(Protocol):
    """Where outcomes go."""

    def start(self, run_id: str, symbol: Symbol, worker: str) -> Outcome | None: ...

    def halted_by(self, run_id: str) -> Outcome | None: ...

    def record_outcomes(self, outcomes: Sequence[Outcome]) -> None: ...


class Store(Protocol):
    """Where rows go, each with its outcome."""

    def save(self, rows: Mapping[Table, Sequence[object]], outcomes: Sequence[Outcome]) -> UpsertCounts: ...


class Quarantine(Protocol):
    """Where refused replies go, each with its outcome."""

    def keep(
        self, outcome: Outcome, *, function: str, rejection: Rejection, payload: str, received_at: datetime
    ) -> int: ...


@dataclass
class _Attempt:
    """What one try at a symbol used. ``permit_id`` is the permit that waits, or the next one to ask for."""

    run_id: str
    symbol: Symbol
    permit_id: str = field(default_factory=lambda: uuid4().hex)
    api_calls: int = 0


def _not_needed(_: Symbol) -> None:
    """Confirm nothing: nobody else can have taken up the symbol."""


@dataclass(frozen=True)
class Job:
    """The work on one symbol of a dataset. Thread-safe if its collaborators are.

    ``worker`` is the name that the ledger keeps; ``max_wait_s`` is how long a permit is waited for in place.
    ``confirm`` is asked before each call, and raises ClaimLost if the symbol is another worker's by now.
    ``postpones``: a symbol whose permit is further away than ``postpone_beyond_s`` is postponed and not waited for.
    """

    dataset: Dataset
    provider: Provider
    permits: Permits
    store: Store
    ledger: Ledger
    quarantine: Quarantine
    worker: str
    max_wait_s: float
    postpones: bool = True
    postpone_beyond_s: float = POSTPONE_BEYOND_S
    confirm: Callable[[Symbol], None] = _not_needed

    def run(self, run_id: str, symbol: Symbol, *, permit_id: str = "") -> Outcome:
        """Fetch, validate and store the symbol's rows; return what became of it.

        A symbol that is done in this run already is left alone, and a run that was halted makes no further call.
        ``permit_id`` continues the wait that a QuotaWait ended.

        Raises the PipelineError that ended the try: QuotaWait (come back at ``retry_at`` with its
        ``permit_id``), another Retryable, a SymbolFailed or a RunFailed.
        """
        if done := self.ledger.start(run_id, symbol, self.worker):
            return done
        attempt = _Attempt(run_id, symbol, permit_id) if permit_id else _Attempt(run_id, symbol)
        try:
            self._stop_if_halted(run_id)
            reply = self._fetch(attempt)
            return self._store(attempt, reply, self.dataset.parse(symbol, reply))
        except QuotaWait as wait:
            if self.postpones and (wait.retry_after_s or 0) > self.postpone_beyond_s:
                return self._postpone(attempt, wait)
            if attempt.api_calls:  # it comes back, and what it has cost so far counts
                self.ledger.record_outcomes([self._outcome(attempt, OutcomeStatus.PLANNED, wait.reason, str(wait))])
            raise
        except ClaimLost:
            raise  # the symbol is another worker's, who tells what becomes of it
        except PipelineError as error:
            self._record(attempt, error)
            raise

    def _stop_if_halted(self, run_id: str) -> None:
        if halted := self.ledger.halted_by(run_id):
            raise RunHalted(f"Not tried, because {halted.symbol} ended the run: {halted.detail}")

    def _fetch(self, attempt: _Attempt) -> Reply:
        """Fetch within the quota; when the provider says "too fast", the limiter learns it and we queue again."""
        refusals = 0
        while True:
            try:
                return self.provider.fetch(self.dataset.request(attempt.symbol), gate=lambda: self._gate(attempt))
            except (RateLimited, DailyQuotaUsedUp) as refusal:
                self.permits.hold_back(_hold_s(refusal), refusal.reason)
                refusals += 1
                if refusals == MAX_REFUSALS:
                    raise
            except ProviderBusy as busy:
                self.permits.hold_back(BUSY_HOLD_S, busy.reason)
                raise
            except (NetworkFailed, DeadlineExceeded, ProviderUnavailable) as failure:
                raise self.permits.outage() or failure from None  # an outage is not the symbol's failure

    @contextmanager
    def _gate(self, attempt: _Attempt) -> Iterator[Permit]:
        """Hold a permit while one request is out. Each request has a permit of its own, and counts if it was sent."""
        with self.permits.permit(
            attempt.permit_id, max_wait_s=self.max_wait_s, dataset=self.dataset.name, symbol=attempt.symbol
        ) as permit:
            attempt.permit_id = uuid4().hex
            self._confirm(attempt, permit)
            attempt.api_calls += 1
            try:
                yield permit
            except (NetworkFailed, DeadlineExceeded) as error:
                attempt.api_calls -= not error.request_sent
                raise

    def _confirm(self, attempt: _Attempt, permit: Permit) -> None:
        """See that the symbol is still ours; else, or where that cannot be known, the permit goes back."""
        try:
            self.confirm(attempt.symbol)
        except PipelineError:
            permit.give_back()
            raise

    def _store(self, attempt: _Attempt, reply: Reply, parsed: Parsed) -> Outcome:
        """Store the sound rows; a reply with others beside them is kept in quarantine, too."""
        refused = f"; {len(parsed.rejections)} refused and in quarantine" if parsed.rejections else ""
        outcome = self._outcome(attempt, OutcomeStatus.STORED, "stored", parsed.detail + refused)
        self.store.save(parsed.rows, [outcome])
        if parsed.rejections:
            log.warning("%s: %s", attempt.symbol, "; ".join(each.message for each in parsed.rejections[:_NAMED]))
            first, received_at = parsed.rejections[0], reply.received_at
            self._keep(outcome, first, reply.text, received_at)
        return outcome

    def _postpone(self, attempt: _Attempt, wait: QuotaWait) -> Outcome:
        """Leave the symbol for later: waiting so long would only fill the queue."""
        detail = f"No call is allowed now ({wait.window}); it can go at {wait.retry_at:%Y-%m-%d %H:%M} UTC."
        outcome = self._outcome(attempt, OutcomeStatus.POSTPONED, wait.reason, detail)
        outcome = replace(outcome, retry_at=wait.retry_at)
        self.ledger.record_outcomes([outcome])
        self.permits.leave(attempt.permit_id)
        return outcome

    def _record(self, attempt: _Attempt, error: PipelineError) -> None:
        """Write the error to the ledger. If the ledger is what failed, the error itself is all there is to tell."""
        try:
            if isinstance(error, PayloadRejected):
                self._quarantine(attempt, error, OutcomeStatus.QUARANTINED, error.code)
            elif isinstance(error, ProviderBusy):
                self._quarantine(attempt, error, OutcomeStatus.FAILED, error.reason)
            else:
                outcome = self._outcome(attempt, OutcomeStatus.FAILED, error.reason, str(error))
                self.ledger.record_outcomes([outcome])
        except StoreUnavailable as lost:
            log.warning("the ledger could not be told what became of %s: %s", attempt.symbol, lost)

    def _quarantine(
        self, attempt: _Attempt, error: PayloadRejected | ProviderBusy, status: OutcomeStatus, reason: str
    ) -> None:
        outcome = self._outcome(attempt, status, reason, str(error))
        self._keep(outcome, Rejection(error.code, str(error)), error.payload, datetime.now(UTC))

    def _keep(self, outcome: Outcome, rejection: Rejection, payload: str, received_at: datetime) -> None:
        function = self.dataset.request(outcome.symbol).function
        self.quarantine.keep(outcome, function=function, rejection=rejection, payload=payload, received_at=received_at)

    def _outcome(self, attempt: _Attempt, status: OutcomeStatus, reason: str, detail: str) -> Outcome:
        return Outcome(
            run_id=attempt.run_id,
            symbol=attempt.symbol,
            status=status,
            reason=reason,
            detail=detail,
            worker=self.worker,
            api_calls=attempt.api_calls,
        )


def _hold_s(refusal: RateLimited | DailyQuotaUsedUp) -> float:
    """Return for how long (s) the provider's refusal holds back every worker."""
    if refusal.retry_after_s is not None:
        return refusal.retry_after_s
    return day_reopens_in_s(datetime.now(UTC)) if isinstance(refusal, DailyQuotaUsedUp) else DEFAULT_HOLD_S
