"""Exports: a million bars as CSV and as Parquet, beside COPY alone and beside Parquet by way of Python's decimals."""

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
from psycopg2.extensions import Column
from psycopg2.extensions import cursor as Cursor
from pyarrow import parquet
from pydantic import SecretStr

from benchmarks.clusters import progress
from benchmarks.servers import Servers, running_servers
from benchmarks.tables import Table, middle
from common.export import Exporter, Selection

SYMBOLS, TIMES = 200, 3
VIEWS = ("price_history", "adjusted_history")
#: Twenty years of each symbol, with a split of two for one in the middle.
INSERT = """
INSERT INTO daily_bars
SELECT 'S' || n, date '2006-09-01' + day, 9.1 + day, 9.2 + day, 9 + day, 9.12 + day, 1000000 + day * 17
FROM generate_series(1, %s) AS n, generate_series(1, 5000) AS day;
INSERT INTO adjustment_factors
SELECT DISTINCT symbol, date '-infinity', date '2016-10-05', 0.5, 0.4 FROM daily_bars
UNION ALL SELECT DISTINCT symbol, date '2016-10-05', date 'infinity', 1, 1 FROM daily_bars;
ANALYZE
"""
ROWS = "SELECT * FROM {} ORDER BY symbol, session"
GROUP = 50_000
NUMERIC = 1700  # the type's number in PostgreSQL


def run(*, quick: bool = False) -> list[Table]:
    """Export two views, each way in turn."""
    symbols, times = (2, 1) if quick else (SYMBOLS, TIMES)
    with running_servers() as servers, tempfile.TemporaryDirectory() as folder:
        connection = servers.administrate()
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(INSERT, (symbols,))
            rows = list(_measured(servers, cursor, Path(folder), times))
        connection.close()
    title = f"Exporting {symbols * 5000:,} bars"
    return [Table(title, ("rows/s", *VIEWS), rows, _NOTE)]


def _measured(servers: Servers, cursor: Cursor, folder: Path, times: int) -> Iterator[Sequence[str | float]]:
    exporter = Exporter(SecretStr(servers.dsn), timeout_s=60, invented=True)

    def export(kind: str) -> Callable[[str, Path], int]:
        return lambda view, path: exporter.to_file(Selection(view), path.with_suffix(kind), lambda count: None).rows

    ways: dict[str, Callable[[str, Path], int]] = {
        "COPY alone": lambda view, path: _copied(cursor, view, path),
        "ours, CSV": export(".csv"),
        "ours, Parquet": export(".parquet"),
        "Parquet by way of Python's decimals": lambda view, path: _by_decimals(servers, view, path),
    }
    figures = defaultdict[tuple[str, str], list[float]](list)
    for _ in range(times):
        for view, (name, way) in product(VIEWS, ways.items()):
            begun = time.perf_counter()
            count = way(view, folder / "bars")
            figures[name, view].append(count / (time.perf_counter() - begun))
        progress("one round is done")
    for name in ways:
        yield name, *(middle(figures[name, view]) for view in VIEWS)


def _copied(cursor: Cursor, view: str, path: Path) -> int:
    with path.open("wb") as file:
        cursor.copy_expert(f"COPY ({ROWS.format(view)}) TO STDOUT WITH (FORMAT csv, HEADER)", file)
    return cursor.rowcount


def _by_decimals(servers: Servers, view: str, path: Path) -> int:
    """Write Parquet from rows that psycopg2 made Python's: what exports were at first."""
    with closing(servers.connect()) as connection, connection.cursor(name="rows") as cursor, path.open("wb") as file:
        cursor.execute(ROWS.format(view))
        return _groups(cursor, file)


def _groups(cursor: Cursor, file: BinaryIO) -> int:
    batch, count = cursor.fetchmany(GROUP), 0
    schema = pa.schema([(column.name, _type_of(column)) for column in cursor.description or ()])
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while batch:
            columns = zip(*batch, strict=True)
            arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
            writer.write_table(pa.table(arrays, schema=schema))
            count += len(batch)
            batch = cursor.fetchmany(GROUP)
    return count


def _type_of(column: Column) -> pa.DataType:
    if column.type_code != NUMERIC:
        return {20: pa.int64(), 1082: pa.date32()}.get(column.type_code, pa.string())
    sized = column.precision is not None and column.precision <= 38
    return pa.decimal128(column.precision, column.scale) if sized else pa.decimal128(38, 10)


_NOTE = (
    f"The median of {TIMES} rounds, all ways in turn. Ours read in a snapshot, compute the digest, flush to the disk "
    "and write a manifest; the other two do none of it. By way of decimals each value is made Python's first."
)
