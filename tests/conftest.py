"""Fixtures of every room of the tests: real servers, a market database for each test, a scrubbed environment."""

import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from psycopg2 import sql
from pydantic import SecretStr
from xdist.scheduler import LoadScopeScheduling

from common.migrate import migrate, provision
from common.settings import DagSettings, NotificationSettings, PipelineSettings
from common.store import Store
from local.ports import free_port
from local.services import Postgres, Redis, ServiceMissing
from local.shell import leave_the_shell
from local.temporary import running_postgres, running_redis
from sandbox.running import RunningSandbox
from sandbox.running import running as running_sandbox
from tests.support.limiter_clock import ClockedRedis
from tests.support.market import Market
from tests.support.servers import OwnRedis
from tests.support.wiring import wired
from workers.wiring import Wiring

leave_the_shell()  # of the person who runs the tests: proxies, PG*, AIRFLOW* …
# A shell lets a background job ignore Ctrl-C, and what a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

CLUSTER_ROOM = "tests/cluster/"
#: Airflow makes its folder when it is imported; it must not be the one of the person who runs the tests.
AIRFLOW_HOME = tempfile.mkdtemp(prefix="pipeline-airflow-")
os.environ["AIRFLOW_HOME"] = AIRFLOW_HOME


def pytest_unconfigure() -> None:
    shutil.rmtree(AIRFLOW_HOME, ignore_errors=True)


class ByRoom(LoadScopeScheduling):
    """Side by side (`-n`): test by test, but the cluster room as a whole, since its tests share one cluster.

    xdist's groups would do, but they are lost on pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        return CLUSTER_ROOM if nodeid.startswith(CLUSTER_ROOM) else nodeid


@pytest.hookimpl(optionalhook=True)  # there is no such hook where xdist is switched off
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByRoom:
    return ByRoom(config, log)


@pytest.fixture(autouse=True)
def scrubbed_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings of the person who runs it."""
    for name in (*PipelineSettings.model_fields, *DagSettings.model_fields, *NotificationSettings.model_fields):
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(f"{name.upper()}_FILE", raising=False)


def missing(reason: str) -> None:
    """Skip on a laptop, fail in CI."""
    if os.environ.get("CI"):
        pytest.fail(f"in CI this must be there: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def services_folder() -> Iterator[Path]:
    """A folder of its own, for the data of servers."""
    folder = Path(tempfile.mkdtemp(prefix="pipeline-tests-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(services_folder: Path) -> Iterator[Postgres]:
    """A real PostgreSQL for the whole session, on a free port, without fsync."""
    try:
        with running_postgres(services_folder, durable=False) as server:
            yield server
    except ServiceMissing as error:
        missing(str(error))


@pytest.fixture(scope="session")
def redis_server(services_folder: Path) -> Iterator[Redis]:
    """A real Redis for the whole session, on a free port."""
    try:
        with running_redis(services_folder) as server:
            yield server
    except ServiceMissing as error:
        missing(str(error))


@pytest.fixture
def redis_url(redis_server: Redis) -> str:
    """An empty Redis database."""
    url = redis_server.url(1)
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


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
        monitor_password=password,
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
    admin.query(
        sql.SQL("GRANT CONNECT ON DATABASE {clone} TO market_app, market_reader, pipeline_monitor").format(**names)
    )
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
