"""What is missing becomes gaps, and each is followed from one look to the next. Nothing here asks a database.

A gap is open until two answers of the provider, at least a day apart, spanned it without a bar in it; then its bars are
absent. It is asked about again less and less often, since what a provider lacks for a month it hardly ever finds.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from operator import attrgetter
from typing import Final, Literal

from common.universe.listings import Listing
from common.values import Symbol

State = Literal["open", "absent", "repaired", "before_listing", "delisted", "halted"]

#: How long after its first, second and any later answer a gap is asked about again.
AGAIN_AFTER: Final = (timedelta(days=1), timedelta(days=30), timedelta(days=180))
#: So many answers without a bar say that the provider has none.
_ABSENT: Final = 2


@dataclass(frozen=True, slots=True)
class Gap:
    """A run of sessions without a bar. ``sessions``: how many. ``answers``: how many replies spanned it without a bar.

    ``asked_at``: when the last of these came. ``ask_again_at``: when it is worth a call; None: never. ``word``: why a
    person marked it as halted, which nobody else can know.
    """

    symbol: Symbol
    first_session: date
    last_session: date
    sessions: int
    state: State = "open"
    answers: int = 0
    asked_at: datetime | None = None
    ask_again_at: datetime | None = None
    word: str | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What a symbol's bars lack between two of them, ``first_session`` and ``last_session``.

    ``reach``: the oldest of the bars that a compact series would bring.
    """

    symbol: Symbol
    first_session: date
    last_session: date
    reach: date
    missing: Sequence[date]


@dataclass(frozen=True, slots=True)
class Answers:
    """When the provider last answered with a symbol's whole series, and with the last part of it."""

    whole: datetime | None = None
    compact: datetime | None = None

    @property
    def newest(self) -> datetime | None:
        """When it last answered at all."""
        return max(filter(None, (self.whole, self.compact)), default=None)

    def spanning(self, gap: Gap, reach: date) -> datetime | None:
        """Return when an answer last held sessions on both sides of the gap, or None if none did."""
        compact = self.compact if gap.first_session > reach else None
        spans = (at for at in (self.whole, compact) if at and gap.last_session < at.date())
        return max(spans, default=None)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a symbol beside its bars: its gaps of the last look, the answers, and its lines in the lists."""

    gaps: Sequence[Gap] = ()
    answers: Answers = Answers()
    listings: Sequence[Listing] = ()


def follow(look: Look, known: Known, sessions: Sequence[date], moment: datetime) -> list[Gap]:
    """Return the gaps of a symbol as they are now, those of the last look that are filled as repaired.

    One of the last look that is a part of a longer one by now is none of them.

    ``sessions`` are those of its exchange, in order. A gap that no answer has spanned yet is due at ``moment``.
    """
    found = list(_runs(look, sessions))
    gaps = [
        _halted(gap, known) or _unlisted(gap, known, sessions) or _answered(gap, look, known, moment) for gap in found
    ]
    filled = [
        each
        for each in known.gaps
        if not any(gap.first_session <= each.first_session <= gap.last_session for gap in found)
    ]
    return gaps + [_repaired(gap, found, sessions) for gap in filled]


def _runs(look: Look, sessions: Sequence[date]) -> Iterator[Gap]:
    """Yield a gap for each run of missing sessions without one between them that is there."""
    start = before = -2
    for position in (bisect_left(sessions, session) for session in look.missing):
        if position != before + 1:
            if before >= 0:
                yield Gap(look.symbol, sessions[start], sessions[before], before - start + 1)
            start = position
        before = position
    if before >= 0:
        yield Gap(look.symbol, sessions[start], sessions[before], before - start + 1)


def _answered(gap: Gap, look: Look, known: Known, moment: datetime) -> Gap:
    """Return a gap with the answers that it had at the last look, and one more if another came once it was due."""
    before = min((each for each in known.gaps if _overlap(each, gap)), key=attrgetter("answers"), default=gap)
    count, asked_at, again = before.answers, before.asked_at, before.ask_again_at or moment
    answered = known.answers.spanning(gap, look.reach)
    if answered and (count == 0 or answered >= again):
        count, asked_at = count + 1, answered
        again = answered + AGAIN_AFTER[min(count, len(AGAIN_AFTER)) - 1]
    state: State = "absent" if count >= _ABSENT else "open"
    return replace(gap, state=state, answers=count, asked_at=asked_at, ask_again_at=again)


def _halted(gap: Gap, known: Known) -> Gap | None:
    """Return a gap that a person marked, or the rest of one, as that person left it."""
    marked = (each for each in known.gaps if each.state == "halted")
    for each in marked:
        if each.first_session <= gap.first_session and gap.last_session <= each.last_session:
            return replace(gap, state="halted", answers=each.answers, asked_at=each.asked_at, word=each.word)
    return None


def _unlisted(gap: Gap, known: Known, sessions: Sequence[date]) -> Gap | None:
    """Return a gap of which there can be no bar: it ends as a company is listed, or begins as one is delisted.

    A date elsewhere says nothing: a company that changes its exchange has a new one, between its bars.
    """
    place = bisect_left(sessions, gap.last_session) + 1
    after = sessions[place] if place < len(sessions) else date.max
    before = sessions[max(bisect_left(sessions, gap.first_session) - 1, 0)]
    if any(each.ipo_date and gap.last_session < each.ipo_date <= after for each in known.listings):
        return replace(gap, state="before_listing")
    if any(each.delisting_date and before <= each.delisting_date <= gap.last_session for each in known.listings):
        return replace(gap, state="delisted")
    return None


def _repaired(gap: Gap, found: Sequence[Gap], sessions: Sequence[date]) -> Gap:
    """Return a gap whose first session is there now; what is missing still of it is a gap of its own."""
    rest = min((each.first_session for each in found if _overlap(each, gap)), default=None)
    last = sessions[bisect_left(sessions, rest) - 1] if rest else gap.last_session
    count = bisect_left(sessions, last) - bisect_left(sessions, gap.first_session) + 1
    return replace(gap, last_session=last, sessions=count, state="repaired", ask_again_at=None)


def _overlap(one: Gap, other: Gap) -> bool:
    return one.first_session <= other.last_session and other.first_session <= one.last_session
