"""What ``python -m workers.fetch_and_store`` does, and with which exit code it ends: fetch, health check, quota."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TextIO

from common import logs
from common.command_line import ExitCode, colours, say
from common.datasets import DATASETS
from common.datasets.quotes import QUOTES
from common.errors import (
    HALTED,
    ConfigurationError,
    DailyQuotaUsedUp,
    PayloadRejected,
    PipelineError,
    QuotaWait,
    RateLimited,
    UnknownSymbol,
)
from common.logs import bound
from common.redaction import Redactor, escape_controls
from common.settings import LogSettings
from common.universe.listings import Status
from common.values import Outcome, OutcomeStatus, Quote, Symbol
from workers.health import HealthCheck, check_health, usage_lines
from workers.pipeline.universe import renew_listings
from workers.wiring import Wiring

_CODES: Final[Mapping[OutcomeStatus, ExitCode]] = {
    OutcomeStatus.STORED: ExitCode.DONE,
    OutcomeStatus.SKIPPED: ExitCode.DONE,
    OutcomeStatus.STALE: ExitCode.DONE,
    OutcomeStatus.POSTPONED: ExitCode.NOT_NOW,
    OutcomeStatus.QUARANTINED: ExitCode.QUARANTINED,
}
INVENTED: Final = "invented by the sandbox: ALPHA_VANTAGE_API_KEY is not set"


@dataclass(frozen=True)
class CommandResult:
    """How a command ended: a document for ``--json``, lines for a person, and what went wrong."""

    code: ExitCode
    document: Mapping[str, Any]
    lines: Sequence[str] = ()
    problem: str = ""

    def show(self, output: TextIO, *, as_json: bool) -> int:
        """Print it; return the exit code. What went wrong goes to standard error too, so that a script's log has it."""
        for line in [json.dumps(self.document, default=_plain)] if as_json else self.lines:
            print(line, file=output)
        if self.problem:
            output.flush()
            say(self.problem)
        return self.code


def fetch(text: str, dataset: str = QUOTES.name, *, verbose: bool = False) -> CommandResult:
    """Fetch, validate and store one symbol of a dataset, as a run of its own that is named after the time."""
    try:
        symbol = Symbol(text)
    except ConfigurationError as error:
        return replace(failed(error, symbol=text), code=ExitCode.USAGE)
    try:
        with Wiring.from_environment(DATASETS[dataset]) as wiring, logging_to_stderr(wiring, verbose=verbose):
            return _fetch(wiring, symbol)
    except PipelineError as error:
        return failed(error, symbol=text)


def _fetch(wiring: Wiring, symbol: Symbol) -> CommandResult:
    run_id = f"cli__{datetime.now(UTC).isoformat()}"
    wiring.permits.prepare()
    wiring.store.ledger.plan_run(run_id, [symbol], dataset=wiring.dataset.name)
    job = replace(wiring.job, postpones=True, postpone_beyond_s=0)  # nobody comes back for a place in the queue
    try:
        with bound(run=run_id, symbol=symbol, attempt=1, worker=wiring.settings.worker_name):
            job.run(run_id, symbol)
    except (RateLimited, DailyQuotaUsedUp) as refusal:  # every worker is held back now: the limiter knows for how long
        return failed(refusal, symbol=symbol, retry_at=wiring.limiter.usage().next_at)
    except UnknownSymbol as error:
        if wiring.store.ledger.outcomes(run_id)[0].reason == error.reason:  # else the ledger knows that it has rows
            raise
    line = wiring.store.ledger.outcomes(run_id)[0]
    quotes = wiring.store.quotes([symbol]) if wiring.dataset is QUOTES else []
    return _ended(line, quotes, invented=wiring.settings.uses_sandbox)


def _ended(line: Outcome, quotes: Sequence[Quote], *, invented: bool) -> CommandResult:
    """Say what became of the symbol: the row where it is up to date, else why not, and when it can go."""
    code = _CODES.get(line.status, ExitCode.ACT_FIRST if line.reason in HALTED else ExitCode.FAILED)
    if code is not ExitCode.DONE:
        problem = (
            f"{line.symbol} is {line.status}: {line.detail.removeprefix(f'{line.symbol}: ')}{_when(line.retry_at)}"
        )
        return CommandResult(code, asdict(line), problem=problem)
    row = {name: value for quote in quotes for name, value in asdict(quote).items()}
    lines = [f"{'outcome':<18} {line.status} ({line.reason})"]
    if not row:
        lines.append(f"{'rows':<18} {line.detail}")
    lines += [f"{name:<18} {_readable(value)}" for name, value in row.items()]
    if invented:
        lines.append(INVENTED)
    return CommandResult(code, asdict(line) | row | {"invented": invented}, lines)


