"""A pipeline day after day, on real services.

Redis's clock is the test's, so a day passes when the test says so; what PostgreSQL dated is moved along, and the
sandbox, which judges each day's calls, begins the next one with an empty window and another session.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from pydantic import SecretStr

from common.errors import PipelineError
from common.quota.limiter import Limiter
from common.values import OutcomeStatus
from sandbox.calls import QUOTA_VERDICTS
from sandbox.request_log import Entry
from sandbox.running import RunningSandbox
from tests.support.limiter_clock import MICROSECONDS, ClockedRedis
from tests.support.market import Market
from tests.support.wiring import wired
from workers.pipeline.feeds import FIRST, run_name
from workers.pipeline.planning import Plan
from workers.pipeline.report import report_run
from workers.pipeline.run import plan_run
from workers.wiring import Wiring

DAY: Final = timedelta(days=1)
#: Tuesday, just after midnight UTC.
START: Final = datetime(2026, 10, 6, 0, 0, 5, tzinfo=UTC)
_AGE: Final = """
UPDATE refused_features SET refused_at = refused_at - passed, asked_again_at = asked_again_at - passed
FROM (VALUES (%s::interval)) AS time (passed);
UPDATE api_calls SET sent_at = sent_at - passed, settled_at = settled_at - passed
FROM (VALUES (%s::interval)) AS time (passed);
"""
_DATE_RUN: Final = """
UPDATE fetch_outcomes SET planned_at = moment, finished_at = moment,
    started_at = CASE WHEN started_at IS NOT NULL THEN moment END
FROM (VALUES (%s::timestamptz)) AS now (moment) WHERE run_id = %s
"""


class Days:
    """One pipeline, from ``start`` on. ``plan``: what the sandbox enforces, by its fields; begun afresh each day."""

    def __init__(
        self,
        environment: Mapping[str, str],
        market: Market,
        sandbox: RunningSandbox,
        clock: ClockedRedis,
        *,
        plan: Mapping[str, str],
        start: datetime = START,
    ) -> None:
        self.market, self.sandbox, self.clock = market, sandbox, clock
        self.moment, self._begin, self._plan = start, start.timetz(), plan
        self.clock.set_clock(round(start.timestamp()) * MICROSECONDS)
        self._dawn()
        self.wiring = self._wire(environment)
        self.calls = Counter[str]()
        self._seen = 0

    def _wire(self, environment: Mapping[str, str]) -> Wiring:
        opened = Wiring(wired(dict(environment)).settings)
        opened.__dict__["limiter"] = Limiter(
            SecretStr(""),
            opened.settings.quota,
            key=SecretStr("clocked"),
            cap_s=7,
            client=self.clock,
            monotonic=self.clock.monotonic,
        )
        return opened

    def _dawn(self) -> None:
        self.sandbox.change("plan", **self._plan)
        self.sandbox.change("today", today=str(self.yesterday))

    @property
    def yesterday(self) -> date:
        """The last day whose sessions are complete."""
        return (self.moment - DAY).date()

    def run(
        self,
        run_id: str,
        symbols: Sequence[str] | None = None,
        *,
        feed: str = FIRST,
        force: bool = False,
        expected: tuple[type[PipelineError], ...] = (),
    ) -> Plan:
        """Plan, work on the symbols in order as their tasks would, report, and date it all to the test's day.

        ``symbols`` None is the universe; a symbol may end with one of the ``expected`` errors.
        """
        name = run_name(feed, run_id)
        plan = plan_run(self.wiring, name, symbols, feed=feed, force=force, moment=self.moment)
        job = replace(self.wiring.job, dataset=self.wiring.dataset_of(feed))
        for symbol in plan.fetch:
            self.clock.advance(1)  # a worker that waits for the second to pass
            with suppress(*expected):
                job.run(name, symbol, dataset=plan.instead.get(symbol, plan.dataset))
        self.calls += Counter(entry.symbol for entry in self.entries())
        report_run(self.wiring, name)
        self.date(name)
        return plan

    def entries(self) -> list[Entry]:
        """Return the sandbox's log since the last look at it; no call broke the quota."""
        entries = self.sandbox.entries(self._seen)
        self._seen = entries[-1].id if entries else self._seen
        assert not {entry.verdict for entry in entries} & QUOTA_VERDICTS
        return entries

    def date(self, name: str) -> None:
        """Move what PostgreSQL dated of a run, by the ledger's name of it, to the test's moment."""
        self.market.query(_DATE_RUN, self.moment, name)

    def later(self, time: timedelta) -> None:
        """Let some of the day pass."""
        self.moment += time
        self.clock.set_clock(round(self.moment.timestamp()) * MICROSECONDS)
        self.market.query(_AGE, time, time)

    def next_day(self, days: int = 1) -> None:
        """Go on at the time at which it all began, of the next day or of a later one."""
        begin = datetime.combine(self.moment.date() + days * DAY, self._begin)
        self.later(begin - self.moment)
        self._dawn()

    def statuses(self, name: str) -> Counter[OutcomeStatus]:
        """Count the outcomes of a run, by the ledger's name of it."""
        return Counter(line.status for line in self.wiring.store.ledger.outcomes(name))
