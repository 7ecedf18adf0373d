"""Databases, roles and tables: made once, by however many, and open to nobody more than they need."""

import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from secrets import token_hex

import psycopg2
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg2 import errors
from pydantic import SecretStr

from common import migrate as module
from common.database.migrations import HEAD
from common.errors import ConfigurationError, StoreNotReady, StoreUnavailable
from common.migrate import APP, OWNER, READER, current_revision, main, migrate, provision
from common.settings import ProvisioningSettings
from local.ports import free_port
from local.services import Postgres
from tests.support.rows import quote, save_quotes
from tests.support.servers import serving

PASSWORDS = {
    name: f"{name.lower()}-{token_hex(6)}/@:%"  # what a URL must quote
    for name in ("MARKET_OWNER_PASSWORD", "MARKET_DB_PASSWORD", "MARKET_READER_PASSWORD", "AIRFLOW_DB_PASSWORD")
}


@pytest.fixture(scope="module")
def bare(services_folder: Path) -> Iterator[Postgres]:
    """A PostgreSQL on which nothing was ever made, and which logs every statement."""
    server = Postgres(services_folder / "bare", free_port(), f"root-{token_hex(8)}", durable=False)
    server.initialise()
    with (server.folder / "postgresql.conf").open("a", encoding="utf-8") as configuration:
        configuration.write("log_statement = all\n")
    with serving(server):
        yield server


def environment_of(server: Postgres, **changes: str) -> dict[str, str]:
    """What the init step is given for this server."""
    return {
        "ADMIN_DATABASE_URL": f"postgresql://postgres@127.0.0.1:{server.port}/postgres",
        "POSTGRES_PASSWORD": server.password,
        "MARKET_DATABASE_URL": f"postgresql://market_app@127.0.0.1:{server.port}",
        **PASSWORDS,
        **changes,
    }


def connect(server: Postgres, role: str, password: str, database: str):
    return psycopg2.connect(
        host="127.0.0.1", port=server.port, user=role, password=password, dbname=database, connect_timeout=10
    )


@pytest.fixture(scope="module")
def provisioned(bare: Postgres) -> list[str]:
    """What five init steps print that were started at once on a bare server, in processes of their own."""
    command = [sys.executable, "-m", "common.migrate"]
    environment = {**os.environ, **environment_of(bare)}
    steps = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(5)
    ]
    printed = [step.communicate(timeout=100)[0] for step in steps]
    assert [step.returncode for step in steps] == [0] * 5, printed
    return printed


def test_five_init_steps_at_once(provisioned):
    """All five end well and say the same."""
    said = [
        "databases market, market_sandbox, airflow: in place, with their roles",
        f"market: revision {HEAD}",
        f"market_sandbox: revision {HEAD}",
    ]
    assert [printed.splitlines() for printed in provisioned] == [said] * 5


@pytest.mark.usefixtures("provisioned")
@pytest.mark.parametrize(
    ("role", "variable", "database"),
    [
        (OWNER, "MARKET_OWNER_PASSWORD", "market"),
        (APP, "MARKET_DB_PASSWORD", "market_sandbox"),
        (READER, "MARKET_READER_PASSWORD", "market"),
        ("airflow", "AIRFLOW_DB_PASSWORD", "airflow"),
    ],
)
def test_each_role_enters_where_it_belongs(bare, role, variable, database):
    """Every role enters its database with its password, and is no superuser and no maker of roles."""
    with closing(connect(bare, role, PASSWORDS[variable], database)) as session, session.cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls "
            "FROM pg_roles WHERE rolname = current_user"
        )
        assert cursor.fetchone() == (False,)


@pytest.mark.usefixtures("provisioned")
@pytest.mark.parametrize(
    ("role", "variable", "database"),
    [(APP, "MARKET_DB_PASSWORD", "airflow"), ("airflow", "AIRFLOW_DB_PASSWORD", "market")],
)
def test_no_role_enters_other_s_database(bare, role, variable, database):
    """Market roles stay out of Airflow's database, and Airflow out of the market's."""
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        connect(bare, role, PASSWORDS[variable], database)


@pytest.mark.usefixtures("provisioned")
def test_airflow_can_make_its_tables(bare):
    """Airflow's role migrates its own database."""
    with closing(connect(bare, "airflow", PASSWORDS["AIRFLOW_DB_PASSWORD"], "airflow")) as session:
        session.cursor().execute("CREATE TABLE made_by_airflow (id int)")


@pytest.mark.usefixtures("provisioned")
def test_server_logs_no_password(bare):
    """The server logged every statement, the ALTER ROLE too, and no password with it."""
    log = bare.folder.with_suffix(".log").read_text(encoding="utf-8", errors="replace")
    assert 'ALTER ROLE "market_app"' in log
    assert not [name for name, password in PASSWORDS.items() if password in log]


