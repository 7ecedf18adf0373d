"""Many symbols in one task: what a batch holds, and how it stands after a pass over it.

The ledger stays the only memory: what a batch holds, what is left of it after a crash, and how it went are read from
there. workers/pipeline/batch_threads.py does the work.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from common.errors import HALTED, RETRYABLE, ProviderOutage, QuotaWait
from common.values import SETTLED, Outcome, OutcomeStatus
from workers.pipeline.batch_threads import BatchThreads
from workers.pipeline.batch_writer import retry_while_database_down
from workers.pipeline.bulk import BulkRight
from workers.pipeline.claims import ClaimLedger, Claims
from workers.pipeline.job import Job
from workers.pipeline.job import Ledger as JobLedger
from workers.pipeline.shared_calls import share_calls

_NAMED: Final = 5


class Ledger(JobLedger, ClaimLedger, Protocol):
    """Where outcomes go, and where a batch finds what it holds."""

    def reopen_batch(self, run_id: str, batch: int, *, cleared: bool, force: bool) -> bool: ...

    def outcomes(self, run_id: str, batch: int | None = None) -> Sequence[Outcome]: ...


@dataclass(frozen=True)
class BatchEnd:
    """How a batch stands after a pass: its ledger lines, and the permit that it waits for if its quota is far.

    ``cleared``: a person had it done again, so that what halted the run before does not halt it now.
    """

    outcomes: Sequence[Outcome]
    wait: QuotaWait | None = None
    cleared: bool = False

    @property
    def left(self) -> int:
        """How many symbols were not reached: the quota is far, or the pass has lasted long enough."""
        return sum(outcome.status is OutcomeStatus.PLANNED for outcome in self.outcomes)

    @property
    def failures(self) -> list[Outcome]:
        """What was tried and has no row."""
        done = {OutcomeStatus.PLANNED, OutcomeStatus.STALE, *SETTLED}
        return [outcome for outcome in self.outcomes if outcome.status not in done]

    @property
    def retryable(self) -> bool:
        """Whether another try makes sense by itself: a failure can heal, and no person has to act first."""
        reasons = {outcome.reason for outcome in self.failures}
        quarantined = any(outcome.status is OutcomeStatus.QUARANTINED for outcome in self.failures)
        return (quarantined or bool(reasons & RETRYABLE)) and not reasons & HALTED

    @property
    def late(self) -> bool:
        """Whether the provider may have a later session on another try: something is stale, and nothing was halted."""
        halted = any(outcome.reason in HALTED for outcome in self.failures)
        return not halted and any(outcome.status is OutcomeStatus.STALE for outcome in self.outcomes)

    @property
    def postponed(self) -> bool:
        """Whether nothing came of it but postponements."""
        return all(outcome.status is OutcomeStatus.POSTPONED for outcome in self.outcomes)

    @property
    def counts(self) -> str:
        """A few words: ``248 stored, 2 failed``."""
        counts = Counter("left" if o.status is OutcomeStatus.PLANNED else str(o.status) for o in self.outcomes)
        order = ["stored", *sorted(counts.keys() - {"stored", "left"}), "left"]
        return ", ".join(f"{counts[name]} {name}" for name in order if counts[name])

    @property
    def summary(self) -> str:
        """One sentence: the counts, and the first of the failures with their reasons."""
        failed = failures_in_words(self.failures, _NAMED)
        return self.counts + (f". {failed}" if failed else "")


def failures_in_words(failures: Sequence[Outcome], named: int) -> str:
    """Return the first of the failures with their reasons, an outage of the provider as the one that it is."""
    outage = [outcome for outcome in failures if outcome.reason == ProviderOutage.reason]
    others = [outcome for outcome in failures if outcome.reason != ProviderOutage.reason]
    parts = [f"{len(outage)} symbols ({ProviderOutage.reason}): {outage[0].detail}"] if outage else []
    parts += [f"{outcome.symbol} ({outcome.reason}): {outcome.detail}" for outcome in others[:named]]
    if len(others) > named:
        parts.append(f"and {len(others) - named} more")
    return "; ".join(parts)


@dataclass(frozen=True)
class Batch:
    """The work on the batches of a run. ``job`` knows how one symbol is done; its ledger is ``ledger``.

    ``concurrency`` symbols are worked on at once. After ``budget_s`` no further symbol is taken up, so that the task
    ends well before its time-out and goes on in another one. ``bulk``: the right to ask for many symbols with one call,
    where that is wanted.
    """

    job: Job
    ledger: Ledger
    concurrency: int
    budget_s: float
    bulk: BulkRight | None = None

    def run(
        self,
        run_id: str,
        number: int,
        *,
        permit_id: str = "",
        resumed: bool = False,
        cleared: bool = False,
        force: bool = False,
    ) -> BatchEnd:
        """Work on what is left of the batch; return how it stands.

        A first try, a retry and a task that was cleared begin with what failed before, too (``reopen_batch``).
        One that is ``resumed`` after a wait goes on with what is left; ``permit_id`` continues that wait.
        ``cleared``: a person had it done again, or its last pass ended with that; with ``force`` what is stored is then
        fetched again, too.

        What another pass had taken up of the batch is this one's from now on, and the other one ends with ClaimLost.

        Raises after a minute without the database or the limiter their StoreUnavailable or LimiterUnavailable, and
        the RunFailed of a symbol that no other can escape: then all that is left is written off as halted.
        """
        if not resumed:
            cleared = retry_while_database_down(
                lambda: self.ledger.reopen_batch(run_id, number, cleared=cleared, force=force)
            )
        claims = retry_while_database_down(lambda: Claims(self.ledger, run_id, number, self.job.worker))
        halted = None if cleared else retry_while_database_down(lambda: self.ledger.halted_by(run_id))
        bulk = None if halted else self._bulk(claims)
        current = BatchThreads(self.job, run_id, claims, permit_id, concurrency=self.concurrency, bulk=bulk)
        if halted:
            current.halt(f"Not tried, because {halted.symbol} ended the run: {halted.detail}")
        else:
            current.work(self.budget_s)
        return BatchEnd(retry_while_database_down(lambda: self.ledger.outcomes(run_id, number)), current.wait, cleared)

    def _bulk(self, claims: Claims) -> BulkRight | None:
        """Return the right to ask in bulk if there is use for it, and the provider does not refuse it."""
        useful = self.bulk and share_calls(claims.symbols_of(self.job.dataset.name), self.bulk.bulk)
        return self.bulk if self.bulk and useful and retry_while_database_down(self.bulk.may_ask) else None
