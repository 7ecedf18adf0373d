"""What takes effect in one session: all splits and dividends since the session before, as one event."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from math import prod
from operator import attrgetter
from typing import Final

from common.datasets.corporate_actions import CorporateAction

_ONE: Final = Fraction(1)


@dataclass(frozen=True, slots=True)
class Event:
    """What happens to a share between the close of the session before and the open of ``session``.

    It becomes ``shares`` shares, by the ``splits`` one after the other, and is paid ``dividend``. ``close_before`` is
    its price as traded.
    """

    session: date
    close_before: Decimal
    dividend: Decimal
    shares: Fraction
    splits: Sequence[Fraction]


def events(closes: Mapping[date, Decimal], actions: Iterable[CorporateAction]) -> list[Event]:
    """Return what takes effect in which session, oldest first.

    ``closes`` holds for each action the last session before its ex-date and the first one from it on; more do no harm.
    An action without one of the two changes no price that we have: it came before the first bar, or is still to come.
    """
    sessions = sorted(closes)
    by_session: defaultdict[int, list[CorporateAction]] = defaultdict(list)
    for action in sorted(actions, key=attrgetter("ex_date")):
        by_session[bisect_left(sessions, action.ex_date)].append(action)
    return [
        _event(sessions[number], closes[sessions[number - 1]], by_session[number])
        for number in sorted(by_session)
        if 0 < number < len(sessions)
    ]


def _event(session: date, close_before: Decimal, actions: Iterable[CorporateAction]) -> Event:
    """Sum up actions, given in the order of their ex-dates.

    A dividend of a split's own day is one for each share before the split, because the entitlement is fixed by what is
    held the day before. One of a later ex-date is for the new shares.
    """
    dividend, splits, shares = Decimal(0), list[Fraction](), _ONE
    for _, of_a_day in groupby(actions, key=attrgetter("ex_date")):
        ratios = list[Fraction]()
        for action in of_a_day:
            if action.amount is not None:
                dividend += action.amount * shares.numerator / shares.denominator
            elif action.numerator is not None and action.denominator is not None:
                ratios.append(Fraction(action.numerator, action.denominator))
        splits += ratios
        shares = prod(ratios, start=shares)
    return Event(session, close_before, dividend, shares, splits)
