"""The list of all symbols: read once for all readers, then searched, sorted and cut for each of them."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from common.trading_calendar import exchange_of
from common.values import Symbol
from plugins.market.answers import Made
from plugins.market.page import Document, Page, Table, now
from workers.pipeline.feeds import DAGS, FIRST

#: What the list is made of.
TABLES: Final = ("stock_quotes", "daily_bars", "fetch_outcomes", "listings", "adjustment_factors")
#: More symbols than any exchange lists.
_MOST_SYMBOLS: Final = 50_000
#: The runs that are no quotes' run, as SQL's LIKE has it: another feed's, or one symbol from the command line.
OTHER_RUNS: Final = [*(rf"{feed}:%" for feed in DAGS if feed != FIRST), r"cli\_\_%", r"probe\_\_%"]

Freshnesses = Literal["fresh", "stale", "never", "unknown"]
States = Literal["stored", "unchanged", "stale", "skipped", "postponed", "quarantined", "failed", "never"]


class Row(NamedTuple):
    """A symbol as the list shows it; the fields are its columns, in their order."""

    symbol: str
    name: str | None
    exchange: str | None
    price: Decimal | None
    change: Decimal | None
    change_percent: Decimal | None
    volume: int | None
    session: date | None
    expected: date | None
    behind: int | None
    freshness: str
    state: str
    reason: str | None
    fetched_at: datetime | None


class SymbolQuery(BaseModel):
    """What a reader asks of the list. ``q`` is looked for in symbols and names."""

    model_config = ConfigDict(extra="forbid")

    q: Annotated[str, Field(max_length=64)] = ""
    exchange: Annotated[str, Field(max_length=8)] = ""
    state: States | Literal[""] = ""
    freshness: Freshnesses | Literal[""] = ""
    sort: Literal["symbol", "price", "change_percent", "volume", "session", "name"] = "symbol"
    order: Literal["asc", "desc"] = "asc"
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    limit: Annotated[int, Field(ge=1, le=10_000)] = 500


class SymbolFileQuery(SymbolQuery):
    """The same for a file, which holds all that fit unless fewer are asked for."""

    limit: Annotated[int, Field(ge=1, le=_MOST_SYMBOLS)] = _MOST_SYMBOLS


class Listed(NamedTuple):
    """A row for each symbol, by symbol, and when they were read. ``is_cut``: there are more than a list holds."""

    as_of: datetime
    rows: list[Row]
    is_cut: bool


def all_rows(page: Page) -> Made[Listed]:
    """Return the rows of all symbols; they are read again once a table has changed."""
    version = page.reader.version(TABLES), tuple(page.calendars.expected().values())
    listed: Made[Listed] = page.symbols.get(version, lambda: _read(page))
    return listed


def _read(page: Page) -> Listed:
    as_of = now()
    found = page.reader.query("overview", {"row_limit": _MOST_SYMBOLS + 1, "others": OTHER_RUNS}).rows
    return Listed(as_of, [_row(page, *row) for row in found[:_MOST_SYMBOLS]], len(found) > _MOST_SYMBOLS)


def _row(page: Page, symbol: str, name: str | None, *values: Any) -> Row:  # noqa: ANN401  a row of the statement
    price, change, percent, volume, session, fetched_at, state, reason = values
    ticker = _ticker(symbol)
    fresh = page.calendars.judge(ticker, session)
    exchange = exchange_of(ticker) or None
    found = (price, change, percent, volume, session, fresh.expected, fresh.behind, fresh.state)
    return Row(symbol, name, exchange, *found, state or "never", reason, fetched_at)


def _ticker(symbol: str) -> Symbol:
    """Return a symbol of the database, which has been checked there: checking ten thousand again takes its time."""
    return str.__new__(Symbol, symbol)


def document(page: Page, listed: Listed, query: SymbolQuery) -> Document:
    """Return the page of the list that was asked for."""
    chosen = _sorted([row for row in listed.rows if _wanted(query, row)], query)
    return {
        "as_of": listed.as_of,
        "invented": page.invented,
        "total": len(chosen),
        "is_cut": listed.is_cut,
        "offset": query.offset,
        "limit": query.limit,
        "columns": Row._fields,
        "rows": chosen[query.offset : query.offset + query.limit],
    }


def table(page: Page, listed: Listed, query: SymbolQuery) -> Table:
    """Return the same for a file."""
    shown = document(page, listed, query)
    return shown["columns"], shown["rows"]


def _wanted(query: SymbolQuery, row: Row) -> bool:
    text = query.q.strip().casefold()
    return (
        (not text or text in row.symbol.casefold() or text in (row.name or "").casefold())
        and (not query.exchange or row.exchange == query.exchange)
        and (not query.state or row.state == query.state)
        and (not query.freshness or row.freshness == query.freshness)
    )


def _sorted(rows: list[Row], query: SymbolQuery) -> list[Row]:
    """Sort by a column; what has no value stands at the end, whichever the order."""
    if query.sort == "symbol":
        return rows[::-1] if query.order == "desc" else rows
    place: Callable[[Row], Any] = lambda row: getattr(row, query.sort)  # noqa: E731  one column of many types
    known = [row for row in rows if place(row) is not None]
    unknown = [row for row in rows if place(row) is None]
    return sorted(known, key=place, reverse=query.order == "desc") + unknown
