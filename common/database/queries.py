"""The statements of ``common/database/sql``, by name, and what more than one place asks with them."""

from functools import cache
from pathlib import Path
from typing import Any, Final

from psycopg2.extensions import cursor as Cursor

from common.errors import StoreNotReady

_FOLDER: Final = Path(__file__).parent / "sql"


@cache
def statement(name: str) -> str:
    """Return the text of ``common/database/sql/<name>.sql``; its comments say what it takes and returns."""
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def read_version(cursor: Cursor) -> tuple[str, str | None]:
    """Return the server's version and the schema's revision, None before the first migration."""
    cursor.execute(statement("schema_state"))
    version, migrated = fetch_one(cursor)
    if not migrated:
        return str(version), None
    cursor.execute(statement("revision"))
    return str(version), str(fetch_one(cursor)[0])


def fetch_one(cursor: Cursor) -> tuple[Any, ...]:
    """Return the one row of a statement that always has one."""
    row = cursor.fetchone()
    if row is None:
        raise StoreNotReady("PostgreSQL answered with no row where it always has one; run python -m common.migrate.")
    return row
