"""What a source is, and how one asks PostgreSQL."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

from prometheus_client.core import GaugeMetricFamily
from psycopg2.extensions import cursor as Cursor
from pydantic import SecretStr

from common.database.address import Address, Variables
from common.database.pool import Connections
from common.database.queries import read_statements

#: The longest that Redis may take to answer (s): a scrape has ten.
PATIENCE_S: Final = 4.0
#: The longest that a statement may take (s). A transaction is cut after twice that, and libpq takes two seconds at most
#: to connect: the two transactions of Airflow's metadata take eight at worst, and the market's one then is not begun.
STATEMENT_S: Final = 1.5


class Source(Protocol):
    """Something that metrics are read from. ``read`` may raise whatever its driver does; the exporter says so."""

    name: str

    def read(self) -> Iterator[GaugeMetricFamily]:
        """Yield what it tells now."""

    def close(self) -> None:
        """Close its connections."""


@cache
def _statements() -> dict[str, str]:
    return dict(read_statements(Path(__file__).parents[1]))


class Database:
    """A database that statements of ``queries.sql`` are put to, on one connection that is kept."""

    def __init__(self, dsn: SecretStr, variable: str) -> None:
        address = Address(
            dsn,
            timeout_s=STATEMENT_S,
            application_name="stock-pipeline-exporter",
            variables=Variables(url=variable, password="MONITOR_DB_PASSWORD"),  # noqa: S106  a variable's name
        )
        self._connections = Connections(address, size=1, timeout_s=STATEMENT_S)

    def ask(self, *questions: tuple[str, Mapping[str, object]]) -> list[list[tuple[Any, ...]]]:
        """Return the rows of each statement, all of them from one transaction. Raises PipelineError."""

        def work(cursor: Cursor) -> list[list[tuple[Any, ...]]]:
            answers = []
            for name, values in questions:
                cursor.execute(_statements()[name], values)
                answers.append(cursor.fetchall())
            return answers

        return self._connections.run(work)

    def close(self) -> None:
        """Close the connection."""
        self._connections.close()


def timestamp(moment: datetime | date) -> float:
    """Return seconds of the epoch; a day counts from its midnight in UTC."""
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return moment.timestamp()
