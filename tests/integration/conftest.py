"""A market database for each test, cloned from a template that is migrated once; and a Redis that a test may kill."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from psycopg2 import sql
from pydantic import SecretStr

from common.migrate import migrate, provision
from common.settings import PipelineSettings
from common.store import Store
from local.ports import free_port
from local.services import Postgres, Redis, ServiceMissing
from sandbox.running import RunningSandbox
from sandbox.running import running as running_sandbox
from tests.conftest import missing
from tests.support.limiter_clock import ClockedRedis
from tests.support.market import Market
from tests.support.servers import OwnRedis
from workers.wiring import Wiring

TEMPLATE = "market"


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


@pytest.fixture(scope="session")
def admin(postgres: Postgres) -> Iterator[Market]:
    """The superuser's own database, from which the tests' databases are made and dropped."""
    maintenance = Market(postgres, "", "postgres")
    yield maintenance
    maintenance.close()


@pytest.fixture
def market(market_template: Market, admin: Market) -> Iterator[Market]:
    """A fresh market database."""
    clone = Market(market_template.server, market_template.password, f"test_{secrets.token_hex(6)}")
    names = {"clone": sql.Identifier(clone.database), "template": sql.Identifier(TEMPLATE)}
    create = "CREATE DATABASE {clone} TEMPLATE {template} OWNER market_owner STRATEGY FILE_COPY"
    admin.query(sql.SQL(create).format(**names))
    # A clone does not take over who may enter its template and make temporary tables there.
    admin.query(sql.SQL("REVOKE ALL ON DATABASE {clone} FROM PUBLIC").format(**names))
    admin.query(sql.SQL("GRANT CONNECT ON DATABASE {clone} TO market_app, market_reader").format(**names))
    yield clone
    clone.close()
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


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[RunningSandbox]:
    with running_sandbox("--plan", "unlimited", "--today", "2026-10-05", "--stall", "5") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(sandbox_server: RunningSandbox) -> RunningSandbox:
    """A sandbox without a quota that remembers nothing."""
    sandbox_server.change("plan", plan="unlimited")
    sandbox_server.change("faults", faults="", latency="")
    sandbox_server.change("reset")
    return sandbox_server


@pytest.fixture
def punctual(sandbox: RunningSandbox) -> None:
    """The sandbox goes on at New York's own date, so that what a plan of now wants is what it has."""
    sandbox.change("today", today="")


@pytest.fixture
def environment(market: Market, redis_url: str, sandbox: RunningSandbox) -> dict[str, str]:
    """What a worker's environment says; a test changes it before it wires."""
    return {
        "MARKET_DATABASE_URL": market.dsn().get_secret_value(),
        "LIMITER_REDIS_URL": redis_url,
        "SANDBOX_URL": sandbox.url,
        "ALPHA_VANTAGE_QUOTA": "50/s,500/day",
        "API_TIMEOUT": "2",
        "WORKER_NAME": "worker-7",
    }


def wired(environment: dict[str, str], **changes: str) -> Wiring:
    """Wire what the environment says, with the changes, and make the limiter's state known."""
    opened = Wiring(PipelineSettings.from_environment(environment | changes))
    opened.permits.prepare()
    return opened


@pytest.fixture
def wiring(environment: dict[str, str]) -> Iterator[Wiring]:
    """What a worker holds, as the environment says."""
    with wired(environment) as opened:
        yield opened


@pytest.fixture
def clocked(redis_url: str) -> Iterator[ClockedRedis]:
    """An empty Redis whose clock the test moves; it stands still at the start."""
    with ClockedRedis.from_url(redis_url) as client:
        client.advance(0)
        yield client


@pytest.fixture(scope="module")
def own_server(services_folder: Path) -> Iterator[OwnRedis]:
    server = Redis(services_folder / "limiter-redis", free_port(), secrets.token_hex(8))
    try:
        server.initialise()
        server.command()
    except ServiceMissing as error:
        missing(str(error))
    own = OwnRedis(server, redis.Redis.from_url(server.url()))
    with own.stack:
        own.start()
        yield own


@pytest.fixture
def own(own_server: OwnRedis) -> OwnRedis:
    """The server, running and empty, with its settings as they were."""
    own_server.client.config_set("maxmemory", 0)
    own_server.client.config_set("maxmemory-policy", "noeviction")
    own_server.client.replicaof("NO", "ONE")
    own_server.client.flushall()
    return own_server
