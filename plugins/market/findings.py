"""What a person should look at: findings of the checks, gaps in the bars, replies that were refused."""

from typing import Final, Literal

from fastapi import HTTPException

from plugins.market.page import Document, Page
from plugins.market.paging import PartOfSymbol, rows_of

FINDINGS: Final = ("quality_findings",)
GAPS: Final = ("bar_gaps",)
QUARANTINE: Final = ("quarantine",)
#: What anybody reads of a reply on a page; the command line shows the rest.
_MOST_CHARACTERS: Final = 64_000


class FindingsQuery(PartOfSymbol):
    """Which findings: in a state, of a symbol."""

    state: Literal["", "open", "acknowledged", "resolved"] = ""


class GapsQuery(PartOfSymbol):
    """Which gaps: in a state, of a symbol."""

    state: Literal["", "open", "absent", "before_listing", "delisted", "halted", "repaired"] = ""


def findings(page: Page, query: FindingsQuery) -> Document:
    """Return findings, the gravest first."""
    return rows_of(page, "findings", {"state": query.state or None, "symbol": query.ticker, **query.bounds})


def gaps(page: Page, query: GapsQuery) -> Document:
    """Return gaps, the newest first."""
    return rows_of(page, "gaps", {"state": query.state or None, "symbol": query.ticker, **query.bounds})


def quarantine(page: Page, query: PartOfSymbol) -> Document:
    """Return refused replies without their text, the newest first."""
    return rows_of(page, "refused", {"id": None, "symbol": query.ticker, **query.bounds})


def refused(page: Page, number: int) -> Document:
    """Return one refused reply with the beginning of its text; 404 where there is none of that number."""
    rows = page.reader.query("refused", {"id": number, "symbol": None, "row_limit": 1, "row_offset": 0}).dicts()
    texts = page.reader.query("payload", {"id": number, "row_length": _MOST_CHARACTERS}).dicts()
    if not rows or not texts:
        raise HTTPException(404, f"There is no refused reply {number}: it was dropped, or was deleted with its age.")
    row = {name: value for name, value in rows[0].items() if name != "total"}
    return row | texts[0]
