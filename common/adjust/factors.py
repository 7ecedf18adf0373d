"""Factors by which prices as traded become comparable with today's, in segments from one split or dividend to the next.

Rounded to 20 places at each step, because an exact product grows with every step: to 1,660 places in 25 years.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from operator import attrgetter
from typing import Final

from common.adjust.events import Event, events
from common.adjust.findings import Finding, findings_of
from common.datasets.corporate_actions import CorporateAction

#: The open ends of the first and the last segment; PostgreSQL's infinite dates reach Python as these too.
ALWAYS: Final = date.min
FOREVER: Final = date.max
#: The last of 20 places, and how many digits the arithmetic before a rounding has.
_PLACE: Final = Decimal("1E-20")
_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)
_ONE: Final = Decimal("1.00000000000000000000")
#: NUMERIC(38,20) holds no larger factor, and a smaller one has too few of its 20 places left to be exact.
_LARGEST: Final = Decimal("1E18")
_SMALLEST: Final = Decimal("1E-12")
_OUT_OF_RANGE: Final = f"the factors before it would not lie between {_SMALLEST} and {_LARGEST}: it is not applied"


@dataclass(frozen=True, slots=True)
class Segment:
    """Sessions with the same factors, from ``valid_from`` up to but without ``valid_before``.

    Multiply a price as traded by ``split_factor`` or by ``total_factor`` (splits and dividends); divide a volume by
    ``split_factor``.
    """

    valid_from: date
    valid_before: date
    split_factor: Decimal
    total_factor: Decimal


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A symbol's segments, oldest first and without a gap from ALWAYS to FOREVER, and what is odd about its actions.

    The last segment's factors are 1: prices are adjusted to the shares of today.
    """

    segments: tuple[Segment, ...]
    findings: tuple[Finding, ...] = ()


def adjust(closes: Mapping[date, Decimal], actions: Iterable[CorporateAction]) -> Adjustment:
    """Return the factors of one symbol by the formula of this package, and what is odd about its actions.

    ``closes`` are closes as traded by session; those beside each ex-date suffice. ``actions`` are the splits and
    dividends in force. An ex-date without a bar takes effect with the next session; before the first bar and after
    the newest one there is nothing to adjust. Dividends of one day add up.
    """
    with localcontext(_EXACT):
        happened = events(closes, actions)
        findings = list(findings_of(happened))
        segments: list[Segment] = []
        end, factors = FOREVER, (_ONE, _ONE)
        for event in reversed(happened):
            earlier = _before(event, *factors)
            if not all(_SMALLEST < factor < _LARGEST for factor in earlier):
                findings.append(Finding(event.session, "factor_out_of_range", _OUT_OF_RANGE))
            elif (rounded := (earlier[0].quantize(_PLACE), earlier[1].quantize(_PLACE))) != factors:
                segments.append(Segment(event.session, end, *factors))
                end, factors = event.session, rounded
    segments.append(Segment(ALWAYS, end, *factors))
    return Adjustment(tuple(reversed(segments)), tuple(sorted(findings, key=attrgetter("session"))))


def _before(event: Event, split: Decimal, total: Decimal) -> tuple[Decimal, Decimal]:
    """Return the factors before the event from those since, not yet rounded."""
    many, one = event.shares.as_integer_ratio()
    kept = event.close_before - event.dividend if event.dividend < event.close_before else event.close_before
    return split * one / many, total * kept * one / (event.close_before * many)