def failed(error: PipelineError, *, symbol: str = "", retry_at: datetime | None = None) -> CommandResult:
    """Say an error, with the same fields as any other outcome."""
    code, status, reason = ExitCode.FAILED, OutcomeStatus.FAILED, error.reason
    if isinstance(error, PayloadRejected):
        code, status, reason = ExitCode.QUARANTINED, OutcomeStatus.QUARANTINED, error.code
    elif isinstance(error, QuotaWait | RateLimited | DailyQuotaUsedUp):
        code = ExitCode.NOT_NOW
    elif error.reason in HALTED:
        code = ExitCode.ACT_FIRST
    document: dict[str, Any] = {"status": status, "reason": reason, "detail": str(error), "retry_at": retry_at}
    if symbol:
        document = {"symbol": symbol, **document}
    return CommandResult(code, document, problem=f"{reason}: {error}{_when(retry_at)}")


def _when(retry_at: datetime | None) -> str:
    """Say when to come back, on the full second after it."""
    if retry_at is None:
        return ""
    full = (retry_at + timedelta(microseconds=999_999)).astimezone(UTC)
    return f" Try again at {full:%Y-%m-%d %H:%M:%S} UTC."


def listings(status: Status, *, accept: bool = False, verbose: bool = False) -> CommandResult:
    """Fetch and store the list of companies; ``accept`` takes over one that shrank."""
    try:
        with Wiring.from_environment() as wiring, logging_to_stderr(wiring, verbose=verbose):
            return _listings(wiring, status, accept=accept)
    except PipelineError as error:
        return failed(error)


def _listings(wiring: Wiring, status: Status, *, accept: bool) -> CommandResult:
    try:
        renewed = renew_listings(wiring, status, accept=accept)
    except QuotaWait as wait:
        return failed(wait, retry_at=wait.retry_at)
    lines = [str(renewed.changes), *(f"{finding.code:<14} {finding.message}" for finding in renewed.findings)]
    invented = wiring.settings.uses_sandbox
    if invented:
        lines.append(INVENTED)
    document = {"status": OutcomeStatus.STORED, **renewed.as_dict(), "invented": invented}
    return CommandResult(ExitCode.DONE, document, lines)


def health(output: TextIO) -> CommandResult:
    """Check every dependency without spending quota."""
    checks = list(check_health())
    well = all(check.healthy for check in checks)
    return CommandResult(
        ExitCode.DONE if well else ExitCode.FAILED,
        {"healthy": well, "checks": [asdict(check) for check in checks]},
        [_health_line(check, colour=colours(output)) for check in checks],
    )


def _health_line(check: HealthCheck, *, colour: bool) -> str:
    state = "ok" if check.healthy else "FAILED"
    painted = f"\x1b[{32 if check.healthy else 31}m{state:<6}\x1b[0m" if colour else f"{state:<6}"
    latency = f"{check.latency_s * 1000:7.1f} ms" if check.latency_s is not None else " " * 10
    return f"{check.name:<12} {painted} {latency}  {escape_controls(check.detail)}"


def quota() -> CommandResult:
    """Show what is used of the quota, and what waits."""
    try:
        with Wiring.from_environment() as wiring:
            wiring.permits.prepare()  # a fresh installation, or a Redis that lost its data, has a quota too
            usage = wiring.limiter.usage()
    except PipelineError as error:
        return failed(error)
    return CommandResult(ExitCode.DONE, asdict(usage), list(usage_lines(usage)))


@contextmanager
def logging_to_stderr(wiring: Wiring, *, verbose: bool) -> Iterator[None]:
    """Log to standard error, without secrets, while the command runs."""
    root = logging.getLogger()
    before = root.level
    level = logging.DEBUG if verbose else logging.WARNING
    as_json = LogSettings.from_environment().as_json
    handler = logs.configure(Redactor(wiring.settings.secrets()), as_json=as_json, level=level, plain=logs.PLAIN)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


def _readable(value: object) -> str:
    """Return a column's value for a person: a price with its cents, a volume in thousands, a time in UTC."""
    match value:
        case Decimal():
            whole, _, part = f"{value:,f}".rstrip("0").partition(".")
            return f"{whole}.{part:0<2}"
        case int():
            return f"{value:,}"
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return str(value)


def _plain(value: Any) -> Any:  # noqa: ANN401  json's own
    """Return what JSON can hold: exact decimals as text, times in ISO 8601."""
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
