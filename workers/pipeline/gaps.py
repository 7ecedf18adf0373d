"""Find the sessions that the stored bars lack once the provider has answered again, and follow those found before."""

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from typing import Final, TypeVar

from common.datasets.dataset import Backfill, Dataset
from common.gaps import Answers, Gap, Known, Look, follow, judge_sessions
from common.store import Store
from common.trading_calendar import UNKNOWN, exchange_of, known_sessions
from common.universe.listings import Listing
from common.values import Misspelt, Symbol
from workers.pipeline.feeds import HISTORY
from workers.pipeline.planning import ANSWERED
from workers.wiring import Wiring

#: How many symbols a statement looks at: with 26 years of each it takes about a second.
_STEP: Final = 100
#: The provider has no bar of an earlier session.
_BEGIN: Final = date(1999, 11, 1)

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GapCounts:
    """What a look found: ``looked_at`` symbols, their gaps by state, and the sessions that whole exchanges lack."""

    looked_at: int
    states: Mapping[str, int]
    missing_sessions: int

    def __str__(self) -> str:
        states = ", ".join(f"{count} {state}" for state, count in sorted(self.states.items())) or "none"
        return f"gaps of {self.looked_at} symbols: {states}; sessions that an exchange lacks: {self.missing_sessions}"


def find_gaps(wiring: Wiring, symbols: Iterable[Symbol], moment: datetime) -> GapCounts:
    """Look at the bars of those symbols that the provider has answered for since the last look; store what is missing.

    A symbol is looked at as a whole where it never was, where its whole series came, or where it has gaps; else as far
    back as a compact series goes. One whose exchange has no calendar has no gaps.
    """
    by_exchange = defaultdict[str, list[Symbol]](list)
    for symbol in dict.fromkeys(symbols):
        if not isinstance(symbol, Misspelt) and (exchange := exchange_of(symbol)) != UNKNOWN:
            by_exchange[exchange].append(symbol)
    dataset = wiring.dataset_of(HISTORY)
    found = [_Exchange(wiring.store, dataset, code, moment).find_gaps(group) for code, group in by_exchange.items()]
    return GapCounts(
        sum(each.looked_at for each in found),
        sum((Counter(each.states) for each in found), Counter()),
        sum(each.missing_sessions for each in found),
    )


@dataclass(frozen=True)
class _Exchange:
    """An exchange by its calendar's code, as of ``moment``. ``dataset``: what brings its bars."""

    store: Store
    dataset: Dataset
    code: str
    moment: datetime

    @cached_property
    def sessions(self) -> Sequence[date]:
        return known_sessions(self.code, _BEGIN, date(self.moment.year, 12, 31))

    def find_gaps(self, symbols: Sequence[Symbol]) -> GapCounts:
        """Look at all symbols before any gap is stored: a session that many lack is none of their own."""
        looks, answers = list[Look](), dict[Symbol, Answers]()
        for step in _steps(symbols):
            new = _new_answers(self.store, self.dataset, step)
            looks += self._look(new)
            answers |= new
        lacking = self._judge_sessions(looks, symbols)
        states = Counter[str]()
        for looked_at in _steps(looks):
            states += self._follow(looked_at, answers, lacking)
        return GapCounts(len(looks), states, len(lacking))

    def _look(self, answers: Mapping[Symbol, Answers]) -> list[Look]:
        """Look at the bars of symbols that have new answers, each as far back as one of these may have changed them."""
        checks = self.store.gaps.checks(answers)
        newest = {
            symbol
            for symbol, check in checks.items()
            if not check.has_gap and not ((at := answers[symbol].whole) and at > check.answered_at)
        }
        whole = [symbol for symbol in answers if symbol not in newest]
        looks = self.store.gaps.look(whole, self.sessions) if whole else []
        if newest:
            lately = [session for session in self.sessions if session.year >= self.moment.year - 1]
            looks += self.store.gaps.look(newest, lately, compact=True)
        return looks

    def _judge_sessions(self, looks: Sequence[Look], symbols: Sequence[Symbol]) -> set[date]:
        """Return the sessions that are the exchange's affair, and store what has changed of that."""
        known = self.store.gaps.unresolved_sessions(self.code)
        lacks_more = any(session not in known for look in looks for session in look.missing)
        spans = [span for step in _steps(symbols) for span in self.store.gaps.spans(step)] if lacks_more else []
        judged = judge_sessions(self.code, looks, self.sessions, known, spans)
        self.store.gaps.write_sessions(judged)
        for each in judged:
            if not each.resolved and each.session not in known:
                log.warning("%d of %d symbols of %s lack %s", each.missing, each.symbols, self.code, each.session)
        return (known | {each.session for each in judged}) - {each.session for each in judged if each.resolved}

    def _follow(
        self, looks: Sequence[Look], answers: Mapping[Symbol, Answers], lacking: Collection[date]
    ) -> Counter[str]:
        """Store the gaps of a step's symbols as they are now; return how many there are in each state."""
        own = [replace(look, missing=[day for day in look.missing if day not in lacking]) for look in looks]
        stored = self.store.gaps.gaps([look.symbol for look in own])
        listings = _by_symbol(self.store.gaps.listings([look.symbol for look in own if look.missing]))
        gaps, forgotten = list[Gap](), list[Gap]()
        for look in own:
            known = Known(stored.get(look.symbol, ()), answers[look.symbol], listings.get(look.symbol, ()))
            followed = follow(look, known, self.sessions, self.moment)
            for gap in followed:
                is_of_exchange = gap.state == "repaired" and gap.first_session in lacking
                (forgotten if is_of_exchange else gaps).append(gap)
            firsts = {gap.first_session for gap in followed}
            forgotten += [gap for gap in known.gaps if gap.first_session not in firsts]
        looked_at = {look.symbol: at for look in own if (at := answers[look.symbol].newest)}
        self.store.gaps.write(gaps, forgotten, looked_at)
        return Counter(gap.state for gap in gaps)


def _new_answers(store: Store, dataset: Dataset, symbols: Sequence[Symbol]) -> dict[Symbol, Answers]:
    """Return the last answers for those of the symbols that have one which was not looked at yet."""
    whole = _answered_at(store, dataset, symbols) if isinstance(dataset.due, Backfill) else {}
    compact = _answered_at(store, dataset.instead or dataset, symbols)
    checks = store.gaps.checks(symbols)
    answers = {symbol: Answers(whole.get(symbol), compact.get(symbol)) for symbol in symbols}
    return {
        symbol: answer
        for symbol, answer in answers.items()
        if answer.newest and (symbol not in checks or checks[symbol].answered_at != answer.newest)
    }


def _answered_at(store: Store, dataset: Dataset, symbols: Sequence[Symbol]) -> dict[Symbol, datetime]:
    attempts = store.ledger.last_attempts(symbols, dataset.name)
    return {
        symbol: attempt.attempted_at
        for symbol, attempt in attempts.items()
        if attempt.attempted_at and attempt.status in ANSWERED
    }


def _by_symbol(listings: Iterable[Listing]) -> dict[Symbol, list[Listing]]:
    grouped = defaultdict[Symbol, list[Listing]](list)
    for listing in listings:
        grouped[listing.symbol].append(listing)
    return grouped


def _steps(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), _STEP):
        yield values[start : start + _STEP]
