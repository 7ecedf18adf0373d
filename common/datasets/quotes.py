"""Quotes: one from GLOBAL_QUOTE, many from REALTIME_BULK_QUOTES."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from common.datasets.checks import (
    check_change,
    check_day,
    check_range,
    check_symbol,
    kind_of,
    read_row,
    refuse,
    section,
)
from common.datasets.rows import BulkRow, ChangeRow, QuoteRow
from common.values import Quote, Rejection, Reply, Symbol

#: With ``entitlement=delayed`` the name goes on: ``Global Quote - DATA DELAYED BY 15 MINUTES``.
_ROOT: Final = "Global Quote"
_BULK_ROOT: Final = "data"


def quote_from_reply(symbol: Symbol, reply: Reply) -> Quote:
    """Return the quote in a GLOBAL_QUOTE reply. Raises PayloadRejected with a code of the package's table."""
    quote = _quote(QuoteRow, symbol, section(symbol, reply, _ROOT, prefix=True), reply)
    if isinstance(quote, Rejection):
        raise refuse(symbol, reply, quote)
    return quote


def quotes_from_bulk_reply(symbols: Sequence[Symbol], reply: Reply) -> tuple[list[Quote], dict[Symbol, Rejection]]:
    """Return the quotes in a REALTIME_BULK_QUOTES reply, in the order asked, and why each other symbol has none.

    Raises PayloadRejected where the structure is wrong. Rows of symbols that were not asked for are left out.
    """
    rows = _bulk_rows(", ".join(symbols)[:80], reply)
    names = [row.get("symbol") for row in rows if isinstance(row, dict)]
    count = Counter(name for name in names if isinstance(name, str))
    by_symbol = {row["symbol"]: row for row in rows if isinstance(row, dict) and isinstance(row.get("symbol"), str)}
    quotes: list[Quote] = []
    rejections: dict[Symbol, Rejection] = {}
    for symbol in symbols:
        verdict = _absent_or_twice(symbol, count[symbol]) or _quote(BulkRow, symbol, by_symbol[symbol], reply)
        if isinstance(verdict, Rejection):
            rejections[symbol] = verdict
        else:
            quotes.append(verdict)
    return quotes, rejections


def _bulk_rows(subject: str, reply: Reply) -> list[object]:
    if _BULK_ROOT not in reply.document:
        raise refuse(subject, reply, Rejection("missing_root", f"the reply has no {_BULK_ROOT!r}", _BULK_ROOT))
    rows = reply.document[_BULK_ROOT]
    if not isinstance(rows, list):
        message = f"{_BULK_ROOT!r} is {kind_of(rows)}, not a list"
        raise refuse(subject, reply, Rejection("wrong_structure", message, _BULK_ROOT))
    return rows


def _absent_or_twice(symbol: Symbol, count: int) -> Rejection | None:
    if count == 0:
        return Rejection("absent", f"the reply has no row for {symbol}", "symbol")
    if count > 1:
        return Rejection("duplicate_symbol", f"the reply has {count} rows for {symbol}", "symbol")
    return None


def _quote(kind: type[ChangeRow], symbol: Symbol, values: object, reply: Reply) -> Quote | Rejection:
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
