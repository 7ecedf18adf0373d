"""Up to four symbols side by side: what each has gained since the first session that all of them have."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import Field

from common.values import Symbol
from plugins.market.chart import ChartQuery, since_of
from plugins.market.page import Document, Page, Table
from plugins.market.parameters import some_symbols, symbols_pattern

TABLES: Final = ("daily_bars", "adjustment_factors")
_MOST: Final = 4
Closes = Mapping[date, Decimal]


class CompareQuery(ChartQuery):
    """Up to four symbols, with commas between them; the range ends with the newest bar of all of them."""

    symbols: Annotated[str, Field(max_length=33 * _MOST, json_schema_extra={"pattern": symbols_pattern(_MOST)})]


def symbols_of(query: CompareQuery) -> list[Symbol]:
    """Return the symbols, each once."""
    return some_symbols(query.symbols, _MOST)


def document(page: Page, symbols: Sequence[Symbol], query: CompareQuery) -> Document:
    """Return the gain of each symbol in percent, session by session, and which ones cannot be compared."""
    closes = _closes(page, symbols, query)
    start = _first_common(closes)
    shown = {symbol: found for symbol, found in closes.items() if start and found[start]}
    return {
        "from": start,
        "series": [_series(symbol, shown[symbol], start) for symbol in symbols if start and symbol in shown],
        "missing": [
            {"symbol": str(symbol), "why": _why_missing(symbol, closes, start)}
            for symbol in symbols
            if symbol not in shown
        ],
    }


def _why_missing(symbol: Symbol, closes: Mapping[str, Closes], start: date | None) -> str:
    if not start:
        return "the symbols have no session in common in this range"
    if symbol in closes:  # many splits later a share of then is worth less than the last digit
        return f"its adjusted close of {start} rounds to 0, so no gain can be counted from it: choose a shorter range"
    return "it has no bars in this range"


def table(page: Page, symbols: Sequence[Symbol], query: CompareQuery) -> Table:
    """Return the same for a file: a line a session and symbol."""
    return ("symbol", "session", "percent"), list(_lines(document(page, symbols, query)))


def _lines(shown: Document) -> Iterator[Sequence[object]]:
    for series in shown["series"]:
        yield from ((series["symbol"], *pair) for pair in zip(series["t"], series["percent"], strict=True))


def _closes(page: Page, symbols: Sequence[Symbol], query: CompareQuery) -> dict[str, Closes]:
    newest = dict(page.reader.query("newest_bars_of", {"symbols": list(symbols)}).rows)
    since = since_of(query.range, max(newest.values(), default=date.max))
    values = {"symbols": list(symbols), "since": since, "mode": query.mode}
    found = page.reader.query("closes", values).rows
    return {symbol: dict(zip(sessions, closes, strict=True)) for symbol, sessions, closes in found}


def _first_common(closes: Mapping[str, Closes]) -> date | None:
    return min(set.intersection(*map(set, closes.values())), default=None) if closes else None


def _series(symbol: str, closes: Closes, start: date) -> dict[str, Any]:
    base = closes[start]
    gains = {day: round(100 * (close / base - 1), 4) for day, close in closes.items() if day >= start}
    return {"symbol": str(symbol), "t": list(gains), "percent": list(gains.values())}
