"""A handle on a test's own market database, as each role sees it; the fixture that makes it is in conftest.py."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import psycopg2
from psycopg2.extensions import connection
from pydantic import SecretStr

from common.migrate import APP, OWNER, READER
from local.services import Postgres

CHECK_ROWS = Path(__file__).parent / "check_rows.sql"


@dataclass(frozen=True)
class Market:
    """A market database of a test, and its connection URLs for each role."""

    server: Postgres
    password: str
    database: str

    def dsn(self, role: str = APP) -> SecretStr:
        return SecretStr(f"postgresql://{role}:{self.password}@127.0.0.1:{self.server.port}/{self.database}")

    @property
    def owner(self) -> SecretStr:
        return self.dsn(OWNER)

    @property
    def reader(self) -> SecretStr:
        return self.dsn(READER)

    @property
    def admin(self) -> SecretStr:
        return SecretStr(self.server.url(self.database))

    def query(self, statement: str, *values: object) -> list[tuple]:
        """Run a statement as the superuser and return its rows."""
        with self._session.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def connect(self, dsn: SecretStr) -> connection:
        """Open a plain connection of one's own, in autocommit."""
        opened = psycopg2.connect(dsn.get_secret_value())
        opened.autocommit = True
        return opened

    def close(self) -> None:
        self._session.close()

    @cached_property
    def _session(self) -> connection:
        return self.connect(self.admin)

    def violations(self) -> list[str]:
        """Return every broken invariant of the stored rows; asked of PostgreSQL, not of our code."""
        return [f"{rule}: {row}" for rule, row in self.query(CHECK_ROWS.read_text(encoding="utf-8"))]
