"""Quotes: the latest one of a symbol, from GLOBAL_QUOTE."""

from datetime import UTC, datetime, time, timedelta
from typing import Final

from common.datasets.checks import check_change, check_day, check_range, check_symbol, read_row, refuse, section
from common.datasets.dataset import PRICE, SYMBOL, BySession, Dataset, Parsed, Table
from common.datasets.rows import ChangeRow, QuoteRow
from common.provider import Request
from common.values import Quote, Rejection, Reply, Symbol

#: What ledger, calls and quarantine know this dataset by.
NAME: Final = "quotes"
#: With ``entitlement=delayed`` the name goes on: ``Global Quote - DATA DELAYED BY 15 MINUTES``.
_ROOT: Final = "Global Quote"


#: When a trading day's values are final, after its midnight in UTC: upsert_quotes says why.
FINAL_AFTER: Final = timedelta(hours=33)


def _supersedes(earlier: Quote, later: Quote) -> bool:
    """Whether the later reply counts: as in ``upsert_quotes``, before a day is final one with less volume does not."""
    midnight = datetime.combine(later.latest_trading_day, time(), UTC)
    return later.volume >= earlier.volume or later.data_timestamp >= midnight + FINAL_AFTER


TABLE: Final = Table(
    "stock_quotes",
    {
        "symbol": SYMBOL,
        "open_price": PRICE,
        "high_price": PRICE,
        "low_price": PRICE,
        "price": PRICE,
        "volume": "bigint",
        "latest_trading_day": "date",
        "previous_close": PRICE,
        "change_amount": PRICE,
        "change_percent": PRICE,
        "data_timestamp": "timestamptz",
    },
    key=("symbol", "latest_trading_day"),
    version="data_timestamp",
    session="latest_trading_day",
    statement="upsert_quotes",
    supersedes=_supersedes,
)


def request(symbol: Symbol) -> Request:
    """Ask for the latest quote: ``{"Global Quote": {"01. symbol": …}}``, every value a string."""
    return Request("GLOBAL_QUOTE", symbol, {"symbol": symbol})


def quote_from_reply(symbol: Symbol, reply: Reply) -> Quote:
    """Return the quote in a GLOBAL_QUOTE reply. Raises PayloadRejected with a code of the package's table."""
    quote = read_quote(QuoteRow, symbol, section(symbol, reply, _ROOT, prefix=True), reply)
    if isinstance(quote, Rejection):
        raise refuse(symbol, reply, quote)
    return quote


def parse(symbol: Symbol, reply: Reply) -> Parsed:
    """Return the quote as what a GLOBAL_QUOTE reply holds. Raises PayloadRejected as ``quote_from_reply``."""
    return parsed(quote_from_reply(symbol, reply))


def parsed(quote: Quote) -> Parsed:
    """Return a sound quote as what a reply holds of its symbol."""
    return Parsed({TABLE: [quote]}, detail=f"{quote.price} on {quote.latest_trading_day}")


def read_quote(kind: type[ChangeRow], symbol: Symbol, values: object, reply: Reply) -> Quote | Rejection:
    """Return the quote that a row holds, or why it is refused."""
    row = read_row(kind, values)
    if isinstance(row, Rejection):
        return row
    problem = (
        check_symbol(row.name_of("symbol"), row.symbol, symbol)
        or check_day(row.name_of("day"), row.day, reply.received_at)
        or check_range(row)
        or check_change(row)
    )
    return problem or Quote(
        symbol=symbol,
        open_price=row.open_price,
        high_price=row.high_price,
        low_price=row.low_price,
        price=row.price,
        volume=row.volume,
        latest_trading_day=row.day,
        previous_close=row.previous_close,
        change_amount=row.change,
        change_percent=row.percent,
        data_timestamp=reply.received_at,
    )


QUOTES: Final = Dataset(NAME, request, parse, (TABLE,), due=BySession())
