"""A market database as a person finds it: quotes, bars, splits, dividends, a gap, a listing, and a restated bar."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

from common.datasets import daily_bars, quotes
from common.datasets.corporate_actions import ACTIONS
from common.store import Store
from common.values import DailyBar, Quote, Symbol
from sandbox.market import Bar, Stock
from sandbox.market import Market as SandboxMarket
from tests.support.actions import listed_actions, price
from tests.support.market import Market

SYMBOLS = ("AAPL", "IBM", "SPINOFF1", "SPLIT7")
#: The sandbox's sessions that are stored: three years; one of them IBM lacks.
FIRST, LAST, MISSING = 5_745, 6_500, 6_100
INSERT_GAP = """
INSERT INTO bar_gaps (symbol, first_session, last_session, sessions, state, answers, asked_at, ask_again_at)
VALUES ('IBM', %s, %s, 1, 'open', 1, now(), now() + interval '1 day')
"""
INSERT_LISTING = """
INSERT INTO listings (symbol, name, exchange, asset_type, status, first_seen, last_seen)
VALUES ('IBM', 'International Business Machines', 'NYSE', 'Stock', 'Active', now(), now())
"""
INSERT_FINDING = """
INSERT INTO quality_findings (check_name, severity, symbol, session, message)
VALUES ('step_without_action', 'warning', 'AAPL', '2025-01-15', 'the close is half of the one before')
"""


def fill(store: Store, market: Market) -> None:
    """Store three years of four symbols, the splits and dividends before, and the quotes of the last week."""
    for name in SYMBOLS:
        _fill_symbol(store, Symbol(name), SandboxMarket(7).stock(name))
    day = SandboxMarket(7).stock("IBM").exchange.sessions[MISSING]
    market.query(INSERT_GAP, day, day)
    market.query(INSERT_LISTING)
    market.query(INSERT_FINDING)
    market.query("UPDATE daily_bars SET volume = volume + 1 WHERE symbol = 'AAPL' AND session = '2025-01-15'")


def _fill_symbol(store: Store, symbol: Symbol, stock: Stock) -> None:
    bars = stock.bars(FIRST, LAST)
    kept = [bar for bar in bars if (symbol, bar.session) != ("IBM", MISSING)]
    store.save(
        {
            daily_bars.TABLE: [_bar(symbol, bar) for bar in kept],
            ACTIONS: list(listed_actions(stock, symbol, LAST)),
            quotes.TABLE: list(_quotes(symbol, bars[-6:])),
        }
    )


def _bar(symbol: Symbol, bar: Bar) -> DailyBar:
    return DailyBar(symbol, bar.day, *map(price, (bar.open, bar.high, bar.low, bar.close)), bar.volume)


def _quotes(symbol: Symbol, bars: Sequence[Bar]) -> Iterator[Quote]:
    for before, bar in pairwise(bars):
        close, former = price(bar.close), price(before.close)
        yield Quote(
            symbol=symbol,
            open_price=price(bar.open),
            high_price=price(bar.high),
            low_price=price(bar.low),
            price=close,
            volume=bar.volume,
            latest_trading_day=bar.day,
            previous_close=former,
            change_amount=close - former,
            change_percent=((close - former) / former * 100).quantize(Decimal("0.0001")),
            data_timestamp=datetime(bar.day.year, bar.day.month, bar.day.day, 21, tzinfo=UTC),
        )
