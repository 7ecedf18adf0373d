"""Servers of a test's own, where the test restarts them or sets them up."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import psycopg2
import redis
from pydantic import SecretStr

from common.quota.limiter import Limiter
from common.quota.quota import Quota
from local.server_user import as_server_user
from local.services import Postgres, Redis
from local.temporary import running, wait_until

CAP_S = 0.3


@contextmanager
def serving(server: Postgres) -> Iterator[int]:
    """Run the server until the block ends; yield its process id."""
    log = server.folder.with_suffix(".log")
    with running(server.command(), log, folder=server.folder, user=as_server_user(), stop=signal.SIGINT) as pid:
        wait_until(lambda: psycopg2.connect(server.url()).close() is None, f"PostgreSQL answers ({log})")
        yield pid


@dataclass
class OwnRedis:
    """A Redis that the test may kill, stop and fill. ``pid`` is its process."""

    server: Redis
    client: redis.Redis
    stack: ExitStack = field(default_factory=ExitStack)
    pid: int = 0

    def start(self) -> None:
        self.pid = self.stack.enter_context(running(self.server.command(), self.server.folder.with_suffix(".log")))
        wait_until(self.client.ping, "Redis answers")

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.stack.close()

    def forget(self) -> None:
        """Delete what a killed server had stored."""
        for entry in self.server.folder.iterdir():
            if entry.name != "redis.conf":
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    @contextmanager
    def stalled(self) -> Iterator[None]:
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def limiter(self, quota: str, **options: object) -> Limiter:
        return Limiter(
            SecretStr(self.server.url()), Quota.parse(quota), key=SecretStr("k"), **{"cap_s": CAP_S, **options}
        )
