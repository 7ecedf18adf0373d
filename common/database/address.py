"""Where a database is, how to open it (time-outs of connecting and of statements), and its errors in our terms."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import parse_dsn
from pydantic import SecretStr

from common.errors import ConfigurationError, PipelineError, RowRefused, StoreNotReady, StoreUnavailable

_REMEDIES: Final = (  # the first sign that the message holds decides
    ("certificate", "the host and sslrootcert of {url} must be those of the server's certificate"),
    ("does not support SSL", "let PostgreSQL speak TLS, or leave sslmode out of {url}"),
    ("password", "correct {password}"),
    ("no pg_hba.conf entry", "let this host in in pg_hba.conf"),
    ("does not exist", "run python -m common.migrate"),
    ("statement timeout", "try again, or raise MARKET_DB_TIMEOUT"),
    ("too many clients", "raise PostgreSQL's max_connections, or run fewer workers"),
    ("connection slots", "raise PostgreSQL's max_connections, or run fewer workers"),
    ("No space left", "free space on the database's volume"),
    ("connection to server", "start PostgreSQL, or correct {url}"),
    ("could not translate", "correct the host in {url}"),
)
#: What libpq asks back when nothing listens; the remedy says it.
_ASKED: Final = re.compile(r"\s+Is the server running [^?]*\?")


@dataclass(frozen=True)
class Variables:
    """The names of the variables that a remedy points to."""

    url: str = "MARKET_DATABASE_URL"
    password: str = "MARKET_DB_PASSWORD"  # noqa: S105  a variable's name


class Address:
    """Where a database is, how to open it, and how its errors read. Nothing it shows holds the password."""

    def __init__(
        self,
        dsn: SecretStr,
        *,
        timeout_s: float,
        application_name: str,
        database: str = "",
        variables: Variables = Variables(),
    ) -> None:
        self._variables = variables
        self._parts = _parse(dsn, variables)
        if database:
            self._parts["dbname"] = database
        self._timeout_s = timeout_s
        self._application_name = application_name

    def __str__(self) -> str:
        host, port = self._parts.get("host", "localhost"), self._parts.get("port", "5432")
        return f"{host}:{port}/{self._parts.get('dbname', '')}"

    def connect(self) -> Connection:
        """Open a connection whose statements and whose silences are bounded in time. Raises psycopg2.Error."""
        milliseconds = ceil(self._timeout_s * 1000)
        settings = {
            "statement_timeout": milliseconds,
            "idle_in_transaction_session_timeout": milliseconds * 2,
            "TimeZone": "UTC",
        }
        flags = [self._parts.get("options", ""), *(f"-c {name}={value}" for name, value in settings.items())]
        limits: dict[str, Any] = {
            "connect_timeout": max(2, ceil(self._timeout_s)),  # libpq knows no shorter one
            "tcp_user_timeout": milliseconds,
            "keepalives_idle": max(1, ceil(self._timeout_s)),
            "application_name": self._application_name,
            "options": " ".join(flags).strip(),
        }
        connection: Connection = psycopg2.connect("", **{**self._parts, **limits})
        return connection

    @contextmanager
    def errors_translated(self) -> Iterator[None]:
        """Turn psycopg2's errors into ours."""
        try:
            yield
        except psycopg2.Error as error:
            raise self.translate(error) from None

    def translate(self, error: psycopg2.Error) -> PipelineError:
        """Return our error for psycopg2's: the store is away, is not ready, or refuses the row."""
        # The server's DETAIL is left out: it holds the whole row.
        said = " ".join(_ASKED.sub("", error.diag.message_primary or str(error) or type(error).__name__).split())
        if isinstance(error, psycopg2.IntegrityError | psycopg2.DataError):
            return RowRefused(
                f"PostgreSQL at {self} refuses a row and stored nothing of its transaction: {said}. Validation should "
                "have refused it first: report it with the symbol.",
                constraint=error.diag.constraint_name or "",
            )
        if isinstance(error, psycopg2.ProgrammingError | psycopg2.NotSupportedError):
            return StoreNotReady(
                f"the database at {self} is not what this version needs: {said}; run python -m common.migrate."
            )
        remedy = next((remedy for sign, remedy in _REMEDIES if sign in said), "try again")
        remedy = remedy.format(url=self._variables.url, password=self._variables.password)
        return StoreUnavailable(f"PostgreSQL at {self} failed: {said}; {remedy}.")


def _parse(dsn: SecretStr, variables: Variables) -> dict[str, str]:
    try:
        parts: dict[str, str] = parse_dsn(dsn.get_secret_value())
    except psycopg2.Error:  # its text quotes the part that it cannot read, which may be the password
        raise ConfigurationError(
            f"{variables.url} is not a PostgreSQL URL: write postgresql://user@host:port, and the password in "
            f"{variables.password}.",
            variable=variables.url,
        ) from None
    return parts
