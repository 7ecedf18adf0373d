"""The small charts of the list: the newest closes of the symbols on a reader's screen."""

from typing import Annotated, Any, Final

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from common.database.rows import as_json
from common.values import Symbol
from plugins.market.page import Document, Page, Table, now
from plugins.market.parameters import some_symbols, symbols_pattern

TABLES: Final = ("daily_bars", "adjustment_factors")
#: Two screens.
_MOST_SYMBOLS: Final = 200


class SparkQuery(BaseModel):
    """Which symbols (with commas between them), and how many sessions of each."""

    model_config = ConfigDict(extra="forbid")

    symbols: Annotated[
        str, Field(max_length=33 * _MOST_SYMBOLS, json_schema_extra={"pattern": symbols_pattern(_MOST_SYMBOLS)})
    ]
    sessions: Annotated[int, Field(ge=2, le=260)] = 90


def symbols_of(query: SparkQuery) -> list[Symbol]:
    """Return the symbols that are asked for, each once."""
    return some_symbols(query.symbols, _MOST_SYMBOLS)


def document(page: Page, symbols: list[Symbol], sessions: int) -> Document:
    """Return the closes of each symbol that has bars, in today's shares, oldest first."""
    found = page.reader.query("sparks", {"symbols": as_json(symbols), "sessions": sessions})
    return {"as_of": now(), "sparks": {symbol: _spark(*spark) for symbol, *spark in found.rows}}


def table(page: Page, symbols: list[Symbol], sessions: int) -> Table:
    """Return the same for a file: a line a symbol and session."""
    found = page.reader.query("spark_closes", {"symbols": as_json(symbols), "sessions": sessions})
    return found.names, found.rows


def _spark(first: object, last: object, closes: str) -> dict[str, Any]:
    return {"first": first, "last": last, "closes": msgspec.Raw(closes.encode())}
