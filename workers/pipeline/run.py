"""A run around its symbols: check the environment, plan, report. Free of Airflow."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from common.errors import LEFT_OPEN, SessionGone
from common.quota.forecast import QuotaForecast
from common.trading_calendar import latest_session
from common.values import SETTLED, Outcome, OutcomeStatus, Symbol, parse_symbols
from workers.pipeline.batch import failures_in_words
from workers.pipeline.batching import symbols_per_task
from workers.pipeline.planning import Plan, StoredState, make_plan
from workers.wiring import Wiring

log = logging.getLogger(__name__)

#: Outcomes that count against MAX_FAILURE_RATIO. A report closes what is planned still, so that nothing else is left.
FAILURES = frozenset({OutcomeStatus.FAILED, OutcomeStatus.QUARANTINED, OutcomeStatus.PLANNED})

#: How many symbols the report's table shows: a log of ten thousand lines helps nobody.
_SHOWN: Final = 300
#: How many failures its sentence names.
_NAMED: Final = 20


def requested_symbols(wiring: Wiring, asked: Iterable[str] | None) -> tuple[Symbol, ...]:
    """Return the symbols of the trigger form, or those of STOCK_SYMBOLS where none were given.

    Raises ConfigurationError where symbols were given and none of them can be one.
    """
    symbols = parse_symbols(text for text in asked if text.strip()) if asked else ()
    return symbols or wiring.settings.stock_symbols


def validate_environment(
    wiring: Wiring, asked: Iterable[str] | None, *, wanted: datetime | None = None, moment: datetime | None = None
) -> None:
    """Check settings, symbols, database, schema, Redis and limiter before a call is spent.

    ``wanted``: the time whose latest session the run is for, where that is not now, which is ``moment``.

    Raises the error of what is wrong: ConfigurationError, SessionGone, StoreUnavailable or LimiterUnavailable.
    """
    symbols = requested_symbols(wiring, asked)
    if wanted:
        grace = timedelta(seconds=wiring.settings.session_grace)
        _refuse_past(symbols, wanted, moment or datetime.now(UTC), grace)
    if wiring.settings.uses_sandbox:
        log.warning("ALPHA_VANTAGE_API_KEY is empty: prices are INVENTED by the sandbox and kept in a database apart")
    store = wiring.store.check()
    store.require_head()
    wiring.permits.prepare()
    health = wiring.limiter.check()
    log.info("%d symbols, quota %s; %s; Redis %s", len(symbols), wiring.settings.quota, store, health.redis_version)


def _refuse_past(symbols: Iterable[Symbol], wanted: datetime, moment: datetime, grace: timedelta) -> None:
    """Raise SessionGone where no symbol's latest session at ``moment`` is the one that was the latest then."""
    sessions = [(latest_session(symbol, wanted, grace), latest_session(symbol, moment, grace)) for symbol in symbols]
    if all(then.day < now.day for then, now in sessions):
        raise SessionGone(
            f"This run is for {wanted:%Y-%m-%d %H:%M} UTC, of the session {sessions[0][0].day}, and a quote is always "
            f"the latest one, of {sessions[0][1].day} now: nothing can be fetched for a day gone by. Trigger a run "
            "without a logical date for the latest session."
        )


def plan_run(
    wiring: Wiring,
    run_id: str,
    asked: Iterable[str] | None,
    *,
    force: bool,
    cleared: bool = False,
    moment: datetime | None = None,
) -> Plan:
    """Plan the run as of ``moment`` (now by default), write the whole plan to the ledger, and return it.

    What this run has settled before, in an earlier pass, stays as it is and is not planned again; but where a person
    ``cleared`` the plan of a run with ``force``.

    Raises ConfigurationError where none of the symbols can be one: then nothing is written.
    """
    moment = moment or datetime.now(UTC)
    symbols = requested_symbols(wiring, asked)
    again = cleared and force
    settled = {line.symbol for line in wiring.store.ledger.outcomes(run_id) if not again and _is_settled(line, moment)}
    wiring.permits.prepare()  # a limiter that lost its state since the check could not say what it leaves
    plan = _plan(wiring, [symbol for symbol in symbols if symbol not in settled], moment, force, len(settled))
    wiring.store.ledger.plan_run(
        run_id, plan.fetch, plan.lines(run_id), batch_size=plan.batch_size, again=again, wanted=plan.wanted
    )
    log.info("%s", plan.summary)
    return plan


