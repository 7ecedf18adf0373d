"""The small charts of the list: the newest closes of the symbols on a reader's screen."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import HTTPException
from pydantic import BaseModel, ConfigDict, Field

from common.database.rows import as_json
from common.values import Symbol
from plugins.market.page import Document, Page, now

TABLES: Final = ("daily_bars", "adjustment_factors")
#: Two screens.
_MOST_SYMBOLS: Final = 200


class SparkQuery(BaseModel):
    """Which symbols (with commas between them), and how many sessions of each."""

    model_config = ConfigDict(extra="forbid")

    symbols: Annotated[str, Field(min_length=1, max_length=33 * _MOST_SYMBOLS)]
    sessions: Annotated[int, Field(ge=2, le=260)] = 90


def symbols_of(query: SparkQuery) -> list[Symbol]:
    """Return the symbols that are asked for, each once. Raises ConfigurationError for a text that can be none."""
    symbols = list(dict.fromkeys(Symbol(text) for text in query.symbols.split(",")))
    if len(symbols) > _MOST_SYMBOLS:
        raise HTTPException(400, f"{len(symbols)} symbols are too many: ask for up to {_MOST_SYMBOLS} at once.")
    return symbols


def document(page: Page, symbols: list[Symbol], sessions: int) -> Document:
    """Return the closes of each symbol that has bars, in today's shares, oldest first."""
    found = page.reader.query("sparks", {"symbols": as_json(symbols), "sessions": sessions})
    return {"as_of": now(), "sparks": {symbol: _spark(*spark) for symbol, *spark in found.rows}}


def _spark(first: object, last: object, closes: str) -> dict[str, Any]:
    return {"first": first, "last": last, "closes": msgspec.Raw(closes.encode())}
