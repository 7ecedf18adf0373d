"""One symbol: its bars in a range, as traded or adjusted, its actions, its gaps, its newest quote."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec
from fastapi import HTTPException
from pydantic import BaseModel, ConfigDict

from common.datasets import NAMES
from common.trading_calendar import exchange_of
from common.values import Symbol
from plugins.market.exchanges import EXCHANGES
from plugins.market.page import Document, Page, Table

#: What a chart is made of.
TABLES: Final = ("daily_bars", "stock_quotes", "adjustment_factors", "corporate_actions", "bar_gaps", "listings")
_DAYS: Final = {"1m": 31, "3m": 92, "6m": 183, "1y": 366, "5y": 1827}
#: The columns of a chart, and of the quote that may stand at their end.
_COLUMNS: Final = {"t": "session", "o": "open", "h": "high", "l": "low", "c": "price", "v": "volume"}
_HEADING: Final = ("session", "open", "high", "low", "close", "volume")
_QUOTE: Final = ("price", "change", "change_percent", "session", "fetched_at")
#: More than any company ever paid or split.
_MOST_EVENTS: Final = 2_000
_MOST_GAPS: Final = 5_000


class ChartQuery(BaseModel):
    """How long a time, up to the newest bar, and adjusted for what."""

    model_config = ConfigDict(extra="forbid")

    range: Literal["1m", "3m", "6m", "ytd", "1y", "5y", "all"] = "1y"
    mode: Literal["raw", "split", "total"] = "raw"


def document(page: Page, symbol: Symbol, query: ChartQuery) -> Document:
    """Return a symbol's chart. 404 where nothing is known of it.

    Where the newest quote is of a later session than the newest bar, it stands in for the bar that will come.
    """
    facts = _facts(page, symbol)
    latest = max((day for day in (facts["latest_bar"], facts["session"]) if day), default=None)
    exchange = exchange_of(symbol)
    expected = page.calendars.judge(symbol, latest).expected
    return {
        "symbol": str(symbol),
        "name": facts["name"],
        "exchange": exchange or None,
        "unit": EXCHANGES[exchange].unit if exchange else None,
        "mode": query.mode,
        "range": query.range,
        "latest": latest,
        "expected": expected,
        "open_day": latest if latest and expected and latest > expected else None,
        **_drawn(page, symbol, query, facts, latest),
        "quote": {name: facts[name] for name in _QUOTE} if facts["session"] else None,
        "adjusted": facts["has_factors"],
    }


def _drawn(
    page: Page, symbol: Symbol, query: ChartQuery, facts: Mapping[str, Any], latest: date | None
) -> dict[str, object]:
    """Return the columns of bars, and what is marked beside them."""
    since = since_of(query.range, latest or date.max)
    bars, events, gaps = page.reader.query_all(
        ("bars", {"symbol": symbol, "since": since, "mode": query.mode if facts["has_factors"] else "raw"}),
        ("events", {"symbol": symbol, "since": since, "row_limit": _MOST_EVENTS}),
        ("gaps_of_symbol", {"symbol": symbol, "since": since, "row_limit": _MOST_GAPS}),
    )
    # As PostgreSQL writes them, with commas: thousands of numbers need not pass through Python.
    columns = {name: column or "" for name, column in zip(_COLUMNS, bars.rows[0], strict=True)}
    if facts["session"] and facts["session"] == latest != facts["latest_bar"]:
        columns = {name: _with_quote(column, facts[_COLUMNS[name]]) for name, column in columns.items()}
    written = {name: msgspec.Raw(f"[{column}]".encode()) for name, column in columns.items()}
    return {**written, "events": events.dicts(), "gaps": gaps.dicts()}


def table(page: Page, symbol: Symbol, query: ChartQuery) -> Table:
    """Return the same bars for a file: a line a session."""
    chart = document(page, symbol, query)
    columns = [msgspec.json.decode(chart[name], type=list[str] if name == "t" else list[Decimal]) for name in _COLUMNS]
    return _HEADING, zip(*columns, strict=True)


def _facts(page: Page, symbol: Symbol) -> dict[str, Any]:
    found = page.reader.query("symbol_facts", {"symbol": symbol, "datasets": list(NAMES)}).dicts()
    if not found:
        raise HTTPException(404, f"Nothing is known of {symbol}: no run has asked for it yet; trigger one with it.")
    return found[0]


def since_of(span: str, latest: date) -> date:
    """Return the first day of a range that ends with the newest bar, so that a delisted symbol has a chart too."""
    if span == "all":
        return date.min
    return date(latest.year, 1, 1) if span == "ytd" else latest - timedelta(days=_DAYS[span])


def _with_quote(column: str, value: Any) -> str:  # noqa: ANN401  a date or a number
    written = f'"{value}"' if isinstance(value, date) else str(value)
    return f"{column},{written}" if column else written
