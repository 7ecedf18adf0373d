"""Upserts: our store beside what psycopg2 offers, for one row, a hundred, and ten thousand."""

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from operator import attrgetter

from psycopg2.extensions import connection as Connection
from psycopg2.extras import execute_values
from pydantic import SecretStr

from benchmarks.bare import upsert_text
from benchmarks.clusters import progress
from benchmarks.servers import running_servers
from benchmarks.tables import Table, middle
from common.datasets import daily_bars, quotes
from common.store import Store
from common.values import DailyBar, Quote, Symbol

#: How many rows a transaction holds, and how many transactions of that size are timed.
SIZES = {1: 200, 100: 50, 10_000: 3}
_SESSION = date(2026, 10, 5)
_ARRIVED = datetime(2026, 10, 5, 22, 0, tzinfo=UTC)

Row = Quote | DailyBar


@dataclass(frozen=True)
class Target:
    """A table, its key, and how a row for a number is made."""

    table: str
    key: tuple[str, ...]
    make: Callable[[int], Row]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns, in the order of a row's fields."""
        return tuple(field.name for field in fields(self.make(0)))

    def upsert(self, source: str) -> str:
        """Return the upsert of ``source``."""
        return upsert_text(self.table, self.columns, self.key, source)


Save = Callable[[Sequence[Row]], object]


def _quote(number: int) -> Quote:
    price = Decimal(number % 9000 + 1000) / 100
    return Quote(
        symbol=Symbol(f"B{number:06}"),
        open_price=price,
        high_price=price + 1,
        low_price=price - 1,
        price=price,
        volume=number * 1000,
        latest_trading_day=_SESSION,
        previous_close=price,
        change_amount=Decimal(0),
        change_percent=Decimal(0),
        data_timestamp=_ARRIVED,
    )


def _changed(row: Row) -> Row:
    if isinstance(row, Quote):
        return replace(row, volume=row.volume + 1, data_timestamp=_ARRIVED + timedelta(hours=1))
    return replace(row, volume=row.volume + 1)


def _bar(number: int) -> DailyBar:
    price = Decimal(number % 9000 + 1000) / 100
    day = _SESSION - timedelta(days=number % 100)  # a hundred sessions of a symbol follow each other
    return DailyBar(Symbol(f"B{number // 100:06}"), day, price, price + 1, price - 1, price, number * 1000)


QUOTES = Target("stock_quotes", ("symbol", "latest_trading_day"), _quote)
BARS = Target("daily_bars", ("symbol", "session"), _bar)


def contenders(target: Target, store: Store, connection: Connection) -> dict[str, Save]:
    """Return each way to save rows in one transaction, equal rows left alone by all of them."""
    values_of = attrgetter(*target.columns)
    marks = ", ".join(["%s"] * len(target.columns))
    one_row, many_rows = target.upsert(f"VALUES ({marks})"), target.upsert("VALUES %s")

    def executemany(rows: Sequence[Row]) -> None:
        with connection, connection.cursor() as cursor:
            cursor.executemany(one_row, [values_of(row) for row in rows])

    def values(rows: Sequence[Row]) -> None:
        with connection, connection.cursor() as cursor:
            execute_values(cursor, many_rows, [values_of(row) for row in rows], page_size=1000)

    def copy(rows: Sequence[Row]) -> None:
        with connection, connection.cursor() as cursor:
            names = ", ".join(target.columns)
            like = f"SELECT {names} FROM {target.table} WITH NO DATA"
            cursor.execute(f"CREATE TEMPORARY TABLE staging ON COMMIT DROP AS {like}")
            cursor.copy_expert(
                f"COPY staging ({names}) FROM STDIN", io.StringIO("".join(_copied(values_of(row)) for row in rows))
            )
            cursor.execute(target.upsert(f"SELECT {names} FROM staging ORDER BY {', '.join(target.key)}"))

    table = quotes.TABLE if target is QUOTES else daily_bars.TABLE

    def ours(rows: Sequence[object]) -> object:
        return store.save({table: rows})

    return {"our store": ours, "executemany": executemany, "execute_values": values, "COPY + merge": copy}


def _copied(row: tuple[object, ...]) -> str:
    return "\t".join("\\N" if value is None else str(value) for value in row) + "\n"


def run(*, quick: bool = False) -> list[Table]:
    """Save fresh, unchanged and changed rows by each way, in turn; rows a second from the median transaction."""
    tables = []
    with running_servers() as servers, Store(SecretStr(servers.dsn)) as store:
        connection = servers.administrate()  # the workers' role may not make a staging table
        for target in (QUOTES, BARS):
            ways = contenders(target, store, connection)
            rows: list[Sequence[str | float]] = []
            for size, times in SIZES.items():
                servers.empty()
                rates = measure(target, ways, size, 2 if quick else times)
                rows += [(_count(size), kind, *(figures[name] for name in ways)) for kind, figures in rates.items()]
                progress(f"{target.table}: {size} rows: done")
            tables.append(Table(f"Upsert into {target.table}", ("rows", "they are", *ways), rows, _note()))
        connection.close()
    return tables


def measure(target: Target, ways: dict[str, Save], size: int, times: int) -> dict[str, dict[str, float]]:
    """Return rows a second for each kind of row and each way. Every transaction has rows of its own."""
    seconds: dict[str, dict[str, list[float]]] = {
        kind: {name: [] for name in ways} for kind in ("fresh", "unchanged", "changed")
    }
    for time_, (name, save) in ((t, way) for t in range(times) for way in ways.items()):
        first = (time_ * len(ways) + list(ways).index(name)) * size
        rows = [target.make(number) for number in range(first, first + size)]
        changed = [_changed(row) for row in rows]
        for kind, given in (("fresh", rows), ("unchanged", rows), ("changed", changed)):
            begun = time.perf_counter()
            save(given)
            seconds[kind][name].append(time.perf_counter() - begun)
    return {kind: {name: size / middle(seen) for name, seen in of.items()} for kind, of in seconds.items()}


def _count(size: int) -> str:
    return f"{size:,}"


def _note() -> str:
    transactions = ", ".join(f"{times} of {size:,}" for size, times in SIZES.items())
    return (
        f"Rows a second, each call one transaction and its commit ({transactions} rows, the ways in turn; medians). "
        "All leave equal rows as they are, and executemany, execute_values and COPY return no counts. The time to "
        "bring our frozen values into each driver's form is included."
    )
