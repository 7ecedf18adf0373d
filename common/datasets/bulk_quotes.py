"""Bulk quotes: those of up to a hundred US symbols in one call, from REALTIME_BULK_QUOTES (premium)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from common.datasets.checks import kind_of, refuse
from common.datasets.dataset import Bulk, Parsed
from common.datasets.quotes import QUOTES, parsed, read_quote
from common.datasets.rows import BulkRow
from common.provider import Request
from common.trading_calendar import NEW_YORK, exchange_of
from common.values import Quote, Rejection, Reply, Symbol

MAX_SYMBOLS: Final = 100
_FUNCTION: Final = "REALTIME_BULK_QUOTES"
_ROOT: Final = "data"
_ABSENT: Final = "absent"
#: With these a symbol is as good as left out: nothing is wrong with what the reply says of it.
_LEFT_OUT: Final = frozenset({_ABSENT, "no_session"})


def request(symbols: Sequence[Symbol]) -> Request:
    """Ask for the quotes of up to 100 symbols in one call. Raises ValueError for none, or for more."""
    if not 1 <= len(symbols) <= MAX_SYMBOLS:
        raise ValueError(f"a bulk call takes 1 to {MAX_SYMBOLS} symbols, not {len(symbols)}")
    return Request(_FUNCTION, _subject(symbols), {"symbol": ",".join(symbols)}, notice_in_message=True)


def quotes_from_bulk_reply(symbols: Sequence[Symbol], reply: Reply) -> tuple[list[Quote], dict[Symbol, Rejection]]:
    """Return the quotes in a REALTIME_BULK_QUOTES reply, in the order asked, and why each other symbol has none.

    Raises PayloadRejected where the structure is wrong. Rows of symbols that were not asked for are left out.
    """
    rows = _rows(_subject(symbols), reply)
    names = [row.get("symbol") for row in rows if isinstance(row, dict)]
    count = Counter(name for name in names if isinstance(name, str))
    by_symbol = {row["symbol"]: row for row in rows if isinstance(row, dict) and isinstance(row.get("symbol"), str)}
    quotes: list[Quote] = []
    rejections: dict[Symbol, Rejection] = {}
    for symbol in symbols:
        verdict = _absent_or_twice(symbol, count[symbol]) or read_quote(BulkRow, symbol, by_symbol[symbol], reply)
        if isinstance(verdict, Rejection):
            rejections[symbol] = verdict
        else:
            quotes.append(verdict)
    return quotes, rejections


def parse(symbols: Sequence[Symbol], reply: Reply) -> Mapping[Symbol, Parsed | Rejection]:
    """Return each symbol's quote, or why its row is refused. Raises PayloadRejected as ``quotes_from_bulk_reply``."""
    quotes, rejections = quotes_from_bulk_reply(symbols, reply)
    refused = {symbol: why for symbol, why in rejections.items() if why.code not in _LEFT_OUT}
    return {quote.symbol: parsed(quote) for quote in quotes} | refused


def _covers(symbol: Symbol) -> bool:
    return exchange_of(symbol) == NEW_YORK


def _subject(symbols: Sequence[Symbol]) -> str:
    return str(symbols[0]) if len(symbols) == 1 else f"{symbols[0]} and {len(symbols) - 1} more"


def _rows(subject: str, reply: Reply) -> list[object]:
    if _ROOT not in reply.document:
        raise refuse(subject, reply, Rejection("missing_root", f"the reply has no {_ROOT!r}", _ROOT))
    rows = reply.document[_ROOT]
    if not isinstance(rows, list):
        message = f"{_ROOT!r} is {kind_of(rows)}, not a list"
        raise refuse(subject, reply, Rejection("wrong_structure", message, _ROOT))
    return rows


def _absent_or_twice(symbol: Symbol, count: int) -> Rejection | None:
    if count == 0:
        return Rejection(_ABSENT, f"the reply has no row for {symbol}", "symbol")
    if count > 1:
        return Rejection("duplicate_symbol", f"the reply has {count} rows for {symbol}", "symbol")
    return None


#: What is known of the right to ask so is known by the function's name.
BULK_QUOTES: Final = Bulk(_FUNCTION, MAX_SYMBOLS, _covers, request, parse)
#: How many symbols of a dataset are asked for at once, by the dataset's name, where there is a way.
BULK: Final[Mapping[str, Bulk]] = {QUOTES.name: BULK_QUOTES}
