"""Fills a market database with what the page must show: many symbols, some with a history, and their troubles."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Final

from common.datasets import daily_bars, quotes
from common.datasets.corporate_actions import ACTIONS
from common.store import Store
from common.trading_calendar import known_sessions, latest_session
from common.values import DailyBar, Misspelt, Outcome, OutcomeStatus, Quote, Symbol
from sandbox.market import Bar, Stock
from tests.support.actions import dividend, price, split
from tests.support.market import Market
from tests.support.rows import bar, outcome, quote

#: Symbols with a quote alone, and those with bars.
MANY: Final = 10_000
HOSTILE: Final = Misspelt('"><script>')
WITH_BARS: Final = (
    *("AAPL", "ABBV", "ADBE", "AMD", "AMZN", "AVGO", "BAC", "CAT", "COST", "CRM", "CSCO", "CVX", "DIS", "GE", "GOOGL"),
    *("HD", "IBM", "INTC", "JNJ", "JPM", "KO", "LLY", "MA", "MCD", "MRK", "MSFT", "NFLX", "NKE", "NVDA", "ORCL", "PEP"),
    *("PFE", "PG", "TSLA", "UNH", "V", "WMT", "XOM", "SHOP.TRT", "TSCO.LON"),
)
#: Those, NEW with a quote alone, and the one that is none.
TOTAL: Final = MANY + len(WITH_BARS) + 2
LONG: Final = 800
#: What a run asks for: each symbol with bars once. A day's quota allows no more, so that the newest symbol waits.
CALLS: Final = len(WITH_BARS)
_SQL: Final = Path(__file__).with_name("market.sql")
_RUNS: Final = 6


def sessions(exchange: str, symbol: str, many: int) -> Sequence[date]:
    """The newest sessions that are complete and known to be so, oldest first."""
    newest = latest_session(Symbol(symbol), datetime.now(UTC), timedelta(hours=1)).day
    return known_sessions(exchange, newest - timedelta(days=2 * many), newest)[-many:]


def traded(symbol: str, days: Sequence[date], shares: int = 1) -> list[DailyBar]:
    """The sandbox's prices of a stock that never split, on these days; ``shares`` times as dear before the last 60."""
    last = 3_000
    first = last - len(days) + 1
    stock = next(stock for stock in (Stock(seed, symbol) for seed in count()) if not _splits(stock, first, last))
    dearer = [shares] * (len(days) - 60) + [1] * 60
    return [_bar(symbol, *made) for made in zip(days, stock.bars(first, last), dearer, strict=True)]


def _splits(stock: Stock, first: int, last: int) -> bool:
    return any(first <= session <= last for session, _ in stock.splits(last))


def _bar(symbol: str, day: date, made: Bar, shares: int) -> DailyBar:
    prices = {f"{name}_price": shares * price(getattr(made, name)) for name in ("open", "high", "low", "close")}
    return bar(symbol, session=day, volume=made.volume, **prices)


def _quote_of(before: DailyBar, newest: DailyBar) -> Quote:
    moved = newest.close_price - before.close_price
    prices = {f"{name}_price": getattr(newest, f"{name}_price") for name in ("open", "high", "low")}
    changes = {"change_amount": moved, "change_percent": round(100 * moved / before.close_price, 4)}
    arrived = datetime.now(UTC) - timedelta(hours=2)
    others = {"price": newest.close_price, "previous_close": before.close_price, "volume": newest.volume}
    return quote(newest.symbol, day=newest.session, data_timestamp=arrived, **prices, **changes, **others)


def _stored(run_id: str, *others: str) -> Iterator[Outcome]:
    """The outcomes of a run in which all went well, but for those of the others."""
    for place, symbol in enumerate(WITH_BARS):
        if symbol not in others:
            yield outcome(symbol, reason="updated", run_id=run_id, worker=f"celery@worker-{place % 4 + 1}")


def _troubled(run_id: str) -> Iterator[Outcome]:
    """A run in which most symbols are stored, one waits, one failed and one is no symbol."""
    yield from _stored(run_id, "MSFT")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    detail = f"No call is allowed now ({CALLS}/day); it can go at {tomorrow:%Y-%m-%d %H:%M} UTC."
    later = {"detail": detail, "retry_at": tomorrow, "api_calls": 0}
    yield outcome("NEW", OutcomeStatus.POSTPONED, reason="quota", run_id=run_id, worker="celery@worker-1", **later)
    failed = {"reason": "unknown_symbol", "detail": "No such symbol.", "worker": "celery@worker-2"}
    yield outcome("MSFT", OutcomeStatus.FAILED, run_id=run_id, **failed)
    yield Outcome(run_id, HOSTILE, OutcomeStatus.FAILED, "misspelt", HOSTILE.problem)


def fill(market: Market, store: Store) -> None:
    """Fill the database of a test: IBM has everything, TSCO.LON is four sessions behind, NEW has a quote alone."""
    days = sessions("XNYS", "IBM", LONG)
    gap = days[-12:-9]
    london = sessions("XLON", "TSCO.LON", 300)[:-4]
    bars = {symbol: traded(symbol, days[-130:]) for symbol in WITH_BARS}
    bars |= {"MSFT": traded("MSFT", days), "TSCO.LON": traded("TSCO.LON", london), "IBM": traded("IBM", days, 2)}
    bars["IBM"] = [row for row in bars["IBM"] if row.session not in gap]
    paid = [dividend(days[number], Decimal("0.24")) for number in range(-250, -1, 60)]
    for rows in bars.values():
        store.save({daily_bars.TABLE: rows})
    store.save({ACTIONS: [split(days[-60], 2), *paid]})
    store.save({quotes.TABLE: [quote("NEW", day=days[-1]), *(_quote_of(*rows[-2:]) for rows in bars.values())]})
    for day in days[-_RUNS:-1]:
        store.save({}, list(_stored(f"scheduled__{day}")))
    store.save({}, list(_troubled(f"scheduled__{days[-1]}")))
    values = {
        "day": days[-1],
        "earlier": days[-4],
        "many": MANY,
        "gap_first": gap[0],
        "gap_last": gap[-1],
        "tickers": list(WITH_BARS),
    }
    with closing(market.connect(market.admin)) as connection, connection.cursor() as cursor:
        cursor.execute(_SQL.read_text("utf-8"), values)
