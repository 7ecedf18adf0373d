"""What the page shows: whose prices, how many symbols, up to which session each exchange's should reach."""

from collections.abc import Iterator
from typing import Any

from plugins.market.exchanges import EXCHANGES
from plugins.market.overview import Listed
from plugins.market.page import Document, Page, Table
from plugins.market.paging import as_table
from plugins.market.schema import ExchangeFacts
from workers.pipeline.feeds import DAGS, FIRST


def document(page: Page, listed: Listed, user: str | None) -> Document:
    """Return the facts that every view of the page needs."""
    return {
        "invented": page.invented,
        "database": page.database,
        "as_of": listed.as_of,
        "symbols": len(listed.rows),
        "exchanges": list(_exchanges(page, listed)),
        "dag_id": DAGS[FIRST],
        "user": user,
    }


def table(page: Page, listed: Listed) -> Table:
    """Return the exchanges for a file: the rest of the facts is no table."""
    return as_table({"rows": _exchanges(page, listed)}, ExchangeFacts)


def _exchanges(page: Page, listed: Listed) -> Iterator[dict[str, Any]]:
    sessions = page.calendars.expected()
    for code in sorted({row.exchange for row in listed.rows if row.exchange}):
        session = sessions.get(code)
        yield {
            "code": code,
            "name": EXCHANGES[code].name,
            "timezone": EXCHANGES[code].timezone,
            "unit": EXCHANGES[code].unit,
            "expected_session": session.day if session else None,
            "closes_at": session.closed_at if session else None,
        }
