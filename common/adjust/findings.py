"""What a person should look at: told, and never repaired. Repairs by rule have invented splits elsewhere.

============================= ===========================================================================
``dividend_not_below_close``  it would leave nothing of the price; not applied
``dividend_unit?``            about 100 times, or a hundredth of, what the symbol usually pays; or over a
                              quarter of the price and nothing to compare with: pence for pounds? applied
``split_and_dividend``        in one session: the amount is taken as one for each share before a split of its day
``spin_off?``                 a split into no plain number of shares; the provider books spin-offs so; applied
``inexact_split``             a reverse split whose four decimals stand for several fractions; applied as it is
``factor_out_of_range``       together with what came later it is beyond any price; not applied
============================= ===========================================================================
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from statistics import median
from typing import Final

from common.adjust.events import Event
from common.datasets.splits import is_plain

#: Between these, something is about a hundred times something else: the step from pounds to pence.
_HUNDREDFOLD: Final = (50, 200)
#: The middle one of fewer dividends says nothing of what is usual.
_ENOUGH: Final = 3
_LARGE: Final = 0.25


@dataclass(frozen=True, slots=True)
class Finding:
    """What is odd about the session's splits and dividends: a stable code and a sentence with the figures."""

    session: date
    code: str
    message: str


def findings_of(events: Sequence[Event]) -> Iterator[Finding]:
    """Yield what is odd about each event, by itself or beside the others."""
    yields = [_yield(event) for event in events if event.dividend]
    usual = median(yields) if len(yields) >= _ENOUGH else None
    for event in events:
        if event.dividend:
            yield from _of_dividend(event, usual)
        for ratio in event.splits:
            if not is_plain(ratio):
                code = "spin_off?" if ratio > 1 else "inexact_split"
                yield Finding(event.session, code, f"a split of {_shown(ratio)} for one")


def _yield(event: Event) -> float:
    return float(event.dividend) / float(event.close_before)


def _of_dividend(event: Event, usual: float | None) -> Iterator[Finding]:
    said = f"a dividend of {_shown(event.dividend)} after a close of {_shown(event.close_before)}"
    if event.splits:
        what = f"{said}, for each share before the split of {_shown(event.shares)} for one"
        yield Finding(event.session, "split_and_dividend", what)
    if event.dividend >= event.close_before:
        yield Finding(event.session, "dividend_not_below_close", f"{said} is not applied")
    elif usual is None:
        if _yield(event) > _LARGE:
            yield Finding(event.session, "dividend_unit?", f"{said} is over a quarter of it")
    elif any(_HUNDREDFOLD[0] <= times <= _HUNDREDFOLD[1] for times in (_yield(event) / usual, usual / _yield(event))):
        yield Finding(event.session, "dividend_unit?", f"{said} is {_yield(event) / usual:.2g} times the usual yield")


def _shown(number: Decimal | Fraction) -> str:
    return f"{float(number):.6g}"
