"""The job without anything around it: one request, the values, one upsert, one commit. What others are measured by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, Self

import psycopg2
import requests

from common.settings import SANDBOX_API_KEY

#: The columns of stock_quotes in the order in which ``values`` returns them.
COLUMNS: Final = (
    "symbol",
    "open_price",
    "high_price",
    "low_price",
    "price",
    "volume",
    "latest_trading_day",
    "previous_close",
    "change_amount",
    "change_percent",
    "data_timestamp",
)
_KEY: Final = ("symbol", "latest_trading_day")


def upsert_text(table: str, columns: tuple[str, ...], key: tuple[str, ...], source: str) -> str:
    """Return an upsert of the rows in ``source`` (VALUES or SELECT) that leaves equal rows alone, as the store does."""
    rest = [name for name in columns if name not in key]
    compared = [name for name in rest if name != "data_timestamp"]
    return (
        f"INSERT INTO {table} AS stored ({', '.join(columns)}) {source} ON CONFLICT ({', '.join(key)}) DO UPDATE SET "
        + ", ".join(f"{name} = excluded.{name}" for name in rest)
        + f" WHERE ({', '.join(f'stored.{name}' for name in compared)}) IS DISTINCT FROM "
        + f"({', '.join(f'excluded.{name}' for name in compared)})"
    )


UPSERT: Final = upsert_text("stock_quotes", COLUMNS, _KEY, f"VALUES ({', '.join(['%s'] * len(COLUMNS))})")


def values(document: Mapping[str, Any]) -> tuple[object, ...]:
    """Return a reply's values, unchecked."""
    quote = document["Global Quote"]
    return (
        quote["01. symbol"],
        Decimal(quote["02. open"]),
        Decimal(quote["03. high"]),
        Decimal(quote["04. low"]),
        Decimal(quote["05. price"]),
        int(quote["06. volume"]),
        date.fromisoformat(quote["07. latest trading day"]),
        Decimal(quote["08. previous close"]),
        Decimal(quote["09. change"]),
        Decimal(quote["10. change percent"].removesuffix("%")),
        datetime.now(UTC),
    )


@dataclass
class BareJob:
    """A session and a connection of its own. For one thread."""

    api: str
    dsn: str
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.connection = psycopg2.connect(self.dsn)

    def __call__(self, symbol: str) -> None:
        """Fetch and store one symbol."""
        params = {"function": "GLOBAL_QUOTE", "symbol": symbol, "apikey": SANDBOX_API_KEY}
        response = self.session.get(f"{self.api}/query", params=params, timeout=30)
        response.raise_for_status()
        row = values(response.json())
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(UPSERT, row)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()
        self.session.close()
