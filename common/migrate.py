"""Make the databases, roles and tables: ``python -m common.migrate``, the init step that everything waits for.

Four roles share a market database: ``market_owner`` migrates, ``market_app`` reads and writes rows,
``market_reader`` reads, for people and the page of charts, and ``pipeline_monitor`` reads for the exporter of metrics.
Every step may run again, and several at once.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import psycopg2
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from psycopg2.extensions import encrypt_password
from pydantic import SecretStr
from sqlalchemy import Connection as SqlConnection
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from common.adjust.rebuild import fill_factors
from common.command_line import run
from common.database.address import Address, Variables
from common.database.migrations import HEAD
from common.database.queries import read_version, statement
from common.errors import PipelineError, Retryable, StoreNotReady
from common.settings import ProvisioningSettings
from common.settings.monitoring import MONITOR

OWNER: Final = "market_owner"
APP: Final = "market_app"
READER: Final = "market_reader"
AIRFLOW: Final = "airflow"

_LOCK: Final = 0x73746F636B  # any fixed number does, as long as nobody else locks the same
_TIMEOUT_S: Final = 10.0  # for a connection; a statement may take its time, and so may those who are before us
_PATIENCE: Final = "SET statement_timeout = 0; SET lock_timeout = '60s'"
_ADMINISTRATOR_VARIABLES: Final = Variables("ADMIN_DATABASE_URL", "POSTGRES_PASSWORD")
_OWNER_VARIABLES: Final = Variables(password="MARKET_OWNER_PASSWORD")  # noqa: S106  a variable's name
_NAME: Final = "stock-pipeline-migrate"
_DESCRIPTION: Final = (
    "Make the databases, roles and tables that are missing; safe to run again, and by several at once. Reads "
    "ADMIN_DATABASE_URL (empty: databases and roles are there already), POSTGRES_PASSWORD, MARKET_DATABASE_URL, "
    "MARKET_OWNER_PASSWORD, MARKET_DB_PASSWORD, MARKET_READER_PASSWORD, AIRFLOW_DB_PASSWORD (empty: not Airflow's "
    "database) and MONITOR_DB_PASSWORD (empty: no role for the exporter), each also from the file that NAME_FILE names."
)
_ALTER_ROLE: Final = (
    "ALTER ROLE {role} WITH LOGIN PASSWORD {verifier} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
)


def provision(
    admin_dsn: SecretStr,
    *,
    owner_password: SecretStr,
    app_password: SecretStr,
    reader_password: SecretStr,
    databases: Sequence[str] = ("market", "market_sandbox"),
    airflow_password: SecretStr | None = None,
    monitor_password: SecretStr | None = None,
) -> None:
    """Make the roles and the databases that are missing, and set passwords and rights of all as given.

    Airflow's database and role are made where ``airflow_password`` is given, the exporter's role where
    ``monitor_password`` is; config/airflow_init.py lets it read Airflow's tables. Raises PipelineError.
    """
    passwords = {OWNER: owner_password, APP: app_password, READER: reader_password}
    owners = dict.fromkeys(databases, OWNER)
    if airflow_password:
        passwords[AIRFLOW] = airflow_password
        owners[AIRFLOW] = AIRFLOW
    if monitor_password:
        passwords[MONITOR] = monitor_password
    with _administrator(admin_dsn) as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))  # ends with the connection
        for role, password in passwords.items():
            _ensure_role(cursor, role, password)
        for database, owner in owners.items():
            _ensure_database(cursor, database, owner)
        for database in databases:
            _grant(admin_dsn, database)
        if monitor_password:
            _let_monitor(admin_dsn, owners)


def migrate(owner_dsn: SecretStr) -> str:
    """Bring the tables to the newest revision, all steps in one transaction, and return the revision.

    Several at once wait for each other. Raises PipelineError.
    """
    address = Address(owner_dsn, timeout_s=_TIMEOUT_S, application_name=_NAME, variables=_OWNER_VARIABLES)
    engine = create_engine("postgresql+psycopg2://", creator=address.connect, poolclass=NullPool)
    try:
        with engine.begin() as connection:
            connection.execute(text(_PATIENCE))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            _upgrade(connection)
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg2.Error):
            raise
        raise address.translate(error.orig) from None  # SQLAlchemy's text holds the statement and its values
    except CommandError as error:
        raise StoreNotReady(
            f"the database at {address} cannot be migrated: {error}; install the version that it was migrated with."
        ) from None
    _fill(address)
    return HEAD


def current_revision(dsn: SecretStr) -> str | None:
    """Return the revision of the database's tables, None where there are none yet. Raises PipelineError."""
    address = Address(dsn, timeout_s=_TIMEOUT_S, application_name=_NAME)
    with address.errors_translated(), closing(address.connect()) as connection, connection.cursor() as cursor:
        return read_version(cursor)[1]


