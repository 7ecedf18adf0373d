"""One symbol: permit, fetch, validate, store. Knows the order of these steps and nothing of how each works.

The collaborators are arguments. Whatever happens to the symbol is written to the ledger before an error leaves
here, so that a run can be read from the ledger alone.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final, Protocol
from uuid import uuid4

from common.datasets import DATASETS
from common.datasets.dataset import Dataset, Parsed, Table
from common.errors import (
    ClaimLost,
    PayloadRejected,
    PipelineError,
    PremiumRequired,
    ProviderBusy,
    QuotaWait,
    RunHalted,
    StoreUnavailable,
)
from common.quota.forecast import POSTPONE_BEYOND_S
from common.replies import RawReply
from common.values import Outcome, OutcomeStatus, Rejection, Reply, Symbol, UpsertCounts
from workers.pipeline.fetching import Attempt, Fetcher, Permits, Provider

log = logging.getLogger(__name__)

#: How many refused rows of a reply a warning names.
_NAMED: Final = 5


class Entitlements(Protocol):
    """What the provider refuses to the key."""

    def may_ask(self, feature: str) -> bool: ...

    def refuse(self, feature: str, message: str) -> None: ...

    def allow(self, feature: str) -> None: ...


class Ledger(Protocol):
    """Where outcomes go."""

    def start(self, run_id: str, symbol: Symbol, worker: str, dataset: str) -> Outcome | None: ...

    def halted_by(self, run_id: str) -> Outcome | None: ...

    def record_outcomes(self, outcomes: Sequence[Outcome]) -> None: ...


class Store(Protocol):
    """Where rows go, each with its outcome."""

    def save(
        self, rows: Mapping[Table, Sequence[object]], outcomes: Sequence[Outcome], replies: Sequence[RawReply] = ()
    ) -> UpsertCounts: ...


class Replies(Protocol):
    """Where what the provider said goes, before anybody judges it."""

    def keep(self, replies: Sequence[RawReply]) -> None: ...


class Quarantine(Protocol):
    """Where refused replies go, each with its outcome."""

    def keep(self, outcome: Outcome, rejection: Rejection, reply: RawReply) -> int: ...


def remember(tell: Callable[[], None], feature: str) -> None:
    """Tell other processes whether the key may ask for something. The call was made, and does not fail for that."""
    try:
        tell()
    except StoreUnavailable as error:
        log.warning("whether the key may use %s could not be remembered: %s", feature, error)


def _not_needed(_: Sequence[Symbol]) -> None:
    """Confirm nothing: nobody else can have taken up the symbol."""


@dataclass(frozen=True)
class Job:
    """The work on one symbol of a dataset, or of its ``instead``. Thread-safe if its collaborators are.

    ``worker`` is the name that the ledger keeps; ``max_wait_s`` is how long a permit is waited for in place.
    ``confirm`` is asked before each call, and raises ClaimLost if the symbol is another worker's by now.
    ``postpones``: a symbol whose permit is further away than ``postpone_beyond_s`` is postponed and not waited for.
    """

    dataset: Dataset
    provider: Provider
    permits: Permits
    entitlements: Entitlements
    store: Store
    ledger: Ledger
    replies: Replies
    quarantine: Quarantine
    worker: str
    max_wait_s: float
    postpones: bool = True
    postpone_beyond_s: float = POSTPONE_BEYOND_S
    confirm: Callable[[Sequence[Symbol]], None] = _not_needed

    def run(
        self, run_id: str, symbol: Symbol, *, dataset: str = "", permit_id: str = "", api_calls: int = 0
    ) -> Outcome:
        """Fetch, validate and store the symbol's rows; return what became of it.

        A symbol that is done in this run already is left alone, and a run that was halted makes no further call.
        ``dataset`` is the name of the one to ask for, by default the job's own; ``permit_id`` continues the wait that a
        QuotaWait ended; ``api_calls`` it has cost in this try already.

        Raises the PipelineError that ended the try: QuotaWait (come back at ``retry_at`` with its
        ``permit_id``), another Retryable, a SymbolFailed or a RunFailed.
        """
        chosen = self._chosen(dataset)
        if done := self.ledger.start(run_id, symbol, self.worker, chosen.name):
            return done
        attempt = Attempt(run_id, chosen, [symbol], chosen.request(symbol), permit_id or uuid4().hex, api_calls)
        [outcome] = self.attempt(attempt, self._fetch_and_store)
        return outcome

    def attempt(self, attempt: Attempt, work: Callable[[Attempt], Sequence[Outcome]]) -> Sequence[Outcome]:
        """Do the work of a try that has begun; whatever ends it is in the ledger before it leaves here.

        Raises as ``run``.
        """
        try:
            self._stop_if_halted(attempt.run_id)
            return work(attempt)
        except QuotaWait as wait:
            if self.postpones and (wait.retry_after_s or 0) > self.postpone_beyond_s:
                return self._postpone(attempt, wait)
            if attempt.api_calls:  # it comes back, and what it has cost so far counts
                self.ledger.record_outcomes(self._lines(attempt, OutcomeStatus.PLANNED, wait.reason, str(wait))[:1])
            raise
        except ClaimLost:
            raise  # the symbols are another worker's, who tells what becomes of them
        except PipelineError as error:
            self._record(attempt, error)
            raise

    def fetch(self, attempt: Attempt) -> Reply:
        """Make the call of a try, within the quota; what the provider says is kept before anybody judges it."""
        reply = Fetcher(self.provider, self.permits, self.max_wait_s, self.confirm).fetch(attempt)
        self.replies.keep([attempt.said(reply.text, reply.received_at)])
        return reply

    def _fetch_and_store(self, attempt: Attempt) -> Sequence[Outcome]:
        reply = self._fetch_entitled(attempt)
        return [self._store(attempt, reply, attempt.dataset.parse(attempt.symbols[0], reply))]

    def _chosen(self, name: str) -> Dataset:
        """Return the dataset of that name: a run may have been planned under other settings."""
        for dataset in (self.dataset, self.dataset.instead):
            if dataset and name in {"", dataset.name}:
                return dataset
        return DATASETS[name]

    def _fetch_entitled(self, attempt: Attempt) -> Reply:
        """Make the call; what the provider refuses to the key, now or lately, is given up for what is asked instead."""
        while attempt.dataset.instead:
            name = attempt.dataset.name
            if self.entitlements.may_ask(name):
                try:
                    reply = self.fetch(attempt)
                except PremiumRequired as refusal:
                    remember(partial(self.entitlements.refuse, name, str(refusal)), name)
                else:
                    remember(partial(self.entitlements.allow, name), name)
                    return reply
            attempt.turn_to(attempt.dataset.instead)
        return self.fetch(attempt)

    def _stop_if_halted(self, run_id: str) -> None:
        if halted := self.ledger.halted_by(run_id):
            raise RunHalted(f"Not tried, because {halted.symbol} ended the run: {halted.detail}")

    def _store(self, attempt: Attempt, reply: Reply, parsed: Parsed) -> Outcome:
        """Store the sound rows; a reply with others beside them is kept in quarantine, too."""
        refused = f"; {len(parsed.rejections)} refused and in quarantine" if parsed.rejections else ""
        [outcome] = self._lines(attempt, OutcomeStatus.STORED, "stored", parsed.detail + refused)
        self.store.save(parsed.rows, [outcome])
        if parsed.rejections:
            log.warning("%s: %s", outcome.symbol, "; ".join(each.message for each in parsed.rejections[:_NAMED]))
            self.quarantine.keep(outcome, parsed.rejections[0], attempt.said(reply.text, reply.received_at))
        return outcome

    def _postpone(self, attempt: Attempt, wait: QuotaWait) -> Sequence[Outcome]:
        """Leave the symbols for later: waiting so long would only fill the queue."""
        detail = f"No call is allowed now ({wait.window}); it can go at {wait.retry_at:%Y-%m-%d %H:%M} UTC."
        lines = self._lines(attempt, OutcomeStatus.POSTPONED, wait.reason, detail)
        outcomes = [replace(line, retry_at=wait.retry_at) for line in lines]
        self.ledger.record_outcomes(outcomes)
        self.permits.leave(attempt.permit_id)
        return outcomes

    def _record(self, attempt: Attempt, error: PipelineError) -> None:
        """Write the error to the ledger. If the ledger is what failed, the error itself is all there is to tell."""
        try:
            if isinstance(error, PayloadRejected):
                self._quarantine(attempt, error, OutcomeStatus.QUARANTINED, error.code)
            elif isinstance(error, ProviderBusy):
                self._quarantine(attempt, error, OutcomeStatus.FAILED, error.reason)
            else:
                self.ledger.record_outcomes(self._lines(attempt, OutcomeStatus.FAILED, error.reason, str(error)))
        except StoreUnavailable as lost:
            log.warning("the ledger could not be told what became of %s: %s", attempt.request.subject, lost)

    def _quarantine(
        self, attempt: Attempt, error: PayloadRejected | ProviderBusy, status: OutcomeStatus, reason: str
    ) -> None:
        """Keep the reply once, with the first symbol's line; what it means for the others is in theirs."""
        first, *others = self._lines(attempt, status, reason, str(error))
        said = attempt.said(error.payload, datetime.now(UTC))
        self.quarantine.keep(first, Rejection(error.code, str(error)), said)
        if others:
            self.ledger.record_outcomes(others)

    def _lines(self, attempt: Attempt, status: OutcomeStatus, reason: str, detail: str) -> list[Outcome]:
        return attempt.outcomes(status, reason, detail, worker=self.worker)
