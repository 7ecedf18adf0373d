"""The table ``listings``: what the provider's lists said, and from when to when."""

from collections.abc import Callable, Sequence
from datetime import datetime

from psycopg2.extensions import cursor as Cursor

from common.database.pool import Connections
from common.database.queries import fetch_one, statement
from common.database.rows import as_json
from common.universe.acceptance import Changes, compare
from common.universe.listings import Listing, Status
from common.values import Symbol


class ListingTable:
    """The rows of ``listings``. Thread-safe; each method is one transaction and raises what ``Connections`` raises."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def listed(self, status: Status = "Active") -> list[Listing]:
        """Return the lines of the last list of a status, by symbol."""
        return list(self._connections.run(lambda cursor: _listed(cursor, status)))

    def seen_at(self, status: Status = "Active") -> datetime | None:
        """Return when the last list of a status was stored, or None if there is none."""
        seen_at: datetime | None = self._connections.query("listings_seen_at", {"status": status})[0][0]
        return seen_at

    def replace(
        self, listings: Sequence[Listing], status: Status, check: Callable[[Sequence[Listing], Sequence[Listing]], None]
    ) -> Changes:
        """Make ``listings`` the last list of the status; what it says no more stays as history.

        ``check`` is handed the list before and this one, and raises to refuse it: then nothing is changed. A list that
        is stored at the same time waits for this one.
        """

        def replace(cursor: Cursor) -> Changes:
            cursor.execute(statement("lock_listings"))
            (now,) = fetch_one(cursor)
            before = _listed(cursor, status)
            check(list(before), listings)
            again = set(listings) & before.keys()
            values = {"now": now, "same": [before[each] for each in again]}
            values["gone"] = [number for each, number in before.items() if each not in again]
            cursor.execute(statement("listed_again"), values)
            cursor.execute(statement("listed_no_more"), values)
            new = [each for each in listings if each not in again]
            cursor.execute(statement("insert_listings"), {"now": now, "rows": as_json(new)})
            return compare(before, listings)

        return self._connections.run(replace)


def _listed(cursor: Cursor, status: Status) -> dict[Listing, int]:
    """Return the lines of the last list, each with its row's id."""
    cursor.execute(statement("listed"), {"status": status})
    return {Listing(Symbol(symbol), *rest): number for number, symbol, *rest in cursor.fetchall()}
