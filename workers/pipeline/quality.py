"""Check at a run's end what is stored, and tell what is open of the run's symbols."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from common.errors import PipelineError
from common.quality import FindingFilter, QualityFinding
from common.quality.finding_table import Severity
from common.values import Misspelt, Symbol
from workers.wiring import Wiring

log = logging.getLogger(__name__)

#: How long (s) a run's report waits for the checks; what they do not reach is the next run's.
_BUDGET_S: Final = 60.0
#: How many findings a report shows.
_SHOWN: Final = 5
_HOW_TO_SEE: Final = "python -m workers quality list"


@dataclass(frozen=True)
class QualityReport:
    """What is open and not acknowledged of a run's symbols: ``counts`` by severity, and the ``first`` few.

    ``opened``: how many findings this look opened, of any symbol. ``waiting``: symbols that it did not reach.
    ``problem``: why the checks could not run. ``errors_fail``: whether a person wants errors to make a run red.
    """

    counts: Mapping[Severity, int]
    first: Sequence[QualityFinding] = ()
    opened: int = 0
    waiting: int = 0
    problem: str = ""
    errors_fail: bool = False

    @property
    def fails(self) -> bool:
        """Whether the run is red for it; a run whose checks could not run is not known to be well."""
        return self.errors_fail and bool(self.counts["error"] or self.problem)

    @property
    def summary(self) -> str:
        """One sentence or a few."""
        if self.problem:
            return f"The quality checks could not run: {self.problem}"
        counts = " and ".join(f"{count} {severity}{'s' * (count != 1)}" for severity, count in self.counts.items())
        waiting = f" {self.waiting} symbols wait for the next look." if self.waiting else ""
        return f"Open findings on the run's symbols: {counts}; {self.opened} new.{waiting} See: {_HOW_TO_SEE}"

    def lines(self) -> Iterator[str]:
        """Yield the summary where there is something to say, and the first few findings."""
        if self.problem or self.waiting or self.opened or any(self.counts.values()):
            yield self.summary
        for each in self.first:
            yield f"{each.severity:<7}  {each.check_name:<22}  {each.symbol}  {each.session}  {each.message}"

    def as_dict(self) -> dict[str, Any]:
        """Return what the UI and other DAGs read."""
        told: dict[str, Any] = {str(severity): count for severity, count in self.counts.items()}
        return told | {"opened": self.opened, "waiting": self.waiting, "problem": self.problem}


def check_quality(wiring: Wiring, symbols: Iterable[Symbol], moment: datetime | None = None) -> QualityReport:
    """Check what changed, and whether the run's symbols are stale at ``moment`` (now by default); tell what is open.

    Checks that fail stop no report: it says so.
    """
    moment, grace = moment or datetime.now(UTC), timedelta(seconds=wiring.settings.session_grace)
    asked = [symbol for symbol in symbols if not isinstance(symbol, Misspelt)]
    try:
        counts = wiring.store.quality.check_changed(moment, grace=grace, budget_s=_BUDGET_S)
        stale = wiring.store.quality.check_stale(asked, moment, grace=grace)
        return replace(open_quality(wiring, asked), opened=counts.opened + stale, waiting=counts.waiting)
    except PipelineError as error:
        log.exception("the quality checks could not run")
        errors_fail = wiring.settings.quality_errors == "fail"
        return QualityReport({"error": 0, "warning": 0}, problem=str(error), errors_fail=errors_fail)


def open_quality(wiring: Wiring, symbols: Iterable[Symbol]) -> QualityReport:
    """Tell what is open of symbols, as the last look found it."""
    which = FindingFilter(symbols=list(symbols))
    return QualityReport(
        wiring.store.findings.counts(which),
        wiring.store.findings.list(which, _SHOWN),
        errors_fail=wiring.settings.quality_errors == "fail",
    )