@pytest.mark.usefixtures("provisioned")
def test_provisioning_again_sets_the_new_passwords(bare, capsys):
    """A changed password holds after the next init step, the old one no more; the rows stay."""
    fresh = token_hex(8)
    with closing(connect(bare, OWNER, PASSWORDS["MARKET_OWNER_PASSWORD"], "market")) as session, session:
        session.cursor().execute("INSERT INTO api_calls (permit_id, key_digest) VALUES ('kept', 'k')")
    try:
        assert main([], environment_of(bare, MARKET_DB_PASSWORD=fresh)) == 0
        with closing(connect(bare, APP, fresh, "market")) as session, session.cursor() as cursor:
            cursor.execute("SELECT permit_id FROM api_calls")
            assert cursor.fetchall() == [("kept",)]
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            connect(bare, APP, PASSWORDS["MARKET_DB_PASSWORD"], "market")
    finally:
        assert main([], environment_of(bare)) == 0
    assert fresh not in capsys.readouterr().out


@pytest.mark.usefixtures("provisioned")
def test_without_administrator_only_tables_are_made(bare, capsys):
    """Where somebody else makes roles and databases, the owner's password is all that is needed."""
    url = f"postgresql://market_app@127.0.0.1:{bare.port}/market"
    environment = {"MARKET_DATABASE_URL": url, "MARKET_OWNER_PASSWORD": PASSWORDS["MARKET_OWNER_PASSWORD"]}
    assert main([], environment) == 0
    assert capsys.readouterr().out.splitlines() == [
        "ADMIN_DATABASE_URL is empty: databases and roles are taken as they are",
        f"market: revision {HEAD}",
    ]


@pytest.mark.usefixtures("provisioned")
@pytest.mark.parametrize(
    ("changes", "code", "remedy"),
    [
        ({"POSTGRES_PASSWORD": "wr0ng-MARK"}, 1, "correct POSTGRES_PASSWORD"),
        (
            {"ADMIN_DATABASE_URL": "postgresql://postgres:wr0ng-MARK%zz@h/x"},
            2,
            "ADMIN_DATABASE_URL is not a PostgreSQL",
        ),
        ({"ADMIN_DATABASE_URL": "", "MARKET_OWNER_PASSWORD": "wr0ng-MARK"}, 1, "correct MARKET_OWNER_PASSWORD"),
        ({"MARKET_READER_PASSWORD": ""}, 2, "MARKET_READER_PASSWORD is empty: set it, or name a file"),
        ({"MARKET_DATABASE_URL": "sqlite:///wr0ng"}, 2, "MARKET_DATABASE_URL must start with postgres"),
    ],
)
def test_errors_of_the_init_step(bare, capsys, changes, code, remedy):
    """What is wrong ends in one line with the remedy, in its exit code, and without any password."""
    environment = environment_of(bare, **changes)
    assert main([], environment) == code
    output = capsys.readouterr()
    assert output.out in ("", "ADMIN_DATABASE_URL is empty: databases and roles are taken as they are\n")
    [line] = output.err.splitlines()
    assert line.startswith("error: ")
    assert remedy in line
    assert "wr0ng-MARK" not in line
    assert not [name for name, password in PASSWORDS.items() if password in line]


def test_a_server_that_is_not_there(capsys):
    """Exit code 1 says that trying again can help."""
    nowhere = Postgres(Path(), free_port(), "x")
    assert main([], environment_of(nowhere)) == 1
    assert "start PostgreSQL, or correct ADMIN_DATABASE_URL" in capsys.readouterr().err


def test_provisioning_by_a_role_without_rights(market):
    """An administrator who may not make roles is told so, without a trace of passwords."""
    secret = SecretStr("s3cret-MARK")
    with pytest.raises(StoreNotReady, match="permission denied") as refused:
        provision(market.owner, owner_password=secret, app_password=secret, reader_password=secret)
    assert "s3cret-MARK" not in "".join(traceback.format_exception(refused.value))


def test_migrating_without_rights(market):
    """A role that is not the owner cannot migrate; the error holds no statement and no password."""
    market.query("DROP TABLE alembic_version")
    with pytest.raises(StoreNotReady, match="permission denied for schema public") as refused:
        migrate(market.dsn())
    shown = "".join(traceback.format_exception(refused.value))
    assert "CREATE TABLE" not in shown
    assert market.password not in shown


