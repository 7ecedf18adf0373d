"""A sandbox, a PostgreSQL with the market's tables, and a Redis: what the job needs, for contenders without Airflow."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from psycopg2.extensions import connection as Connection
from pydantic import SecretStr

from common.migrate import APP, OWNER, migrate, provision
from common.settings import PipelineSettings
from local.services import Postgres, Redis
from local.temporary import running_postgres, running_redis
from sandbox.running import running as running_sandbox

DATABASE = "market"
#: More than anything here can ask for.
QUOTA = "100000/s"


@dataclass(frozen=True)
class Servers:
    """The servers' addresses. PostgreSQL waits for its disk at each commit, as it does in the cluster."""

    sandbox_url: str
    postgres: Postgres
    redis: Redis

    @property
    def dsn(self) -> str:
        """The market database, for the role of the workers."""
        return f"postgresql://{APP}:{self.postgres.password}@127.0.0.1:{self.postgres.port}/{DATABASE}"

    @property
    def settings(self) -> PipelineSettings:
        """The pipeline's settings for these servers."""
        environment = {
            "SANDBOX_URL": self.sandbox_url,
            "ALPHA_VANTAGE_QUOTA": QUOTA,
            "MARKET_DATABASE_URL": self.dsn,
            "LIMITER_REDIS_URL": self.redis.url(1),
            "WORKER_NAME": "benchmark",
        }
        return PipelineSettings.from_environment(environment)

    def connect(self) -> Connection:
        """Open a connection of the workers' role."""
        return psycopg2.connect(self.dsn)

    def administrate(self) -> Connection:
        """Open a superuser's connection."""
        return psycopg2.connect(self.postgres.url(DATABASE))

    def empty(self) -> None:
        """Delete all rows, and leave nothing to a checkpoint that would run in the middle of a measurement."""
        connection = self.administrate()
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE stock_quotes, daily_bars, adjustment_factors")
            cursor.execute("TRUNCATE fetch_outcomes, quarantine, raw_replies, api_calls")
            cursor.execute("CHECKPOINT")
        connection.close()

    def count(self) -> int:
        """Return how many quotes are stored."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM stock_quotes")
            ((rows,),) = cursor.fetchall()
        connection.close()
        return int(rows)


@contextmanager
def running_servers() -> Iterator[Servers]:
    """Run all three until the block ends."""
    with (
        tempfile.TemporaryDirectory(prefix="pipeline-bench-") as name,
        _passable(Path(name)) as folder,
        running_postgres(folder, durable=True) as postgres,
        running_redis(folder) as redis,
        running_sandbox("--quota", QUOTA) as sandbox,
    ):
        password = SecretStr(postgres.password)
        provision(
            SecretStr(postgres.url()),
            owner_password=password,
            app_password=password,
            reader_password=password,
            databases=[DATABASE],
        )
        servers = Servers(sandbox.url, postgres, redis)
        migrate(SecretStr(servers.dsn.replace(APP, OWNER, 1)))
        yield servers


@contextmanager
def _passable(folder: Path) -> Iterator[Path]:
    """Let PostgreSQL's unprivileged user pass through."""
    folder.chmod(0o755)
    yield folder
