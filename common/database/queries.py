"""The statements of every ``.sql`` file in common/, by name, and what more than one place asks with them."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

from psycopg2.extensions import cursor as Cursor

from common.errors import StoreNotReady

_COMMON: Final = Path(__file__).parents[1]
_HEADING: Final = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def statement(name: str) -> str:
    """Return the statement below ``-- name: <name>``; its comments say what it takes and returns."""
    try:
        return _statements()[name]
    except KeyError:
        raise LookupError(f"no .sql file below {_COMMON} has a statement that is named {name!r}.") from None


@cache
def _statements() -> dict[str, str]:
    return dict(read_statements())


def read_statements(folder: Path = _COMMON) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each statement below the folder, package by package."""
    for path in sorted(folder.rglob("*.sql")):
        _, *parts = _HEADING.split(path.read_text(encoding="utf-8"))
        yield from zip(parts[::2], map(str.strip, parts[1::2]), strict=True)


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
