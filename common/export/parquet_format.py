"""Parquet, in row groups: no more of the rows is in memory than one of them."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, Final

import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from pyarrow import parquet

from common.export.relation import Column

#: Rows of a group: enough to compress well; as Python's values they are the most of what an export has in memory.
ROW_GROUP: Final = 50_000
#: A view's computed prices have no declared size; they are rounded to ten decimals.
_UNBOUNDED: Final = pa.decimal128(38, 10)
_NUMERIC: Final = re.compile(r"numeric\((\d+),(\d+)\)")
_TYPES: Final[Mapping[str, pa.DataType]] = {
    "bigint": pa.int64(),
    "boolean": pa.bool_(),
    "bytea": pa.binary(),
    "date": pa.date32(),
    "integer": pa.int32(),
    "numeric": _UNBOUNDED,
    "smallint": pa.int16(),
    "timestamp with time zone": pa.timestamp("us", tz="UTC"),
}


def write_parquet(
    connection: Connection,
    query: sql.Composed,
    columns: Sequence[Column],
    file: BinaryIO,
    *,
    told: Callable[[int], None],
    notes: Mapping[str, str],
) -> int:
    """Write the query's rows; return how many there were. ``told`` gets the number of bytes so far.

    ``notes`` are kept in the file itself.
    """
    schema = pa.schema([pa.field(column.name, _type_of(column.type)) for column in columns], metadata=dict(notes))
    count = 0
    with (
        connection.cursor(name="exported_rows") as cursor,
        parquet.ParquetWriter(file, schema, compression="zstd") as writer,
    ):
        cursor.execute(query)
        while rows := cursor.fetchmany(ROW_GROUP):
            writer.write_batch(_batch(rows, schema), row_group_size=ROW_GROUP)
            count += len(rows)
            told(file.tell())
    return count


def _batch(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatch:
    values = zip(*rows, strict=True)
    arrays = [pa.array(column, type=field.type) for column, field in zip(values, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _type_of(sql_type: str) -> pa.DataType:
    if found := _NUMERIC.fullmatch(sql_type):
        return pa.decimal128(int(found[1]), int(found[2]))
    return _TYPES.get(sql_type, pa.string())
