"""COPY for a symbol that a table has no row of yet: its history is stored in a third of an upsert's time.

Nothing is locked for it. Where another transaction stores a row of the symbol in the same moment, COPY waits for its
end and then fails by the unique key; what it wrote is taken back, and the caller's upsert tells what is new.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from io import StringIO
from operator import attrgetter
from typing import Any, Final

from psycopg2.errors import UniqueViolation
from psycopg2.extensions import cursor as Cursor

from common.database.rows import as_json
from common.database.upsert import latest_sessions
from common.datasets.dataset import Table

#: For fewer rows of a symbol an upsert is as fast as the question whether the table has any.
_FROM_ROWS: Final = 500
#: How much of the text (characters) goes to PostgreSQL at once.
_CHUNK: Final = 1 << 16
_NULL: Final = r"\N"
_ESCAPES: Final = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def copy_new(cursor: Cursor, table: Table, rows: Sequence[object]) -> list[tuple[Any, ...]]:
    """Store all rows of those symbols that have many here and none in the table; return the keys of these.

    Each key is given once. It is for a table of sessions, whose upsert does no more than to store.
    """
    many = [symbol for symbol, count in Counter(map(table.symbol_of, rows)).items() if count >= _FROM_ROWS]
    if not many or not table.session or table.statement:
        return []
    cursor.execute(latest_sessions(table), {"symbols": as_json(many)})
    new = set(many).difference(symbol for symbol, _ in cursor.fetchall())
    by_symbol = zip(map(table.symbol_of, rows), rows, strict=True)
    copied = sorted((row for symbol, row in by_symbol if symbol in new), key=table.key_of)
    return list(map(table.key_of, copied)) if copied and _copy(cursor, table, copied) else []


def _copy(cursor: Cursor, table: Table, rows: Sequence[object]) -> bool:
    """Copy rows in the order of their keys, as every writer takes its locks; return False if one is there already."""
    cursor.execute("SAVEPOINT before_copy")
    try:
        names = ", ".join(table.columns)
        cursor.copy_expert(f"COPY {table.name} ({names}) FROM STDIN", StringIO(_lines(table, rows)), _CHUNK)
    except UniqueViolation:
        cursor.execute("ROLLBACK TO SAVEPOINT before_copy")
        return False
    return True


def _lines(table: Table, rows: Sequence[object]) -> str:
    """Return the rows in COPY's text format: a line each, and a tab between two values."""
    columns = [_texts(map(attrgetter(name), rows)) for name in table.columns]
    return "\n".join(map("\t".join, zip(*columns, strict=True))) + "\n"


def _texts(values: Iterable[object]) -> list[str]:
    return [
        _NULL if value is None else value.translate(_ESCAPES) if isinstance(value, str) else str(value)
        for value in values
    ]
