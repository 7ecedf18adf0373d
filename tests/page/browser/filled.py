"""Fills a market database with what the page must show: many symbols, a few with a history, and their troubles."""

import math
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from common.datasets import daily_bars, quotes
from common.datasets.corporate_actions import ACTIONS
from common.store import Store
from common.trading_calendar import known_sessions, latest_session
from common.values import DailyBar, Misspelt, Outcome, OutcomeStatus, Symbol
from tests.support.actions import dividend, split
from tests.support.market import Market
from tests.support.rows import bar, outcome, quote

MANY = 10_000
HOSTILE = Misspelt('"><script>')
_SQL = Path(__file__).with_name("market.sql")


def sessions(exchange: str, symbol: str, count: int) -> Sequence[date]:
    """The newest sessions that are complete and known to be so, oldest first."""
    newest = latest_session(Symbol(symbol), datetime.now(UTC), timedelta(hours=1)).day
    return known_sessions(exchange, newest - timedelta(days=2 * count), newest)[-count:]


def wave(symbol: str, days: Sequence[date], start: int) -> list[DailyBar]:
    """Bars that rise and fall; IBM's before its split of two for one are twice as dear."""
    bars = []
    for number, day in enumerate(days):
        shares = 2 if symbol == "IBM" and number < len(days) - 60 else 1
        close = shares * Decimal(f"{start + 20 * math.sin(number / 25) + number / 20 + number % 5:.2f}")
        prices = {"open_price": close - shares, "high_price": close + shares, "low_price": close - 2 * shares}
        bars.append(bar(symbol, session=day, close_price=close, volume=1_000_000 + 9_000 * (number % 40), **prices))
    return bars


def fill(market: Market, store: Store) -> None:
    """Fill the database of a test: IBM has everything, TSCO.LON is four sessions behind, NEW has a quote alone."""
    days = sessions("XNYS", "IBM", 800)
    gap = days[-12:-9]
    ibm = [row for row in wave("IBM", days, 100) if row.session not in gap]
    london = sessions("XLON", "TSCO.LON", 300)[:-4]
    bars = [*ibm, *wave("MSFT", days, 300), *wave("AAPL", days[-200:], 50), *wave("TSCO.LON", london, 220)]
    paid = [dividend(days[number], "0.24") for number in range(-250, -1, 60)]
    store.save({daily_bars.TABLE: bars, ACTIONS: [split(days[-60], 2), *paid]})
    store.save(
        {quotes.TABLE: [quote(symbol, day=days[-1]) for symbol in ("NEW", "IBM")]},
        [
            outcome("IBM", reason="updated", run_id="scheduled__1"),
            outcome("MSFT", OutcomeStatus.FAILED, reason="unknown_symbol", run_id="scheduled__1"),
            Outcome("scheduled__1", HOSTILE, OutcomeStatus.FAILED, "misspelt", HOSTILE.problem),
        ],
    )
    values = {"day": days[-1], "earlier": days[-4], "many": MANY, "gap_first": gap[0], "gap_last": gap[-1]}
    with closing(market.connect(market.admin)) as connection, connection.cursor() as cursor:
        cursor.execute(_SQL.read_text("utf-8"), values)
