"""CSV, written by PostgreSQL itself (``copy_rows`` in queries.sql) and passed on as it comes."""

from collections.abc import Callable
from typing import BinaryIO, Final

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from common.database.queries import statement

#: After how many rows it is told again: at each row, telling would cost more than writing.
_STEP: Final = 1_000


class _Counted:
    """A file that tells how many rows it was given. PostgreSQL sends one at a time, and first the heading."""

    def __init__(self, file: BinaryIO, told: Callable[[int], None]) -> None:
        self._file = file
        self._told = told
        self._rows = -1

    def write(self, row: bytes) -> int:
        self._rows += 1
        if self._rows % _STEP == 0:
            self._told(self._rows)
        return self._file.write(row)


def write_csv(cursor: Cursor, query: sql.Composed, file: BinaryIO, told: Callable[[int], None]) -> int:
    """Write the query's rows; return how many there were. ``told`` gets the number of rows so far."""
    cursor.copy_expert(sql.SQL(statement("copy_rows")).format(query=query), _Counted(file, told))
    return cursor.rowcount
