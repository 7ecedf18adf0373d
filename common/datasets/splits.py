"""Splits: SPLITS, the list of all splits that a symbol ever had.

Their factors come with four decimals, so 1:6 is ``0.1667``. It is taken for the fraction that a company can mean
where there is exactly one; the text stays beside it. A factor that is no such fraction (``1.0460``) is kept as it is:
the provider books spin-offs as splits.
"""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from common.datasets.corporate_actions import ACTIONS, ActionRow, CorporateAction, read_actions
from common.datasets.dataset import Dataset, Every, Parsed
from common.datasets.fields import Day, factor_text
from common.provider import Request
from common.values import Rejection, Reply, Symbol

KIND: Final = "split"
#: Companies split into few shares, or few into many: 3 for 2, 21 for 20, 1 for 30.
_MOST_PARTS: Final = 20


class SplitRow(ActionRow):
    """A row of SPLITS."""

    ex_date: Day = Field(alias="effective_date")
    factor: Annotated[str, BeforeValidator(factor_text)] = Field(alias="split_factor")


def request(symbol: Symbol) -> Request:
    """Ask for every split of the symbol, one call of the quota."""
    return Request("SPLITS", symbol, {"symbol": symbol})


def parse(symbol: Symbol, reply: Reply) -> Parsed:
    """Return the splits of a SPLITS reply. Raises PayloadRejected with a code of the package's table."""

    def build(row: SplitRow) -> CorporateAction | Rejection:
        ratio = ratio_of(row.factor)
        return CorporateAction(
            symbol,
            KIND,
            row.ex_date,
            numerator=ratio.numerator,
            denominator=ratio.denominator,
            provider_text=row.factor,
        )

    return read_actions(symbol, reply, SplitRow, build)


def ratio_of(text: str) -> Fraction:
    """Return the shares that one share becomes: the only plausible fraction that rounds to ``text``, else its value.

    ``0.1667`` is 1/6, ``1.3333`` is 4/3, ``0.0333`` is 1/30. From 1:107 on four decimals can stand for several.
    """
    exact = Fraction(text)
    decimals = -int(Decimal(text).as_tuple().exponent)
    half_unit = Fraction(1, 2 * 10**decimals)
    plausible = {
        candidate
        for parts in range(1, _MOST_PARTS + 1)
        for candidate in (*_of_denominator(exact, half_unit, parts), *_of_numerator(exact, half_unit, parts))
    }
    simplest = min(plausible, key=lambda each: each.numerator + each.denominator, default=exact)
    alike = [each for each in plausible if min(each.as_integer_ratio()) == min(simplest.as_integer_ratio())]
    return simplest if len(alike) == 1 else exact


def is_plain(ratio: Fraction) -> bool:
    """Whether a company can mean ``ratio`` as a split: few shares become any number, or any number become few."""
    return min(ratio.as_integer_ratio()) <= _MOST_PARTS


def _of_denominator(exact: Fraction, half_unit: Fraction, parts: int) -> list[Fraction]:
    low, high = ceil((exact - half_unit) * parts), floor((exact + half_unit) * parts)
    return [Fraction(numerator, parts) for numerator in range(max(low, 1), high + 1)]


def _of_numerator(exact: Fraction, half_unit: Fraction, parts: int) -> list[Fraction]:
    if exact <= half_unit:
        return []
    low, high = ceil(parts / (exact + half_unit)), floor(parts / (exact - half_unit))
    return [Fraction(parts, denominator) for denominator in range(max(low, 1), high + 1)]


SPLITS: Final = Dataset("splits", request, parse, (ACTIONS,), due=Every(timedelta(days=30), on_jumps=True))
