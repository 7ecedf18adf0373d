"""What became of each symbol of a run, red by MAX_FAILURE_RATIO or QUALITY_ERRORS; what nobody finished is closed."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from common.errors import LEFT_OPEN
from common.values import Outcome, OutcomeStatus
from workers.pipeline.batch import failures_in_words
from workers.pipeline.feeds import FIRST, run_id_of
from workers.pipeline.quality import QualityReport, check_quality, open_quality
from workers.wiring import Wiring

log = logging.getLogger(__name__)

#: Outcomes that count against MAX_FAILURE_RATIO. A report closes what is planned still, so that nothing else is left.
FAILURES = frozenset({OutcomeStatus.FAILED, OutcomeStatus.QUARANTINED, OutcomeStatus.PLANNED})

#: How many symbols the report's table shows: a log of ten thousand lines helps nobody.
_SHOWN: Final = 300
#: How many failures its sentence names.
_NAMED: Final = 20


@dataclass(frozen=True)
class Report:
    """What became of each symbol of a run. ``max_failure_ratio``: 0 to 1. ``quality``: what is open of the symbols."""

    outcomes: Sequence[Outcome]
    max_failure_ratio: float
    quality: QualityReport | None = None

    @property
    def failures(self) -> list[Outcome]:
        """The outcomes that count as failed."""
        return [outcome for outcome in self.outcomes if outcome.status in FAILURES]

    @property
    def failed_too_many(self) -> bool:
        """Whether the run is red.

        A run without a plan is: its check or its plan failed before any symbol. And so is one that left a symbol open,
        whatever the ratio bears: a person ended it, or it did not do its work. Errors of the stored values make it
        red where a person wants that (QUALITY_ERRORS).
        """
        if not self.outcomes or any(outcome.reason in LEFT_OPEN for outcome in self.outcomes):
            return True
        if self.quality and self.quality.fails:
            return True
        return len(self.failures) > self.max_failure_ratio * len(self.outcomes)

    @property
    def counts(self) -> dict[str, int]:
        """How many symbols ended in each status."""
        return dict(Counter(str(outcome.status) for outcome in self.outcomes))

    @property
    def summary(self) -> str:
        """One sentence: the counts, and the symbols that failed with their reasons."""
        if not self.outcomes:
            return "No symbol was planned: the log of validate_environment or of plan says why."
        counts = ", ".join(f"{count} {status}" for status, count in sorted(self.counts.items()))
        failed = failures_in_words(self.failures, _NAMED)
        quality = self.quality.summary if self.quality and self.quality.fails else ""
        return ". ".join(filter(None, (f"{len(self.outcomes)} symbols: {counts}", failed, quality)))

    def lines(self) -> Iterator[str]:
        """Yield a table of at most a few hundred outcomes, failures first, then what is stale; and the summary."""
        ordered = sorted(self.outcomes, key=_row_order)
        width = max((len(outcome.symbol) for outcome in ordered), default=0)
        for outcome in ordered[:_SHOWN]:
            text = f"{outcome.symbol:<{width}}  {outcome.status:<11}  {outcome.reason:<17}  {outcome.detail}"
            yield f"{text}  [{outcome.worker}]" if outcome.worker else text
        if len(ordered) > _SHOWN:
            yield f"… and {len(ordered) - _SHOWN} more: the table fetch_outcomes has every symbol of the run."
        if self.quality:
            yield from self.quality.lines()
        yield self.summary

    def as_dict(self) -> dict[str, Any]:
        """Return what the UI and other DAGs read: the counts, the symbols that failed, and what is open of them."""
        quality = self.quality.as_dict() if self.quality else None
        return {"counts": self.counts, "failed": [str(each.symbol) for each in self.failures], "quality": quality}


def _row_order(outcome: Outcome) -> tuple[bool, bool, str]:
    return outcome.status not in FAILURES, outcome.status is not OutcomeStatus.STALE, outcome.symbol


def report_run(wiring: Wiring, run_id: str) -> Report:
    """Give every symbol of the run an outcome, check what is stored, and read what there is to tell.

    For the run's end: nothing works on it any more.
    """
    wiring.store.ledger.close_run(run_id)
    outcomes = wiring.store.ledger.outcomes(run_id)
    quality = check_quality(wiring, [outcome.symbol for outcome in outcomes])
    return Report(outcomes, wiring.settings.max_failure_ratio, quality)


def read_report(wiring: Wiring, run_id: str) -> Report:
    """Read what there is to tell of a run that was reported; nothing is closed or checked."""
    outcomes = wiring.store.ledger.outcomes(run_id)
    quality = open_quality(wiring, [outcome.symbol for outcome in outcomes])
    return Report(outcomes, wiring.settings.max_failure_ratio, quality)


def close_left_over_runs(wiring: Wiring, run_id: str, is_at_work: Callable[[str], bool], *, feed: str = FIRST) -> None:
    """Give every symbol an outcome that another run of the feed has left open, such as one whose report was killed.

    ``is_at_work`` tells whether the Airflow run of that id goes on still; then its symbols are its own affair.
    """
    for other in wiring.store.ledger.open_runs(run_id):
        airflow_run = run_id_of(feed, other)
        if airflow_run and not is_at_work(airflow_run):
            closed = wiring.store.ledger.close_run(other)
            log.warning(
                "%s had left %d symbols without an outcome; they are closed: %s", other, len(closed), closed[:20]
            )
