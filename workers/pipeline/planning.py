"""Spend a scarce quota where it counts: what a run fetches, in which order, and what it leaves out.

What is known comes in, a frozen plan comes out; docs/adr/0002-spend-a-scarce-quota-where-it-counts.md says why it is
so. Nothing here asks a clock, a database or the limiter.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from math import ceil
from typing import Final, Protocol

from common.datasets.dataset import Backfill, Bulk, BySession, Every
from common.errors import NotASymbol, PremiumRequired, QuotaWait, UnknownSymbol
from common.ledger import LastAttempt
from common.trading_calendar import UNKNOWN, Session, latest_session, sessions_after
from common.values import Misspelt, Outcome, OutcomeStatus, Symbol
from workers.pipeline.shared_calls import calls_up_to

UP_TO_DATE: Final = "up_to_date"
NOTHING_NEWER: Final = "nothing_newer"
NOT_DUE: Final = "not_due"
#: An answer that came so long after a close is final: what the provider did not have then (a suspended share, a
#: holiday that the calendar does not know) it will not have before the next session.
FINAL_AFTER: Final = timedelta(hours=12)
#: What the provider refused for the symbol's own sake. A listing or a plan changes rarely.
REFUSED: Final = frozenset({UnknownSymbol.reason, PremiumRequired.reason})
#: How long such a refusal holds before a call is spent on asking again.
REFUSED_FOR: Final = timedelta(days=7)
#: The provider gave data, be they of the session wanted or of an earlier one.
ANSWERED: Final = frozenset({OutcomeStatus.STORED, OutcomeStatus.STALE})
BY_SESSION: Final = BySession()
_NAMED: Final = 5
#: What the summary says of symbols that fail without a call, by whether they can be none.
_NOT_ASKED: Final = {True: "can be no symbol", False: "the provider refused lately"}


@dataclass(frozen=True, slots=True)
class StoredState:
    """What is known of a dataset's symbols: the newest stored trading day, and the last attempt, where there is one.

    ``dataset``: its name. ``due``: when a symbol that was answered is asked for again. ``jumped``: symbols whose price
    has jumped since the last answer, for which nothing that is stored accounts. ``instead``: what is known for the
    dataset that is asked of a symbol for which this one is not due. ``gaps``: since when it is time to ask again for
    what a symbol's bars lack, of symbols for which an answer could bring it.
    """

    days: Mapping[Symbol, date]
    attempts: Mapping[Symbol, LastAttempt]
    dataset: str
    due: BySession | Every | Backfill = BY_SESSION
    jumped: Collection[Symbol] = frozenset()
    instead: "StoredState | None" = None
    gaps: Mapping[Symbol, datetime] = field(default_factory=dict)


class Budget(Protocol):
    """What the long windows of the quota leave."""

    def affordable(self, wanted: int) -> int:
        """Return how many of ``wanted`` calls can go in this run."""

    def opens_at(self, nth: int) -> datetime:
        """Return the moment at which the nth call from now can go: the later, the greater ``nth``."""


@dataclass(frozen=True, slots=True)
class NotFetched:
    """A symbol that gets no call in this run: skipped, postponed (until ``retry_at``), or failed as it did before."""

    symbol: Symbol
    status: OutcomeStatus
    reason: str
    detail: str
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Call:
    """What a symbol is asked for. ``spared``: what becomes of it without the call, where only a gap is worth one."""

    state: StoredState
    spared: NotFetched | None = None


@dataclass(frozen=True)
class Plan:
    """What a run does with each of its symbols. ``fetch`` is in the order in which the quota is spent.

    ``failed``: what can be no symbol, and symbols that the provider refused lately: a call would be in vain.
    ``dataset``: what is asked for; ``instead``: what is asked for of some of the symbols, where that is another one.
    ``settled``: how many symbols an earlier pass of the same run had settled; they are in no other group.
    ``batch_size``: how many symbols share a task; with 1 each has its own. ``calls``: what ``fetch`` costs, where some
    share a call. ``remark``: a sentence on how it is asked.
    ``wanted``: the latest completed session of what is fetched, where the exchange's calendar is known.
    """

    fetch: tuple[Symbol, ...]
    dataset: str
    skip: tuple[NotFetched, ...] = ()
    postpone: tuple[NotFetched, ...] = ()
    failed: tuple[NotFetched, ...] = ()
    instead: Mapping[Symbol, str] = field(default_factory=dict)
    settled: int = 0
    batch_size: int = 1
    calls: int | None = None
    remark: str = ""
    wanted: Mapping[Symbol, date] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.fetch) + len(self.skip) + len(self.postpone) + len(self.failed) + self.settled

    def lines(self, run_id: str) -> Iterator[Outcome]:
        """Yield the ledger lines of what gets no call."""
        for left in (*self.skip, *self.postpone, *self.failed):
            dataset = self.instead.get(left.symbol, self.dataset)
            yield Outcome(
                run_id, left.symbol, left.status, left.reason, left.detail, retry_at=left.retry_at, dataset=dataset
            )

    @property
    def batch_numbers(self) -> range:
        """The numbers of the batches, from 1 on: each is what one fetching task works on."""
        return range(1, ceil(len(self.fetch) / self.batch_size) + 1)

    @cached_property
    def summary(self) -> str:
        """One sentence: what the run will spend, skip and postpone."""
        parts = [
            f"spend {_count(len(self.fetch) if self.calls is None else self.calls, 'call')}{self._batches()}",
            f"skip {len(self.skip)}, stored as far as there is data",
            f"postpone {len(self.postpone)}, beyond the quota" + self._moments(),
        ]
        for reason, what in _NOT_ASKED.items():
            names = [left.symbol for left in self.failed if (left.reason == NotASymbol.reason) is reason]
            if names:
                more = " …" if len(names) > _NAMED else ""
                parts.append(f"ask nothing for {len(names)} that {what} ({', '.join(names[:_NAMED])}{more})")
        if self.settled:
            parts.append(f"leave {self.settled} as this run settled them before")
        return f"{_count(len(self), 'symbol')}: {'; '.join(parts)}." + (f" {self.remark}" if self.remark else "")

    def _batches(self) -> str:
        return f" in {len(self.batch_numbers)} batches of {self.batch_size}" if self.batch_size > 1 else ""

    def _moments(self) -> str:
        moments = [left.retry_at for left in self.postpone if left.retry_at]
        return f" (they can go from {_minute(moments[0])} to {_minute(moments[-1])})" if moments else ""


def make_plan(
    symbols: Collection[Symbol],
    known: StoredState,
    budget: Budget | None,
    *,
    moment: datetime,
    grace: timedelta,
    force: bool = False,
    settled: int = 0,
    bulk: Bulk | None = None,
) -> Plan:
    """Decide for each of the symbols (each given once) at ``moment`` (aware).

    First in line is what was postponed longest, then what was never stored, then what is stalest; of equals the
    first by name. What is asked only for a gap comes last, and is skipped where the quota does not reach that far.
    ``budget`` None postpones nothing. ``grace``: how long after its close a session counts as complete.
    ``force`` fetches what would be skipped, or was refused lately, all the same; the quota holds for it too.
    ``bulk``: how symbols share calls.
    """
    asked = {symbol: _ask(symbol, known, moment, grace, force=force) for symbol in symbols}
    left_out = [answer for answer in asked.values() if isinstance(answer, NotFetched)]
    to_ask = {symbol: call for symbol, call in asked.items() if isinstance(call, _Call)}
    wanted = sorted(to_ask, key=lambda symbol: _priority(symbol, to_ask[symbol]))
    calls = calls_up_to(wanted, bulk)
    affordable = bisect_right(calls, budget.affordable(max(calls, default=0))) if budget else len(wanted)
    by_session = [symbol for symbol in wanted[:affordable] if not to_ask[symbol].spared]
    left_out += [spared for symbol in wanted[affordable:] if (spared := to_ask[symbol].spared)]
    return Plan(
        fetch=tuple(wanted[:affordable]),
        skip=tuple(left for left in left_out if left.status is OutcomeStatus.SKIPPED),
        postpone=tuple(
            _postponed(budget, calls[place], wanted[place])
            for place in range(affordable, len(wanted))
            if budget and not to_ask[wanted[place]].spared
        ),
        failed=tuple(left for left in left_out if left.status is OutcomeStatus.FAILED),
        dataset=known.dataset,
        instead={symbol: call.state.dataset for symbol, call in to_ask.items() if call.state is not known},
        settled=settled,
        wanted={} if isinstance(known.due, Every) else dict(_wanted(by_session, moment, grace)),
    )


def _wanted(symbols: Sequence[Symbol], moment: datetime, grace: timedelta) -> Iterator[tuple[Symbol, date]]:
    for symbol in symbols:
        session = latest_session(symbol, moment, grace)
        if session.exchange != UNKNOWN:  # every day of which may be a session, or not
            yield symbol, session.day


def _ask(symbol: Symbol, known: StoredState, moment: datetime, grace: timedelta, *, force: bool) -> _Call | NotFetched:
    """Return the state of the dataset that the symbol is asked for, or why it is asked for none."""
    left = _without_call(symbol, known, moment, grace, force=force)
    if left is None:
        return _Call(known)
    answer: _Call | NotFetched = left
    if known.instead and left.reason != UnknownSymbol.reason:  # of which there is nothing else either
        answer = _ask(symbol, known.instead, moment, grace, force=force)
    if left.status is OutcomeStatus.SKIPPED and _has_due_gap(symbol, known):
        return _Call(known, spared=answer if isinstance(answer, NotFetched) else answer.spared)
    return answer


def _has_due_gap(symbol: Symbol, known: StoredState) -> bool:
    """Whether it is time to ask again for what the bars lack, and no answer has come since it was."""
    since, attempt = known.gaps.get(symbol), known.attempts.get(symbol)
    answered_at = attempt.attempted_at if attempt and attempt.status in ANSWERED else None
    return since is not None and (answered_at is None or answered_at < since)


def _without_call(
    symbol: Symbol, known: StoredState, moment: datetime, grace: timedelta, *, force: bool
) -> NotFetched | None:
    """Return why a call for the symbol would be in vain, or None if it would not."""
    if isinstance(symbol, Misspelt):
        return NotFetched(symbol, OutcomeStatus.FAILED, NotASymbol.reason, symbol.problem)
    attempt = known.attempts.get(symbol)
    if force or attempt is None or attempt.attempted_at is None:
        return None
    if attempt.reason in REFUSED:
        return _refused_lately(symbol, attempt.reason, attempt.attempted_at, moment)
    return _not_due(attempt, known, attempt.attempted_at, moment, grace)


def _not_due(
    attempt: LastAttempt, known: StoredState, attempted_at: datetime, moment: datetime, grace: timedelta
) -> NotFetched | None:
    """Return why what is stored of an attempted symbol is enough, or None if it is not."""
    symbol = attempt.symbol
    answered_at = attempted_at if attempt.status in ANSWERED else datetime.min.replace(tzinfo=UTC)
    if isinstance(known.due, Every):
        again = moment if symbol in known.jumped else answered_at + known.due.period
        return _answered_lately(symbol, answered_at, again, moment)
    if (day := known.days.get(symbol)) is None:
        return None
    session = latest_session(symbol, moment, grace)
    if isinstance(known.due, Backfill):
        return _within_reach(symbol, day, attempt, session, known.due.beyond)
    return _up_to_date(symbol, day, answered_at, session)


def _answered_lately(symbol: Symbol, answered_at: datetime, again: datetime, moment: datetime) -> NotFetched | None:
    if again <= moment:
        return None
    detail = f"Answered at {_minute(answered_at)}; it is asked for again from {_minute(again)} on."
    return NotFetched(symbol, OutcomeStatus.SKIPPED, NOT_DUE, detail)


def _within_reach(symbol: Symbol, day: date, attempt: LastAttempt, session: Session, beyond: int) -> NotFetched | None:
    """Return why the whole series would bring no more than its last ``beyond`` sessions do."""
    if attempt.status not in ANSWERED or sessions_after(day, session) > beyond:
        return None
    return NotFetched(symbol, OutcomeStatus.SKIPPED, NOT_DUE, f"All of it was stored; its newest session is {day}.")


def _refused_lately(symbol: Symbol, reason: str, attempted_at: datetime, moment: datetime) -> NotFetched | None:
    again = attempted_at + REFUSED_FOR
    if again <= moment:
        return None
    detail = (
        f"Not asked: the provider refused it at {_minute(attempted_at)}. Take it off the list, trigger with force, or "
        f"wait: it is asked again from {_minute(again)} on."
    )
    return NotFetched(symbol, OutcomeStatus.FAILED, reason, detail)


def _up_to_date(symbol: Symbol, day: date, answered_at: datetime, session: Session) -> NotFetched | None:
    """Compare the newest stored day with the session. A row that was fetched while its session ran is not final."""
    latest = f"the latest completed session{_of(session)} is {session.day}"
    if day > session.day or (day == session.day and answered_at >= session.closed_at):
        return NotFetched(symbol, OutcomeStatus.SKIPPED, UP_TO_DATE, f"Stored up to {day}; {latest}.")
    if answered_at >= session.closed_at + FINAL_AFTER:
        detail = f"At {_minute(answered_at)} the provider had nothing newer than {day}; {latest}."
        return NotFetched(symbol, OutcomeStatus.SKIPPED, NOTHING_NEWER, detail)
    return None


def _priority(symbol: Symbol, call: _Call) -> tuple[int, float, Symbol]:
    """Return the symbol's place in the line; the least comes first."""
    known = call.state
    if call.spared:
        return 3, known.gaps[symbol].timestamp(), symbol
    attempt = known.attempts.get(symbol)
    if attempt and attempt.postponed_at:
        return 0, attempt.postponed_at.timestamp(), symbol
    day = known.days.get(symbol)
    return (1, 0, symbol) if day is None else (2, day.toordinal(), symbol)


def _postponed(budget: Budget, nth: int, symbol: Symbol) -> NotFetched:
    opens_at = budget.opens_at(nth)
    detail = f"The quota does not reach it today; it can go at {_minute(opens_at)}."
    return NotFetched(symbol, OutcomeStatus.POSTPONED, QuotaWait.reason, detail, opens_at)


def _of(session: Session) -> str:
    return f" of {session.exchange}" if session.exchange else ""


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
