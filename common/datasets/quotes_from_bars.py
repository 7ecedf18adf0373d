"""Quotes out of daily bars: one call brings a symbol's latest quote and its last hundred sessions.

The latest bar is the quote, and the close of the bar before is its previous close: as traded, so that the change of a
session with a split or a dividend holds that too.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from operator import attrgetter
from typing import Final, cast

from common.datasets import daily_bars, quotes
from common.datasets.daily_bars import DAILY_BARS
from common.datasets.dataset import Parsed
from common.values import DailyBar, Quote, Reply, Symbol

#: The provider's own percentages have so many decimals.
_PERCENT: Final = Decimal("0.0001")


def parse(symbol: Symbol, reply: Reply) -> Parsed:
    """Return the bars of a daily series, and its latest one as the quote. Raises as ``daily_bars.parse``."""
    parsed = daily_bars.parse(symbol, reply)
    bars = cast("Sequence[DailyBar]", parsed.rows[daily_bars.TABLE])
    before, bar = [None, None, *sorted(bars, key=attrgetter("session"))][-2:]
    if before is None or bar is None or parsed.rejections:  # of which one may lie between the two
        return parsed
    return replace(parsed, rows={**parsed.rows, quotes.TABLE: [_quote(bar, before.close_price, reply)]})


def _quote(bar: DailyBar, previous_close: Decimal, reply: Reply) -> Quote:
    change = bar.close_price - previous_close
    return Quote(
        symbol=bar.symbol,
        open_price=bar.open_price,
        high_price=bar.high_price,
        low_price=bar.low_price,
        price=bar.close_price,
        volume=bar.volume,
        latest_trading_day=bar.session,
        previous_close=previous_close,
        change_amount=change,
        change_percent=(100 * change / previous_close).quantize(_PERCENT) if previous_close else Decimal(),
        data_timestamp=reply.received_at,
    )


QUOTES_FROM_BARS: Final = replace(DAILY_BARS, parse=parse, tables=(*DAILY_BARS.tables, quotes.TABLE))
