"""Plan a run: gather what is known of its symbols, decide, write the plan to the ledger."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from common.datasets.dataset import Backfill, Bulk, Dataset, Every
from common.gaps import DueGap
from common.ledger import LastAttempt
from common.quota.forecast import POSTPONE_BEYOND_S, QuotaForecast
from common.settings import PipelineSettings
from common.values import SETTLED, Outcome, OutcomeStatus, Symbol
from workers.pipeline.batching import symbols_per_task
from workers.pipeline.environment import requested_symbols
from workers.pipeline.feeds import FIRST, HISTORY
from workers.pipeline.planning import ANSWERED, REFUSED_FOR, Plan, StoredState, make_plan
from workers.pipeline.shared_calls import calls_of, calls_up_to, share_calls
from workers.pipeline.universe import awaits_list
from workers.wiring import Wiring

_NEVER: Final = datetime.min.replace(tzinfo=UTC)

log = logging.getLogger(__name__)


def plan_run(
    wiring: Wiring,
    run_id: str,
    asked: Iterable[str] | None,
    *,
    feed: str = FIRST,
    force: bool,
    cleared: bool = False,
    moment: datetime | None = None,
) -> Plan:
    """Plan the run as of ``moment`` (now by default), write the whole plan to the ledger, and return it.

    What this run has settled before, in an earlier pass, stays as it is and is not planned again; but where a person
    ``cleared`` the plan of a run with ``force``. ``feed``: one of ``feeds.DAGS``.

    Raises ConfigurationError where none of the symbols can be one: then nothing is written.
    """
    moment = moment or datetime.now(UTC)
    symbols = requested_symbols(wiring, asked, renew_at=moment)
    again = cleared and force
    settled = {line.symbol for line in wiring.store.ledger.outcomes(run_id) if not again and _is_settled(line, moment)}
    wiring.permits.prepare()  # a limiter that lost its state since the check could not say what it leaves
    left = [symbol for symbol in symbols if symbol not in settled]
    plan = _plan(wiring, feed, left, moment, force=force, settled=len(settled))
    _write(wiring, run_id, plan, again=again)
    log.info("%s", plan.summary)
    return plan


def _plan(wiring: Wiring, feed: str, symbols: Sequence[Symbol], moment: datetime, *, force: bool, settled: int) -> Plan:
    """Decide on the symbols; ``settled``: how many more the run has that are done."""
    dataset = _granted(wiring, wiring.dataset_of(feed))
    bulk, remark = _bulk(wiring, dataset)
    plan = make_plan(
        symbols,
        _known(wiring, dataset, symbols, gaps=wiring.store.gaps.due(symbols, moment) if feed == HISTORY else {}),
        _budget(wiring, feed, moment),
        moment=moment,
        grace=timedelta(seconds=wiring.settings.session_grace),
        force=force,
        settled=settled,
        bulk=bulk,
    )
    return replace(_in_batches(plan, wiring.settings, bulk), remark=remark)


def _write(wiring: Wiring, run_id: str, plan: Plan, *, again: bool) -> None:
    wiring.store.ledger.plan_run(
        run_id,
        plan.fetch,
        plan.lines(run_id),
        batch_size=plan.batch_size,
        again=again,
        wanted=plan.wanted,
        dataset=plan.dataset,
        instead=plan.instead,
    )


def _in_batches(plan: Plan, settings: PipelineSettings, bulk: Bulk | None) -> Plan:
    size = symbols_per_task(
        len(plan.fetch),
        settings.quota,
        most_tasks=settings.max_mapped_tasks,
        concurrency=settings.batch_concurrency,
        wanted=settings.symbols_per_task,
        a_call=bulk.size if bulk and share_calls(plan.fetch, bulk) else 1,
    )
    return replace(plan, batch_size=size, calls=calls_of(plan.fetch, size, bulk))


def _bulk(wiring: Wiring, dataset: Dataset) -> tuple[Bulk | None, str]:
    """Return how symbols share calls; where the provider refuses that, None and a sentence that says so."""
    if dataset.name not in wiring.bulk:
        return None, ""
    bulk = wiring.bulk[dataset.name].bulk
    refused_at = wiring.entitlements.refused_at(bulk.feature)
    if refused_at is None:
        return bulk, ""
    said_at, again_at = (moment.astimezone(UTC) for moment in (refused_at, refused_at + REFUSED_FOR))
    return None, (
        f"Each symbol has a call of its own: at {said_at:%Y-%m-%d %H:%M} UTC the provider said that {bulk.feature} is "
        f"not for the key's plan, and it is asked again from {again_at:%Y-%m-%d %H:%M} UTC on."
    )


def _granted(wiring: Wiring, dataset: Dataset) -> Dataset:
    """Return the dataset, or what is asked instead while the provider refuses it to the key.

    By a dataset that is never stored nothing is ever up to date, and each run would spend a call on every symbol.
    """
    while dataset.instead and wiring.entitlements.refused_at(dataset.name):
        dataset = dataset.instead
    return dataset


def _known(
    wiring: Wiring,
    dataset: Dataset,
    symbols: Sequence[Symbol],
    whole: Dataset | None = None,
    *,
    gaps: Mapping[Symbol, DueGap],
) -> StoredState:
    """Return what is known of the symbols; ``whole``: the dataset whose answers hold all that this one's would."""
    store = wiring.store
    attempts = store.ledger.last_attempts(symbols, dataset.name)
    if whole:
        attempts = _with_answers(attempts, store.ledger.last_attempts(symbols, whole.name))
    by_session = [table for table in dataset.tables if table.session]
    days = store.latest_sessions(symbols, by_session) if by_session else _days_of_answers(attempts)
    instead = _known(wiring, dataset.instead, symbols, dataset, gaps=gaps) if dataset.instead else None
    jumped = _jumped(wiring, symbols, attempts) if isinstance(dataset.due, Every) and dataset.due.on_jumps else ()
    reached = {symbol: gap.since for symbol, gap in gaps.items() if _reaches(dataset, gap)}
    return StoredState(days, attempts, dataset.name, dataset.due, jumped, instead, reached)


