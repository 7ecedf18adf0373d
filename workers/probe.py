"""``--probe SYMBOL``: one symbol through everything that a run does, with the time of each step, and where it stopped.

The steps are those of a run's own code: its collaborators are lent to the job with a clock around each of their calls.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from common.command_line import ExitCode
from common.datasets import DATASETS
from common.datasets.dataset import Dataset, Parsed
from common.errors import ConfigurationError, PipelineError, StoreNotReady
from common.logs import bound
from common.quota.results import Permit
from common.settings import LogSettings, NotificationSettings
from common.values import Reply, Symbol
from workers.commands import INVENTED, CommandResult, failed, logging_to_stderr
from workers.pipeline.job import Job
from workers.wiring import Wiring

#: The steps in their order, and what each shows.
STEPS: Final[Mapping[str, str]] = {
    "settings": "every setting can be read",
    "database": "PostgreSQL answers, its schema is this version's",
    "redis": "the limiter's Redis answers and can keep a quota",
    "ledger": "the run is written down, and what becomes of the symbol",
    "permit": "the quota has a call left",
    "call": "the provider answers",
    "keep": "what it said is kept",
    "validate": "it is what was asked for",
    "store": "rows and outcome are stored together",
    "read back": "a reader sees the row",
}


@dataclass
class Stopwatch:
    """The time (s) that each step took, in the order in which the steps began; ``current`` is the one under way."""

    seconds: dict[str, float] = field(default_factory=dict)
    current: str = ""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the block's time to a step, less what the steps within it took. One that raises stays the current one."""
        outer, begun, within = self.current, time.perf_counter(), sum(self.seconds.values())
        self.current = name
        self.seconds.setdefault(name, 0.0)
        try:
            yield
        finally:
            inner = sum(self.seconds.values()) - within
            self.seconds[name] += time.perf_counter() - begun - inner
        self.current = outer


class Timed:
    """A collaborator whose every call is a step; ``names`` are those of its methods that are another one's."""

    def __init__(self, collaborator: object, watch: Stopwatch, step: str, **names: str) -> None:
        self._collaborator, self._watch, self._step, self._names = collaborator, watch, step, names

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._collaborator, name)
        step = self._names.get(name, self._step)

        def timed(*values: object, **named: object) -> object:
            with self._watch.step(step):
                return call(*values, **named)

        return timed


@dataclass(frozen=True)
class TimedPermits:
    """The quota, with the time that a permit is waited for."""

    permits: Any
    watch: Stopwatch

    @contextmanager
    def permit(self, permit_id: str, **how: Any) -> Iterator[Permit]:  # noqa: ANN401  passed on as it is
        """Hold a permit; the wait for it is a step, the call within is another."""
        with ExitStack() as held:
            with self.watch.step("permit"):
                permit = held.enter_context(self.permits.permit(permit_id, **how))
            yield permit

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever else the quota can do
        return getattr(self.permits, name)


def probe(text: str, dataset: str, *, verbose: bool = False) -> CommandResult:
    """Push one symbol through everything, with one call; say how long each step took, or where it ended."""
    watch = Stopwatch()
    try:
        symbol = Symbol(text)
    except ConfigurationError as error:
        return replace(_ended(watch, text, error), code=ExitCode.USAGE)
    try:
        with watch.step("settings"):
            wiring = Wiring.from_environment(DATASETS[dataset])
            NotificationSettings.from_environment().addresses()
            LogSettings.from_environment()
        with wiring, logging_to_stderr(wiring, verbose=verbose):
            detail = _push(wiring, symbol, watch)
    except PipelineError as error:
        return _ended(watch, text, error)
    return _ended(watch, text, detail=detail, invented=wiring.settings.uses_sandbox)


