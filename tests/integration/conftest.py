"""A market database for each test: a template is migrated once and cloned."""

import secrets
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import psycopg2
import pytest
from psycopg2 import sql
from pydantic import SecretStr

from common.migrate import APP, OWNER, READER, migrate, provision
from common.store import Store
from local.services import Postgres

TEMPLATE = "market"


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
        with closing(psycopg2.connect(self.admin.get_secret_value())) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="session")
def market_template(postgres: Postgres) -> Market:
    """The provisioned and migrated database that the tests' databases are copies of."""
    template = Market(postgres, secrets.token_hex(8), TEMPLATE)
    password = SecretStr(template.password)
    provision(
        SecretStr(postgres.url()),
        owner_password=password,
        app_password=password,
        reader_password=password,
        databases=[TEMPLATE],
    )
    migrate(template.owner)
    return template


@pytest.fixture
def market(market_template: Market) -> Iterator[Market]:
    """A fresh market database."""
    clone = Market(market_template.server, market_template.password, f"test_{secrets.token_hex(6)}")
    names = {"clone": sql.Identifier(clone.database), "template": sql.Identifier(TEMPLATE)}
    admin = Market(clone.server, "", "postgres")
    create = sql.SQL("CREATE DATABASE {clone} TEMPLATE {template} OWNER market_owner")
    admin.query(create.format(**names))
    yield clone
    admin.query(sql.SQL("DROP DATABASE {clone} WITH (FORCE)").format(**names))


@pytest.fixture
def market_dsn(market: Market) -> SecretStr:
    """The connection URL of the role that the workers use, in a fresh database."""
    return market.dsn()


@pytest.fixture
def store(market_dsn: SecretStr) -> Iterator[Store]:
    """The store on a fresh database."""
    with Store(market_dsn) as opened:
        yield opened
