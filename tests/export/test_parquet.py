"""Parquet files: typed columns that hold the very values of the database."""

import sys
from decimal import Decimal

import pytest

from common.errors import NotExportable
from common.export import Selection
from tests.conftest import missing
from tests.support.exports import ignore
from tests.support.rows import MONDAY, NOON, quote, save_quotes

#: Of infinity psycopg2 makes the last and the first day of Python's calendar, as the file does.
ODD_VALUES = r"""
CREATE TABLE odd (
    n integer PRIMARY KEY, price numeric(20, 6), factor numeric(38, 20), computed numeric, small smallint, big bigint,
    yes boolean, day date, at timestamptz, said text, body bytea
);
INSERT INTO odd VALUES
    (1, 99999999999999.999999, 1e-20, 1e27 + 1e-10, -32768, 9223372036854775807, true, 'infinity', '1999-11-01Z',
     '', ''),
    (2, -0.000001, 999999999999999999.5, -0.1, 0, -9223372036854775808, false, '-infinity',
     '2026-10-05 12:00:00.000001Z', E'a "quoted",\nline; \\N é 株', E'\\x00ff0a220a'),
    (3, null, null, null, null, null, null, null, null, null, null);
"""


def test_parquet_keeps_the_types(exporter, store, tmp_path):
    """Prices are decimals of the column's own size, days are dates, times are in UTC; the file says who invented it."""
    parquet = pytest.importorskip("pyarrow.parquet")
    save_quotes(store, [quote()])
    path = tmp_path / "quotes.parquet"
    exporter.to_file(Selection("latest_quotes"), path, ignore)
    table = parquet.read_table(path)
    (row,) = table.to_pylist()
    assert (row["price"], row["latest_trading_day"], row["data_timestamp"]) == (Decimal("221.580000"), MONDAY, NOON)
    assert str(table.schema.field("price").type) == "decimal128(20, 6)"
    assert table.schema.metadata[b"invented"] == b"true"
    assert parquet.ParquetFile(path).metadata.row_group(0).column(1).compression == "ZSTD"


def test_parquet_holds_the_very_values(exporter, market, tmp_path):
    """Whatever PostgreSQL can hold comes back from the file as it is: each digit, each byte, "" and null."""
    parquet = pytest.importorskip("pyarrow.parquet")
    market.query(ODD_VALUES)
    market.query("GRANT SELECT ON odd TO PUBLIC")
    exporter.to_file(Selection("odd"), tmp_path / "odd.parquet", ignore)
    rows = [tuple(row.values()) for row in parquet.read_table(tmp_path / "odd.parquet").to_pylist()]
    as_python = [(*row[:-1], row[-1] and bytes(row[-1])) for row in market.query("SELECT * FROM odd ORDER BY n")]
    assert rows == as_python
    assert [str(row[1]) for row in rows] == [str(row[1]) for row in as_python]


def test_parquet_refuses_what_it_would_round(exporter, market, tmp_path):
    """A number with more digits than the file's type has ends in a sentence, and in no file."""
    pytest.importorskip("pyarrow")
    market.query("CREATE TABLE fine AS SELECT 1 AS n, 0.12345678901 AS price; GRANT SELECT ON fine TO PUBLIC")
    with pytest.raises(NotExportable, match=r"no place for a value \(column price: .*data loss\): export a \.csv"):
        exporter.to_file(Selection("fine"), tmp_path / "x.parquet", ignore)
    assert list(tmp_path.iterdir()) == []


def test_parquet_without_its_library(exporter, tmp_path, monkeypatch):
    """The sentence names the library and the format that needs none."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(NotExportable, match=r"needs pyarrow, which is not installed here.*\.csv"):
        exporter.to_file(Selection("price_history"), tmp_path / "x.parquet", ignore)


def test_pyarrow_is_there_in_ci():
    """What an export to Parquet needs is missing on no machine that judges it."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        missing("pyarrow")