def _push(wiring: Wiring, symbol: Symbol, watch: Stopwatch) -> str:
    with watch.step("database"):
        wiring.store.check().require_head()
    with watch.step("redis"):
        wiring.permits.prepare()
        wiring.limiter.check()
    run_id = f"probe__{datetime.now(UTC).isoformat()}"
    with watch.step("ledger"):
        wiring.store.ledger.plan_run(run_id, [symbol], dataset=wiring.dataset.name)
    parsed: list[Parsed] = []
    with bound(run=run_id, symbol=symbol, attempt=1, worker=wiring.settings.worker_name):
        outcome = _timed_job(wiring, watch, parsed).run(run_id, symbol)
    with watch.step("read back"):
        _read_back(wiring, symbol, parsed)
    return outcome.detail


def _timed_job(wiring: Wiring, watch: Stopwatch, parsed: list[Parsed]) -> Job:
    """Return the job with a clock around each call; what it validates is added to ``parsed``."""
    job = wiring.job
    return replace(
        job,
        dataset=_timed_dataset(job.dataset, watch, parsed),
        provider=Timed(job.provider, watch, "call"),
        permits=TimedPermits(job.permits, watch),
        store=Timed(job.store, watch, "store"),
        ledger=Timed(job.ledger, watch, "ledger"),
        replies=Timed(job.replies, watch, "keep"),
        quarantine=Timed(job.quarantine, watch, "keep"),
        postpones=False,  # a probe that has to wait says so
    )


def _timed_dataset(dataset: Dataset, watch: Stopwatch, parsed: list[Parsed]) -> Dataset:
    def parse(symbol: Symbol, reply: Reply) -> Parsed:
        with watch.step("validate"):
            parsed.append(dataset.parse(symbol, reply))
            return parsed[-1]

    instead = dataset.instead and _timed_dataset(dataset.instead, watch, parsed)
    return replace(dataset, parse=parse, instead=instead)


def _read_back(wiring: Wiring, symbol: Symbol, parsed: Sequence[Parsed]) -> None:
    """See, in a session that can write nothing, rows up to the session that was just stored. Raises StoreNotReady."""
    stored = {
        table: max(getattr(row, table.session) for row in rows)
        for each in parsed
        for table, rows in each.rows.items()
        if table.session and rows
    }
    with wiring.reader() as reader:
        for table, session in stored.items():
            seen = reader.latest_sessions([symbol], [table]).get(symbol)
            if seen is None or seen < session:
                raise StoreNotReady(
                    f"{symbol} of {session} is stored, but in {table.name} a reader sees {seen or 'no row of it'}: run "
                    "python -m common.migrate, and see whether MARKET_DATABASE_URL leads to two databases."
                )


def _ended(
    watch: Stopwatch, symbol: str, error: PipelineError | None = None, *, detail: str = "", invented: bool = False
) -> CommandResult:
    """Say what each step took, and where an error stopped them."""
    stopped = (watch.current or next(iter(STEPS))) if error else ""
    steps = [
        {"step": name, "seconds": watch.seconds.get(name), "done": name in watch.seconds and name != stopped}
        for name in STEPS
    ]
    said = failed(error, symbol=symbol) if error else CommandResult(ExitCode.DONE, {"status": "stored"})
    document = {**said.document, "symbol": symbol, "stopped_at": stopped or None, "steps": steps, "invented": invented}
    lines = [_line(watch, name, stopped) for name in STEPS]
    if detail:
        document["detail"] = detail
        lines.append(f"{symbol}: {detail}{f'; {INVENTED}' if invented else ''}")
    return CommandResult(said.code, document, lines, said.problem and f"stopped at {stopped}: {said.problem}")


def _line(watch: Stopwatch, name: str, stopped: str) -> str:
    seconds = watch.seconds.get(name)
    state = "STOPPED" if name == stopped else "-" if seconds is None else "ok"
    took = "" if seconds is None else f"{seconds * 1000:.1f} ms"
    return f"{name:<10} {state:<8} {took:>10}  {STEPS[name]}"