def test_a_newer_schema_is_left_alone(market):
    """A database that a newer version migrated is not touched, and the error says which version to take."""
    market.query("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreNotReady, match="install the version that it was migrated with"):
        migrate(market.owner)
    assert current_revision(market.dsn()) == "9999"


def test_a_failed_migration_leaves_nothing(market):
    """All steps are one transaction: if one fails, no table of the others stays."""
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    others = [table for (table,) in market.query(tables) if table != "api_calls"]  # the last of the first step
    market.query(f"DROP TABLE {', '.join(others)} CASCADE")
    with pytest.raises(StoreNotReady, match="already exists"):
        migrate(market.owner)
    assert market.query(tables) == [("api_calls",)]
    assert current_revision(market.dsn()) is None


def test_migrating_again_changes_nothing(market):
    """The second migration finds everything in place."""
    catalogue = "SELECT oid, xmin::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY oid"
    before = market.query(catalogue)
    assert migrate(market.owner) == HEAD
    assert market.query(catalogue) == before


def test_a_migration_waits_for_another_one(market, monkeypatch):
    """Who cannot get the lock in time gives up with an error that can heal."""
    monkeypatch.setattr(module, "_PATIENCE", "SET lock_timeout = '50ms'")
    with closing(market.connect(market.admin)) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", (module._LOCK,))
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            migrate(market.owner)
    assert migrate(market.owner) == HEAD


def test_head_is_the_newest_step():
    """The revision that workers compare with is the last one of the chain, which has one end."""
    config = Config()
    config.set_main_option("script_location", str(Path(module.__file__).parent / "database" / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_seeds_columns_keep_their_names(market):
    """``stock_quotes`` begins with the columns that its readers know, in their order."""
    columns = market.query(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'stock_quotes' ORDER BY ordinal_position"
    )
    known = (
        "id symbol open_price high_price low_price price volume latest_trading_day previous_close change_amount "
        "change_percent data_timestamp created_at"
    )
    assert [name for (name,) in columns][:13] == known.split()


FORBIDDEN = {
    APP: [
        "CREATE TABLE mine (id int)",
        "DROP TABLE stock_quotes",
        "TRUNCATE stock_quotes",
        "ALTER TABLE stock_quotes ADD mine int",
        "CREATE SCHEMA mine",
        "UPDATE alembic_version SET version_num = 'x'",
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE ROLE mine",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY stock_quotes TO PROGRAM 'true'",
    ],
    READER: [
        "INSERT INTO api_calls (permit_id, key_digest) VALUES ('p', 'k')",
        "UPDATE stock_quotes SET price = 1",
        "DELETE FROM stock_quotes",
        "TRUNCATE stock_quotes",
        "DROP TABLE stock_quotes",
        "CREATE TABLE mine (id int)",
        "UPDATE price_history SET volume = 0",
        "SELECT symbol FROM stock_quotes FOR UPDATE",
    ],
}


@pytest.mark.parametrize("role", [APP, READER])
def test_what_a_role_may_not_do(market, role):
    """The app changes rows and no table, the reader nothing at all, even if it lifts its read-only default."""
    with closing(market.connect(market.dsn(role))) as session, session.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = off")
        for statement in FORBIDDEN[role]:
            with pytest.raises(errors.InsufficientPrivilege):
                cursor.execute(statement)


def test_the_reader_reads(market, store):
    """A reader sees every table and view."""
    save_quotes(store, [quote()])
    with closing(market.connect(market.reader)) as session, session.cursor() as cursor:
        relations = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'v') AND relnamespace = 'public'::regnamespace"
        for (name,) in market.query(relations):
            cursor.execute(f"SELECT count(*) FROM {name}")
        cursor.execute("SELECT symbol FROM stock_quotes")
        assert cursor.fetchall() == [("IBM",)]


@pytest.mark.usefixtures("provisioned")
def test_reader_is_read_only_by_default(bare):
    """In the provisioned database a reader's session starts read-only and with a time-out."""
    password = PASSWORDS["MARKET_READER_PASSWORD"]
    with closing(connect(bare, READER, password, "market")) as session, session.cursor() as cursor:
        cursor.execute("SELECT current_setting('transaction_read_only'), current_setting('statement_timeout')")
        assert cursor.fetchone() == ("on", "30s")


def test_later_tables_have_the_same_rights(market):
    """What the owner makes tomorrow the app can write and the reader can read, without a grant."""
    with closing(market.connect(market.owner)) as session:
        session.cursor().execute("CREATE TABLE later (id bigint GENERATED ALWAYS AS IDENTITY, value int)")
        session.cursor().execute("CREATE VIEW seen_later AS SELECT value FROM later")
    with closing(market.connect(market.dsn())) as session, session.cursor() as cursor:
        cursor.execute("INSERT INTO later (value) VALUES (7)")
        cursor.execute("UPDATE later SET value = 8")
    with closing(market.connect(market.reader)) as session, session.cursor() as cursor:
        cursor.execute("SELECT value FROM seen_later")
        assert cursor.fetchall() == [(8,)]


def test_passwords_may_come_from_files(tmp_path):
    """Every variable has its _FILE form; no repr shows what was read."""
    for name, password in PASSWORDS.items():
        (tmp_path / name).write_text(password + "\n", encoding="utf-8")
    settings = ProvisioningSettings.from_environment({f"{name}_FILE": str(tmp_path / name) for name in PASSWORDS})
    assert settings.market_owner_password.get_secret_value() == PASSWORDS["MARKET_OWNER_PASSWORD"]
    assert not [password for password in PASSWORDS.values() if password in repr(settings)]


def test_the_environment_is_not_complete():
    """A missing password is named before anything is connected."""
    with pytest.raises(ConfigurationError, match="MARKET_OWNER_PASSWORD is empty"):
        ProvisioningSettings.from_environment({})
