"""A part of a long list: which part was asked for, and the objects of it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from common.values import Symbol
from plugins.market.page import Document, Page, Table
from plugins.market.parameters import OneSymbol
from plugins.market.schema import Model


class Part(BaseModel):
    """From which row on, and how many."""

    model_config = ConfigDict(extra="forbid")

    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    limit: Annotated[int, Field(ge=1, le=10_000)] = 100

    @property
    def bounds(self) -> dict[str, object]:
        """The part as the statements take it."""
        return {"row_limit": self.limit, "row_offset": self.offset}


class PartOfSymbol(Part):
    """A part of what one symbol has, or all symbols have."""

    symbol: OneSymbol = ""

    @property
    def ticker(self) -> Symbol | None:
        """The symbol, or None for all. Raises ConfigurationError for a text that can be none."""
        return Symbol(self.symbol) if self.symbol else None


def rows_of(page: Page, statement: str, values: dict[str, object]) -> Document:
    """Return the rows as objects, and how many there are in all: the statement's last column says it.

    Behind the end nothing says it, so there it is 0.
    """
    rows = page.reader.query(statement, values).dicts()
    totals = [row.pop("total") for row in rows]
    return {"total": totals[0] if totals else 0, "rows": rows}


def as_table(document: Document, row: type[Model]) -> Table:
    """Return the rows of a document for a file, under the names that its rows are documented with."""
    names = list(row.model_fields)
    return names, [[line[name] for name in names] for line in document["rows"]]
