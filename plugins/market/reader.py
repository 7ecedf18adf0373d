"""The page's reads: few connections, short statements, and how often each table was changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any, Final

from pydantic import SecretStr

from common.database.address import Address, Variables
from common.database.pool import Connections
from common.database.queries import read_statements
from plugins.market.answers import Latest

#: A page that is slower than this helps nobody, and its statement would hold up the pipeline's.
STATEMENT_TIMEOUT_S: Final = 5
#: Two cores' worth of queries and a few that wait for the disk; the other readers wait for one of them.
_CONNECTIONS: Final = 4
#: How old the news of a change may be, so that a hundred readers ask once a second together.
_VERSIONS_HOLD_S: Final = 1.0
#: What moves with every run, whichever tables it fills.
_LEDGER: Final = ("open", "plan")
#: Every table that an answer is made of.
TABLES: Final = (
    "adjustment_factors",
    "api_calls",
    "bar_gaps",
    "corporate_actions",
    "daily_bars",
    "fetch_outcomes",
    "listings",
    "quality_findings",
    "quarantine",
    "stock_quotes",
)


@cache
def _statements() -> Mapping[str, str]:
    return dict(read_statements(Path(__file__).parent))


@dataclass(frozen=True, slots=True)
class Columns:
    """A statement's rows, and how its columns are called."""

    names: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def dicts(self) -> list[dict[str, Any]]:
        """Return each row as an object."""
        return [dict(zip(self.names, row, strict=True)) for row in self.rows]


class Reader:
    """The market database, read. Thread-safe; connects when it is first used, and again after a restart.

    Every method raises StoreUnavailable or StoreNotReady.
    """

    def __init__(self, dsn: SecretStr, *, versions_hold_s: float = _VERSIONS_HOLD_S) -> None:
        variables = Variables(password="MARKET_READER_PASSWORD")  # noqa: S106  a variable's name
        address = Address(
            dsn, timeout_s=STATEMENT_TIMEOUT_S, application_name="stock-pipeline-page", variables=variables
        )
        self._connections = Connections(address, size=_CONNECTIONS, timeout_s=STATEMENT_TIMEOUT_S)
        self._counted: Latest[Mapping[str, int]] = Latest()
        self._hold_s = versions_hold_s

    def query(self, name: str, values: Mapping[str, object]) -> Columns:
        """Run a statement of ``queries.sql``; return its rows."""
        (rows,) = self.query_all((name, values))
        return rows

    def query_all(self, *asked: tuple[str, Mapping[str, object]]) -> list[Columns]:
        """Run statements of ``queries.sql`` in one transaction; return the rows of each."""
        return self._connections.run(lambda cursor: [_fetch(cursor, name, values) for name, values in asked])

    def version(self, tables: Sequence[str]) -> tuple[int | None, ...]:
        """Return numbers that change when one of the tables does: with a run at once, else within ten seconds.

        Without a table there is nothing to ask for.
        """
        counted = self._counts() if tables else {}
        return tuple(counted.get(name) for name in (*_LEDGER, *tables))

    def _counts(self) -> Mapping[str, int]:
        """Return the newest numbers; while one thread asks for newer ones, the others go by these."""
        when = monotonic() // self._hold_s if self._hold_s else object()
        return self._counted.get(when, lambda: dict(self.query("versions", {"tables": list(TABLES)}).rows)).value

    def close(self) -> None:
        """Close the connections that are not in use now."""
        self._connections.close()


def _fetch(cursor: Any, name: str, values: Mapping[str, object]) -> Columns:  # noqa: ANN401  the driver is the pool's
    cursor.execute(_statements()[name], values)
    return Columns(tuple(column.name for column in cursor.description), cursor.fetchall())
