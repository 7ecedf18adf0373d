"""Adjusted prices by the textbook's formula alone: session by session, in exact fractions, slowly.

It imports nothing of the product, so that a mistake in one of the two shows.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple


class Factors(NamedTuple):
    """What a session's prices are multiplied by."""

    split: Fraction
    total: Fraction


def factors(
    closes: Sequence[tuple[date, Fraction]],
    splits: Iterable[tuple[date, Fraction]],
    dividends: Iterable[tuple[date, Fraction]],
) -> Mapping[date, Factors]:
    """Return the factors of every session. ``closes`` are oldest first; at most one split a day.

    Where a split and a dividend fall on one day, the dividend is one for each share before the split.
    """
    ratio_of, paid_on = dict(splits), defaultdict[date, Fraction](Fraction)
    for day, amount in dividends:
        paid_on[day] += amount
    days = sorted({*ratio_of, *paid_on})
    result = {closes[-1][0]: Factors(Fraction(1), Fraction(1))}
    for (before, close), (session, _) in reversed(list(pairwise(closes))):
        result[before] = result[session]
        happened = days[bisect_right(days, before) : bisect_right(days, session)]
        if not happened:
            continue
        shares, dividend = Fraction(1), Fraction(0)
        for day in happened:
            dividend += paid_on[day] * shares
            shares *= ratio_of.get(day, 1)
        kept = 1 - dividend / close if dividend < close else 1
        result[before] = Factors(result[session].split / shares, result[session].total * kept / shares)
    return result
