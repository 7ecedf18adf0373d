"""The message about a run: at most one, and only of what a person has to know.

A run that failed is always told, and the first one that did not, after it. What may last for weeks, a quota that does
not reach and data that is stale, is told once a week at most.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final

from common.errors import ApiKeyRejected
from common.notify import AlertAddress, Delivery, Kind, Message, Notifier, send_all
from common.redaction import Redactor, one_line
from common.values import Outcome, OutcomeStatus
from workers.pipeline.quality import QualityReport
from workers.pipeline.report import Report, read_report
from workers.wiring import Wiring

#: A run that begins so long after it was due is late; the alert rule RunOverdue goes by the same.
LATE_AFTER: Final = timedelta(minutes=30)
#: A larger share of symbols of an earlier session than the latest is told; the rule SymbolsStale says the same.
STALE_SHARE: Final = 0.05
#: How often (at most) what lasts is told again.
_REMIND_AFTER: Final = timedelta(days=7)
_REASONS: Final = 5
_SYMBOLS: Final = 10
_DETAIL: Final = 200


@dataclass(frozen=True)
class RunEnd:
    """A run that has ended, as a message tells of it.

    ``name`` is the ledger's name of the run, ``dag_id`` and ``run_id`` are Airflow's. ``report``: None where the
    ledger could not be read. ``late_by``: how long after it was due a scheduled run began. ``problem``: why no symbol
    was planned, where none was. ``links``: pages to look at, by their names.
    """

    name: str
    dag_id: str
    run_id: str
    report: Report | None = None
    late_by: timedelta = timedelta()
    problem: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    invented: bool = False

    @property
    def failed(self) -> bool:
        """Whether the run is red."""
        return self.report is None or self.report.failed_too_many

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """What became of each symbol; none where the ledger could not be read."""
        return self.report.outcomes if self.report else ()

    @property
    def failures(self) -> Sequence[Outcome]:
        """Those that count as failed."""
        return self.report.failures if self.report else ()


def notify_of_run(wiring: Wiring, addresses: Sequence[AlertAddress], run: RunEnd) -> list[Delivery]:
    """Tell the addresses what they have to know of a run, once, and send what waits from earlier ones.

    Returns what became of each message. Raises StoreUnavailable.
    """
    notifier = Notifier(addresses, wiring.store.notifications)
    ended = replace(run, report=read_report(wiring, run.name), invented=wiring.settings.uses_sandbox)
    # What this run's own message said is left out, so that the task comes to the same one again if it is cleared; but
    # a run that failed and was mended is one that recovered.
    events = notifier.outbox.events(run.dag_id, f"{run.name} ")
    own = [name for name in events if not name.startswith(f"{run.name} {Kind.FAILED}")]
    if kind := kind_of(ended, notifier.outbox.last_told(run.dag_id, but=own)):
        notifier.tell(run.dag_id, event(run, kind, events), message(ended, kind, Redactor(wiring.settings.secrets())))
    return notifier.deliver()


def event(run: RunEnd, kind: Kind, told: Collection[str]) -> str:
    """Return the name by which the outbox knows what happened to a run; ``told``: what it knows of the run already.

    A run that was cleared may fail, be well and fail again, so a name says how often the opposite came before.
    """
    opposite = {Kind.FAILED: Kind.RECOVERED, Kind.RECOVERED: Kind.FAILED}.get(kind)
    before = sum(name.startswith(f"{run.name} {opposite}") for name in told)
    return f"{run.name} {kind} {before}" if before else f"{run.name} {kind}"


def notify_without_ledger(addresses: Sequence[AlertAddress], run: RunEnd) -> list[Delivery]:
    """Tell the addresses of a run whose ledger cannot be read. Nothing remembers it: a cleared task tells it again."""
    told = message(run, Kind.FAILED, Redactor())
    problems = send_all([(address, told) for address in addresses])
    return [Delivery(str(address), told.title, problem) for address, problem in zip(addresses, problems, strict=True)]


def kind_of(run: RunEnd, told: Mapping[Kind, datetime], now: datetime | None = None) -> Kind | None:
    """Return what is to be told of a run, or None; ``told``: when each kind was told last of the DAG's runs."""
    now = now or datetime.now(UTC)
    if run.failed:
        return Kind.FAILED
    failed, recovered = (told.get(kind) for kind in (Kind.FAILED, Kind.RECOVERED))
    if failed and (recovered is None or recovered < failed):
        return Kind.RECOVERED
    if run.late_by > LATE_AFTER:
        return Kind.LATE
    for kind in _lasting(run):
        if kind not in told or now - told[kind] > _REMIND_AFTER:
            return kind
    return None


