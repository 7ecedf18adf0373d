"""CSV, written by PostgreSQL itself (``copy_rows`` in queries.sql) and passed on as it comes."""

from collections.abc import Callable
from typing import BinaryIO, Final

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from common.database.queries import statement

#: After how many bytes it is told again: at each row, telling would cost more than writing.
_STEP: Final = 1 << 16


class _Counted:
    """A file that tells how many bytes it was given."""

    def __init__(self, file: BinaryIO, told: Callable[[int], None]) -> None:
        self._file = file
        self._told = told
        self._bytes = 0
        self._next = 0

    def write(self, data: bytes) -> int:
        self._bytes += len(data)
        if self._bytes >= self._next:
            self._told(self._bytes)
            self._next = self._bytes + _STEP
        return self._file.write(data)


def write_csv(cursor: Cursor, query: sql.Composed, file: BinaryIO, told: Callable[[int], None]) -> int:
    """Write the query's rows; return how many there were. ``told`` gets the number of bytes so far."""
    cursor.copy_expert(sql.SQL(statement("copy_rows")).format(query=query), _Counted(file, told))
    return cursor.rowcount
