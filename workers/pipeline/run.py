"""Plan a run: gather what is known of its symbols, decide, write the plan to the ledger."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from common.quota.forecast import QuotaForecast
from common.values import SETTLED, Outcome, OutcomeStatus, Symbol
from workers.pipeline.batching import symbols_per_task
from workers.pipeline.environment import requested_symbols
from workers.pipeline.planning import Plan, StoredState, make_plan
from workers.wiring import Wiring

log = logging.getLogger(__name__)


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