def _reaches(dataset: Dataset, gap: DueGap) -> bool:
    """Whether a gap is the dataset's to ask for: the whole series' where the last part of it does not reach back."""
    return gap.beyond if isinstance(dataset.due, Backfill) else gap.within


def _jumped(wiring: Wiring, symbols: Sequence[Symbol], attempts: Mapping[Symbol, LastAttempt]) -> frozenset[Symbol]:
    """Return the symbols whose price has jumped since they were asked about; what an answer left open stays so."""
    jumps = wiring.store.unexplained_jumps(symbols)
    asked = {symbol: attempt.attempted_at or _NEVER for symbol, attempt in attempts.items()}
    return frozenset(symbol for symbol, seen_at in jumps.items() if asked.get(symbol, _NEVER) < seen_at)


def _with_answers(attempts: dict[Symbol, LastAttempt], whole: dict[Symbol, LastAttempt]) -> dict[Symbol, LastAttempt]:
    """Let an answer of the whole series count as one of its last part; its failures say nothing of that."""
    merged = dict(attempts)
    for symbol, answer in whole.items():
        known = attempts.get(symbol)
        later = known is None or known.attempted_at is None or known.attempted_at < (answer.attempted_at or _NEVER)
        if answer.status in ANSWERED and later:
            merged[symbol] = answer
    return merged


def _days_of_answers(attempts: dict[Symbol, LastAttempt]) -> dict[Symbol, date]:
    """Return the day of each symbol's last answer: the place in line of what is of no session."""
    return {
        symbol: attempt.attempted_at.date()
        for symbol, attempt in attempts.items()
        if attempt.attempted_at and attempt.status in ANSWERED
    }


def _budget(wiring: Wiring, feed: str, moment: datetime) -> QuotaForecast | None:
    if wiring.settings.on_daily_quota == "wait":
        return None
    return QuotaForecast(wiring.limiter.usage, reserved=_reserved(wiring, feed, moment))


def _reserved(wiring: Wiring, feed: str, moment: datetime) -> int:
    """Return how many calls the first feed's runs will need while a call that is made now counts.

    Without those of symbols whose last call counts still: it is over when they are due again.
    """
    settings = wiring.settings
    longest = timedelta(seconds=settings.quota.windows[-1].period_s)
    if feed == FIRST or longest.total_seconds() <= POSTPONE_BEYOND_S or awaits_list(wiring):
        return 0
    first, symbols = wiring.dataset_of(FIRST), requested_symbols(wiring, None)
    known = _known(wiring, first, symbols, gaps={})
    grace = timedelta(seconds=settings.session_grace)
    due = make_plan(symbols, known, None, moment=moment + longest, grace=grace).fetch
    made = {symbol for symbol, last in known.attempts.items() if (last.attempted_at or _NEVER) > moment - longest}
    bulk, _ = _bulk(wiring, first)
    return max(calls_up_to([symbol for symbol in due if symbol not in made], bulk), default=0)


def _is_settled(line: Outcome, moment: datetime) -> bool:
    over = line.status is OutcomeStatus.POSTPONED and line.retry_at is not None and line.retry_at <= moment
    return line.status in SETTLED and not over
