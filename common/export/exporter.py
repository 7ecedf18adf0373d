"""An export: one snapshot of the database, one file, one manifest."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final, cast

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from pydantic import SecretStr

from common.database.address import Address
from common.database.migrations import HEAD
from common.database.queries import fetch_one, read_version, statement
from common.errors import NotExportable, StoreNotReady
from common.export.csv_format import write_csv
from common.export.files import written_whole
from common.export.manifest import ExportedColumn, Manifest, manifest_of
from common.export.relation import Relation, Selection, read_relation

Told = Callable[[int], None]

FORMATS: Final = ("csv", "parquet")
#: Minutes are enough for a whole history: what takes hours hangs.
_LIMIT: Final = "SET LOCAL statement_timeout = '2h'"


class Exporter:
    """Exports from the market database at ``dsn``, and changes nothing there. ``invented``: whose prices they are.

    Connecting, and the server's silences, are bounded by ``timeout_s``.

    Every method raises NotExportable (ask for something else), StoreUnavailable or StoreNotReady, and OSError where
    the file cannot be written; no file is left then, and one that was there before is as it was.
    """

    def __init__(self, dsn: SecretStr, *, timeout_s: float, invented: bool) -> None:
        self._address = Address(dsn, timeout_s=timeout_s, application_name="stock-pipeline-export")
        self._connection: Connection | None = None
        self.invented = invented

    def cancel(self) -> None:
        """End the statement that runs, if one does; from any thread. The method that runs it raises."""
        connection = self._connection
        if connection is not None:
            with suppress(psycopg2.Error):  # it has just ended, or the server has: there is nothing to cancel
                connection.cancel()

    def to_stream(self, selection: Selection, stream: BinaryIO, told: Told) -> int:
        """Write CSV to a stream; return the number of rows. ``told`` gets the number of rows so far."""
        with self._snapshot(selection) as snapshot:
            return write_csv(snapshot.cursor, snapshot.rows(finite=False), stream, told)

    def to_file(self, selection: Selection, path: Path, told: Told) -> Manifest:
        """Write a file, CSV or Parquet as its name ends, and its manifest; return the latter.

        The manifest is written last, and that of a former file goes before this one takes its place: a file with a
        manifest beside it is a whole one.
        """
        kind = format_of(path)
        with self._snapshot(selection) as snapshot, written_whole(path) as file:
            lacking = snapshot.symbols_without_rows()
            rows = self._write(kind, snapshot, file, told)
            size = file.tell()
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            manifest_of(path).unlink(missing_ok=True)
        manifest = Manifest(
            file=path.name,
            format=kind,
            rows=rows,
            bytes=size,
            sha256=digest,
            exported_at=snapshot.taken_at,
            revision=HEAD,
            invented=self.invented,
            selection=selection,
            symbols_without_rows=lacking,
            columns=[ExportedColumn(each.name, each.type, each.meaning) for each in snapshot.relation.columns],
        )
        with written_whole(manifest_of(path)) as file:
            file.write(manifest.as_json().encode())
        return manifest

    @contextmanager
    def _snapshot(self, selection: Selection) -> Iterator["_Snapshot"]:
        """Open a transaction that sees one state of the database to its end, and can change none."""
        with self._address.errors_translated(), closing(self._address.connect()) as connection:
            connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
            self._connection = connection
            try:
                with connection.cursor() as cursor:
                    cursor.execute(_LIMIT)
                    taken_at = _taken_at(cursor)
                    yield _Snapshot(cursor, taken_at, read_relation(cursor, selection.relation), selection)
            finally:
                self._connection = None

    def _write(self, kind: str, snapshot: "_Snapshot", file: BinaryIO, told: Told) -> int:
        if kind == "csv":
            return write_csv(snapshot.cursor, snapshot.rows(finite=False), file, told)
        from common.export.parquet_format import write_parquet  # noqa: PLC0415  needs a library that may be missing

        notes = {
            "relation": snapshot.relation.name,
            "exported_at": snapshot.taken_at.isoformat(),
            "invented": str(self.invented).lower(),
        }
        columns = snapshot.relation.columns
        return write_parquet(snapshot.cursor, snapshot.rows(finite=True), columns, file, told=told, notes=notes)


@dataclass(frozen=True)
class _Snapshot:
    """A transaction with one relation of it, and which of its rows are exported."""

    cursor: Cursor
    taken_at: datetime
    relation: Relation
    selection: Selection

    def rows(self, *, finite: bool) -> sql.Composed:
        """Return the query for the rows. Raises NotExportable."""
        return self.relation.rows(self.selection, finite=finite)

    def symbols_without_rows(self) -> list[str]:
        """Return which of the symbols that were asked for have no row to export."""
        if self.selection.symbols is None:
            return []
        self.cursor.execute(self.relation.symbols(self.selection))
        found = {symbol for (symbol,) in self.cursor.fetchall()}
        return [str(symbol) for symbol in self.selection.symbols if symbol not in found]


def format_of(path: Path) -> str:
    """Return the format that the file's name ends with. Raises NotExportable."""
    kind = path.suffix[1:].lower()
    if kind not in FORMATS:
        raise NotExportable(f"{path.name[:128]!r} says no format: let the name end with .csv or .parquet.")
    if kind == "parquet":
        try:
            import pyarrow  # noqa: F401, PLC0415  only to see whether it is there
        except ImportError:
            raise NotExportable(
                "Parquet needs pyarrow, which is not installed here: install it, or export a .csv."
            ) from None
    return kind


def _taken_at(cursor: Cursor) -> datetime:
    """Return when the transaction began. Raises StoreNotReady for a schema that is not this version's."""
    _, revision = read_version(cursor)
    if revision != HEAD:
        raise StoreNotReady(f"the schema's revision is {revision}, not {HEAD}: run python -m common.migrate.")
    cursor.execute(statement("snapshot_time"))
    (taken_at,) = fetch_one(cursor)
    return cast(datetime, taken_at)
