"""Many symbols in one task: what a batch holds, and how it stands after a pass over it.

The ledger stays the only memory: what a batch holds, what is left of it after a crash, and how it went are read from
there. workers/batch_pass.py does the work.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from common.errors import QuotaWait, TryAgainLater, reasons_of
from common.models import SETTLED, Outcome, OutcomeStatus
from workers.batch_pass import Ledger, Pass
from workers.job import Job

_NAMED: Final = 5
_CAN_HEAL: Final = reasons_of(TryAgainLater)


@dataclass(frozen=True)
class BatchEnd:
    """How a batch stands after a pass: its ledger lines, and the permit that it waits for if its quota is far."""

    outcomes: Sequence[Outcome]
    wait: QuotaWait | None = None

    @property
    def left(self) -> int:
        """How many symbols were not reached: the quota is far, or the pass has lasted long enough."""
        return sum(outcome.status is OutcomeStatus.PLANNED for outcome in self.outcomes)

    @property
    def failures(self) -> list[Outcome]:
        """What was tried and has no row."""
        done = {OutcomeStatus.PLANNED, *SETTLED}
        return [outcome for outcome in self.outcomes if outcome.status not in done]

    @property
    def can_heal(self) -> bool:
        """Whether another try makes sense for one of the failures."""
        quarantined = OutcomeStatus.QUARANTINED
        return any(outcome.status is quarantined or outcome.reason in _CAN_HEAL for outcome in self.failures)

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
        named = "; ".join(
            f"{outcome.symbol} ({outcome.reason}): {outcome.detail}" for outcome in self.failures[:_NAMED]
        )
        more = f"; and {len(self.failures) - _NAMED} more" if len(self.failures) > _NAMED else ""
        return self.counts + (f". {named}{more}" if named else "")


@dataclass(frozen=True)
class Batch:
    """The work on the batches of a run. ``job`` knows how one symbol is done; its ledger is ``ledger``.

    ``concurrency`` symbols are worked on at once. After ``budget_s`` no further symbol is taken up, so that the task
    ends well before its time-out and goes on in another one.
    """

    job: Job
    ledger: Ledger
    concurrency: int
    budget_s: float

    def run(self, run_id: str, number: int, *, permit_id: str = "", again: bool = True) -> BatchEnd:
        """Work on what is left of the batch; return how it stands.

        ``again``: what failed is tried once more if it can heal; and if nothing else is left, everything that failed
        is, because then somebody asked for it, also after the run was halted. ``permit_id`` continues the wait that
        ended the last pass.

        Raises StoreUnavailable after a minute without the database, and the RunFailed of a symbol that no other can
        escape: then all that is left is written off as halted.
        """
        symbols = self.ledger.batch_symbols(run_id, number, again=again)
        asked_again = again and not symbols
        if asked_again:
            symbols = [outcome.symbol for outcome in BatchEnd(self.ledger.outcomes(run_id, number)).failures]
        current = Pass(self.job, self.ledger, run_id, symbols, permit_id, concurrency=self.concurrency)
        if not asked_again and (halted := self.ledger.halted_by(run_id)):
            current.halt(f"Not tried, because {halted.symbol} ended the run: {halted.detail}")
        else:
            current.work(self.budget_s)
        return BatchEnd(self.ledger.outcomes(run_id, number), current.wait)
