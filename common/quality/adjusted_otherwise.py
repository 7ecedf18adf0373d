"""The check adjusted_otherwise: its SQL brings the provider's adjusted closes, what they say is common/adjust's."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from common.adjust import disagreements
from common.datasets.corporate_actions import CorporateAction
from common.values import DailyBar, Symbol


def judge_adjusted_closes(
    symbol: str, first: date, bars: Sequence[Sequence[Any]], actions: Sequence[Sequence[Any]] | None
) -> Iterator[tuple[str, date, str]]:
    """Yield symbol, session and message of each step from ``first`` on that our actions do not explain.

    ``bars`` are session, close and adjusted close, oldest first, as they came with one reply. ``actions`` are kind,
    ex-date, numerator, denominator and amount. Dates and prices are texts, as in JSON.
    """
    series = [_bar(Symbol(symbol), *bar) for bar in bars]
    for each in disagreements(series, [_action(Symbol(symbol), *action) for action in actions or ()]):
        if each.session >= first:
            said = f"what is before it is scaled by {each.provider_factor:.6g}, and by our actions by {each.factor:.6g}"
            yield symbol, each.session, said


def _bar(symbol: Symbol, session: str, close: str, adjusted: str) -> DailyBar:
    price = Decimal(close)
    return DailyBar(symbol, date.fromisoformat(session), price, price, price, price, 0, Decimal(adjusted))


def _action(symbol: Symbol, kind: str, ex_date: str, *rest: Any) -> CorporateAction:  # noqa: ANN401  JSON's own
    numerator, denominator, amount = rest
    return CorporateAction(
        symbol, kind, date.fromisoformat(ex_date), 0, numerator, denominator, amount and Decimal(amount)
    )