def _lasting(run: RunEnd) -> Iterator[Kind]:
    """Yield what is not well, though the run is green."""
    if _of(run, OutcomeStatus.POSTPONED):
        yield Kind.QUOTA
    if len(_of(run, OutcomeStatus.STALE)) > STALE_SHARE * len(run.outcomes):
        yield Kind.STALE


def _of(run: RunEnd, status: OutcomeStatus) -> list[Outcome]:
    return [outcome for outcome in run.outcomes if outcome.status is status]


def message(run: RunEnd, kind: Kind, redactor: Redactor) -> Message:
    """Return the message, of plain text: what happened, to which symbols, why, and where to look."""
    what = {
        Kind.FAILED: _failed(run),
        Kind.RECOVERED: "is well again",
        Kind.LATE: f"began {_in_words(run.late_by)} late",
        Kind.QUOTA: f"left {_count(_of(run, OutcomeStatus.POSTPONED))} to another day: the quota is used up",
        Kind.STALE: f"found no new data for {_count(_of(run, OutcomeStatus.STALE))}",
    }[kind]
    title = f"{'(sandbox) ' if run.invented else ''}{run.dag_id} {what}"
    return Message.of(kind, title, "\n".join(_lines(run)), redactor)


def _failed(run: RunEnd) -> str:
    if run.report is None:
        return "has ended, but how cannot be read"
    if quality := _failing_quality(run):
        count = quality.counts["error"]
        return f"failed: {count} {'error' if count == 1 else 'errors'} in what is stored"
    if not run.failures:
        return "failed before any symbol was fetched"
    if any(outcome.reason == ApiKeyRejected.reason for outcome in run.failures):
        return "failed: the API key was rejected"
    return f"failed: {len(run.failures)} of {_count(run.outcomes)}"


def _failing_quality(run: RunEnd) -> QualityReport | None:
    """Return what the checks found, where nothing else makes the run red."""
    quality = run.report.quality if run.report else None
    return quality if quality and quality.fails and run.outcomes and not run.failures else None


def _lines(run: RunEnd) -> Iterator[str]:
    if run.report and run.outcomes:
        counts = sorted(run.report.counts.items())
        yield f"{_count(run.outcomes)}: " + ", ".join(f"{count} {status}" for status, count in counts)
    else:
        yield one_line(run.problem or Report([], 0).summary, 3 * _DETAIL)
    if run.report and run.report.quality and run.report.quality.fails:
        yield from ("", *(one_line(line, 3 * _DETAIL) for line in run.report.quality.lines()))
    yield from _reasons("failed", run.failures)
    yield from _reasons("postponed", _of(run, OutcomeStatus.POSTPONED))
    yield from _reasons("stale", _of(run, OutcomeStatus.STALE))
    if run.late_by > LATE_AFTER:
        yield f"It began {_in_words(run.late_by)} after it was due."
    yield ""
    yield f"Run: {run.run_id}"
    for name, link in run.links.items():
        yield f"{name}: {link}"
    if run.invented:
        yield "The prices are invented by the sandbox: ALPHA_VANTAGE_API_KEY is not set."


def _reasons(what: str, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield the symbols by their reasons, the most frequent first, each reason with one symbol's own sentence."""
    by_reason = [
        list(group) for _, group in groupby(sorted(outcomes, key=_reason_and_symbol), lambda each: each.reason)
    ]
    by_reason.sort(key=len, reverse=True)
    for group in by_reason[:_REASONS]:
        named = ", ".join(outcome.symbol for outcome in group[:_SYMBOLS])
        more = f" and {len(group) - _SYMBOLS} more" if len(group) > _SYMBOLS else ""
        yield ""
        yield f"{what}, {group[0].reason or 'no reason'} ({len(group)}): {named}{more}"
        if group[0].detail:
            yield f"  {one_line(group[0].detail, _DETAIL)}"
    if len(by_reason) > _REASONS:
        yield f"… and {len(by_reason) - _REASONS} more reasons."


def _reason_and_symbol(outcome: Outcome) -> tuple[str, str]:
    return outcome.reason, outcome.symbol


def _count(outcomes: Sequence[Outcome]) -> str:
    return "1 symbol" if len(outcomes) == 1 else f"{len(outcomes)} symbols"


def _in_words(time: timedelta) -> str:
    minutes = round(time.total_seconds() / 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"  # noqa: PLR2004  two hours
