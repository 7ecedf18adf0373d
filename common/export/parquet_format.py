"""Parquet, in row groups: PostgreSQL writes CSV, Arrow reads it into typed columns, and no value becomes Python's.

No more of the rows is in memory than one group.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO, Final

import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from pyarrow import csv, parquet

from common.database.queries import statement
from common.errors import NotExportable
from common.export.relation import Column

#: Rows of a group: enough to compress well, and for a reader to skip by their smallest and largest values.
ROW_GROUP: Final = 100_000
#: Where rows are wide, a group ends after so many bytes of text.
_GROUP_BYTES: Final = 1 << 25
#: A view's computed prices have no declared size; they are rounded to ten decimals.
_UNBOUNDED: Final = pa.decimal128(38, 10)
_NUMERIC: Final = re.compile(r"numeric\((\d+),(\d+)\)")
_COLUMN: Final = re.compile(r"In CSV column #(\d+)")
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
    cursor: Cursor,
    query: sql.Composed,
    columns: Sequence[Column],
    file: BinaryIO,
    *,
    told: Callable[[int], None],
    notes: Mapping[str, str],
) -> int:
    """Write the query's rows; return how many there were. ``told`` gets the number of rows so far.

    ``notes`` are kept in the file itself. Raises NotExportable for a value that Parquet has no place for.
    """
    schema = pa.schema([pa.field(column.name, _type_of(column.type)) for column in columns], metadata=dict(notes))
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        groups = _RowGroups(writer, schema, told)
        cursor.copy_expert(sql.SQL(statement("copy_rows_alone")).format(query=query), groups)
        groups.flush()
    return cursor.rowcount


class _RowGroups:
    """A file for COPY that makes a row group of each so many rows. PostgreSQL sends one row at a time, and whole."""

    def __init__(self, writer: parquet.ParquetWriter, schema: pa.Schema, told: Callable[[int], None]) -> None:
        self._writer = writer
        self._schema = schema
        self._told = told
        self._rows: list[bytes] = []
        self._bytes = 0
        self._written = 0

    def write(self, row: bytes) -> int:
        self._rows.append(row)
        self._bytes += len(row)
        if len(self._rows) == ROW_GROUP or self._bytes >= _GROUP_BYTES:
            self.flush()
        return len(row)

    def flush(self) -> None:
        if self._rows:
            table = _read(b"".join(self._rows), self._schema)
            self._rows.clear()
            self._bytes = 0
            self._writer.write_table(table, row_group_size=ROW_GROUP)
            self._written += table.num_rows
            self._told(self._written)


def _read(text: bytes, schema: pa.Schema) -> pa.Table:
    """Return PostgreSQL's CSV as typed columns: null is nothing, an empty text is ``""``."""
    types = {field.name: pa.string() if pa.types.is_binary(field.type) else field.type for field in schema}
    try:
        table = csv.read_csv(
            pa.py_buffer(text),
            csv.ReadOptions(column_names=schema.names, block_size=len(text) + 1),
            csv.ParseOptions(newlines_in_values=True),
            csv.ConvertOptions(
                column_types=types,
                null_values=[""],
                true_values=["t"],
                false_values=["f"],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        said = _COLUMN.sub(lambda found: f"column {schema.names[int(found[1])]}", str(error))
        raise NotExportable(f"Parquet has no place for a value ({said}): export a .csv.") from None
    columns = [_decoded(table[field.name]) if pa.types.is_binary(field.type) else table[field.name] for field in schema]
    return pa.table(columns, schema=schema)


def _decoded(column: pa.ChunkedArray) -> pa.Array:
    """Return the bytes that PostgreSQL writes as hexadecimal digits after a ``\\x``."""
    values = [value and bytes.fromhex(value.removeprefix(r"\x")) for value in column.to_pylist()]
    return pa.array(values, pa.binary())


def _type_of(sql_type: str) -> pa.DataType:
    if found := _NUMERIC.fullmatch(sql_type):
        return pa.decimal128(int(found[1]), int(found[2]))
    return _TYPES.get(sql_type, pa.string())
