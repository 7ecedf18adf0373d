"""The provider's adjusted closes beside its own formula: where they differ, it knows another action than we do.

They serve for this alone. A series adjusted in May and one adjusted in November do not fit together, since each
dividend changes all that came before it. And the formula is not the textbook's: since about 2020 a dividend ``D``
scales the earlier closes by ``C / (C + D)``, where ``C`` is the close of the ex-date itself, as its series show.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Final

from common.adjust.events import Event, events
from common.datasets.corporate_actions import CorporateAction
from common.values import DailyBar

#: Below this, six decimals are too coarse for the tolerance.
_SMALLEST: Final = Decimal("0.01")
TOLERANCE: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A session before which the provider scales all closes by ``provider_factor``, and our actions by another."""

    session: date
    provider_factor: float
    factor: float


def disagreements(bars: Sequence[DailyBar], actions: Iterable[CorporateAction]) -> Iterator[Disagreement]:
    """Yield the sessions in which the adjusted closes of one reply step otherwise than by the actions in force.

    ``bars`` are oldest first; those without an adjusted close are passed over. ``TOLERANCE`` is relative.
    """
    happened = {event.session: event for event in events({bar.session: bar.close_price for bar in bars}, actions)}
    for before, bar in pairwise(bars):
        if provider_factor := _step(before, bar):
            event = happened.get(bar.session)
            factor = _provider_factor(event, bar.close_price) if event else 1.0
            if abs(provider_factor / factor - 1) > TOLERANCE:
                yield Disagreement(bar.session, provider_factor, factor)


def _step(before: DailyBar, bar: DailyBar) -> float | None:
    """Return by how much the provider scales what is before ``bar``, None where its closes do not tell."""
    if not all(each.adjusted_close and each.adjusted_close >= _SMALLEST for each in (before, bar)):
        return None
    return _scale(before) / _scale(bar)


def _scale(bar: DailyBar) -> float:
    return float(bar.adjusted_close or 0) / float(bar.close_price)


def _provider_factor(event: Event, close: Decimal) -> float:
    return float(close / (close + event.dividend)) / float(event.shares)