def _upgrade(connection: SqlConnection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "database" / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _fill(address: Address) -> None:
    """Compute the factors of what a version before this one stored, batch by batch. Raises PipelineError."""
    filled = -1
    with address.errors_translated(), closing(address.connect()) as connection:
        while filled:
            with connection, connection.cursor() as cursor:  # a transaction
                cursor.execute(_PATIENCE)
                filled = fill_factors(cursor)


@contextmanager
def _administrator(dsn: SecretStr, database: str = "") -> Iterator[Cursor]:
    """Open a superuser's session without transactions, which CREATE DATABASE does not bear."""
    address = Address(
        dsn, timeout_s=_TIMEOUT_S, application_name=_NAME, database=database, variables=_ADMINISTRATOR_VARIABLES
    )
    with address.errors_translated(), closing(address.connect()) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(_PATIENCE)
            yield cursor


def _ensure_role(cursor: Cursor, role: str, password: SecretStr) -> None:
    """Make the role if it is missing, with the password's verifier: the password itself reaches no server log."""
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
    if not cursor.fetchone():
        cursor.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
    verifier = encrypt_password(password.get_secret_value(), role, cursor.connection, "scram-sha-256")
    cursor.execute(sql.SQL(_ALTER_ROLE).format(role=sql.Identifier(role), verifier=sql.Literal(verifier)))


def _ensure_database(cursor: Cursor, database: str, owner: str) -> None:
    names = {"database": sql.Identifier(database), "owner": sql.Identifier(owner)}
    cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,))
    if not cursor.fetchone():
        create = "CREATE DATABASE {database} OWNER {owner} ENCODING 'UTF8' TEMPLATE template0"
        cursor.execute(sql.SQL(create).format(**names))
    cursor.execute(sql.SQL("ALTER DATABASE {database} OWNER TO {owner}").format(**names))
    cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {database} FROM PUBLIC").format(**names))


def _grant(admin_dsn: SecretStr, database: str) -> None:
    names = {"database": database, "owner": OWNER, "app": APP, "reader": READER}
    identifiers = {key: sql.Identifier(name) for key, name in names.items()}
    with _administrator(admin_dsn, database) as cursor:
        cursor.execute(sql.SQL(statement("grant_market")).format(**identifiers))


def _let_monitor(admin_dsn: SecretStr, owners: Mapping[str, str]) -> None:
    """Let the exporter's role into each database, and read the market's tables."""
    for database, owner in owners.items():
        names = {"database": database, "owner": owner, "monitor": MONITOR}
        identifiers = {key: sql.Identifier(name) for key, name in names.items()}
        with _administrator(admin_dsn, database) as cursor:
            cursor.execute(sql.SQL(statement("grant_monitor")).format(**identifiers))
            if owner == OWNER:
                cursor.execute(sql.SQL(statement("grant_monitor_market")).format(**identifiers))


def main(arguments: Sequence[str] | None = None, environment: Mapping[str, str] | None = None) -> int:
    """Run the init step. Return 0 when all is in place, 1 if trying again can help, 2 if a person must act first."""
    parser = argparse.ArgumentParser(prog="python -m common.migrate", description=_DESCRIPTION)
    parser.parse_args(arguments)
    try:
        for line in _initialise(ProvisioningSettings.from_environment(environment)):
            print(line, flush=True)
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, Retryable) else 2
    return 0


def _initialise(settings: ProvisioningSettings) -> Iterator[str]:
    """Do what the settings ask for; yield a line for each thing done."""
    if settings.admin_database_url:
        airflow = settings.airflow_db_password if settings.airflow_db_password.get_secret_value() else None
        provision(
            settings.admin_dsn,
            owner_password=settings.market_owner_password,
            app_password=settings.market_db_password,
            reader_password=settings.market_reader_password,
            databases=settings.market_databases,
            airflow_password=airflow,
            monitor_password=settings.monitor_db_password if settings.monitor_db_password.get_secret_value() else None,
        )
        made = [*settings.market_databases, *([AIRFLOW] if airflow else [])]
        yield f"databases {', '.join(made)}: in place, with their roles"
    else:
        yield "ADMIN_DATABASE_URL is empty: databases and roles are taken as they are"
    for database in settings.market_databases:
        yield f"{database}: revision {migrate(settings.owner_dsn(database, OWNER))}"


if __name__ == "__main__":
    run(main)