def _plan(wiring: Wiring, symbols: Sequence[Symbol], moment: datetime, force: bool, settled: int) -> Plan:
    store, settings = wiring.store, wiring.settings
    plan = make_plan(
        symbols,
        StoredState(store.latest_sessions(symbols), store.ledger.last_attempts(symbols)),
        QuotaForecast(wiring.limiter.usage) if settings.on_daily_quota == "postpone" else None,
        moment=moment,
        grace=timedelta(seconds=settings.session_grace),
        force=force,
        settled=settled,
    )
    size = symbols_per_task(
        len(plan.fetch),
        settings.quota,
        most_tasks=settings.max_mapped_tasks,
        concurrency=settings.batch_concurrency,
        wanted=settings.symbols_per_task,
    )
    return replace(plan, batch_size=size)


def _is_settled(line: Outcome, moment: datetime) -> bool:
    over = line.status is OutcomeStatus.POSTPONED and line.retry_at is not None and line.retry_at <= moment
    return line.status in SETTLED and not over


@dataclass(frozen=True)
class Report:
    """What became of each symbol of a run. ``max_failure_ratio``: 0 to 1."""

    outcomes: Sequence[Outcome]
    max_failure_ratio: float

    @property
    def failures(self) -> list[Outcome]:
        """The outcomes that count as failed."""
        return [outcome for outcome in self.outcomes if outcome.status in FAILURES]

    @property
    def failed_too_many(self) -> bool:
        """Whether the run is red.

        A run without a plan is: its check or its plan failed before any symbol. And so is one that left a symbol open,
        whatever the ratio bears: a person ended it, or it did not do its work.
        """
        if not self.outcomes or any(outcome.reason in LEFT_OPEN for outcome in self.outcomes):
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
        return f"{len(self.outcomes)} symbols: {counts}" + (f". {failed}" if failed else "")

    def lines(self) -> Iterator[str]:
        """Yield a table of at most a few hundred outcomes, failures first, then what is stale; and the summary."""
        ordered = sorted(self.outcomes, key=_row_order)
        width = max((len(outcome.symbol) for outcome in ordered), default=0)
        for outcome in ordered[:_SHOWN]:
            text = f"{outcome.symbol:<{width}}  {outcome.status:<11}  {outcome.reason:<17}  {outcome.detail}"
            yield f"{text}  [{outcome.worker}]" if outcome.worker else text
        if len(ordered) > _SHOWN:
            yield f"… and {len(ordered) - _SHOWN} more: the table fetch_outcomes has every symbol of the run."
        yield self.summary

    def as_dict(self) -> dict[str, Any]:
        """Return what the UI and other DAGs read: the counts and the symbols that failed."""
        return {"counts": self.counts, "failed": [str(outcome.symbol) for outcome in self.failures]}


def _row_order(outcome: Outcome) -> tuple[bool, bool, str]:
    return outcome.status not in FAILURES, outcome.status is not OutcomeStatus.STALE, outcome.symbol


def report_run(wiring: Wiring, run_id: str) -> Report:
    """Give every symbol of the run an outcome, and read its ledger. For the run's end: nothing works on it any more."""
    wiring.store.ledger.close_run(run_id)
    return Report(wiring.store.ledger.outcomes(run_id), wiring.settings.max_failure_ratio)


def close_left_over_runs(wiring: Wiring, run_id: str, is_at_work: Callable[[str], bool]) -> None:
    """Give every symbol an outcome that another run has left open, such as one whose report was killed.

    ``is_at_work`` tells whether the run of that name goes on still; then its symbols are its own affair.
    """
    for other in wiring.store.ledger.open_runs(run_id):
        if not is_at_work(other):
            closed = wiring.store.ledger.close_run(other)
            log.warning(
                "%s had left %d symbols without an outcome; they are closed: %s", other, len(closed), closed[:20]
            )
