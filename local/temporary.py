"""Servers of one's own for as long as a block lasts: for the tests and the benchmarks."""

import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import redis

from local.ports import free_port
from local.server_user import User, as_server_user
from local.services import Postgres, Redis, server_environment


def wait_until(ready: Callable[[], object], what: str, timeout_s: float = 30) -> None:
    """Poll until ``ready()`` is true; ``ready`` may raise OSError or a driver's error while it is not."""
    deadline = time.monotonic() + timeout_s
    problem: Exception | None = None
    while time.monotonic() < deadline:
        try:
            if ready():
                return
        except (OSError, psycopg2.Error, redis.RedisError) as error:
            problem = error
        time.sleep(0.02)
    raise TimeoutError(f"{what} within {timeout_s} s ({problem})")


@contextmanager
def running(
    command: Sequence[str],
    log: Path,
    *,
    folder: Path = Path("/"),
    user: User | None = None,
    stop: int = signal.SIGTERM,
) -> Iterator[int]:
    """Run a server in ``folder`` until the block ends, and yield its pid; what it prints goes to ``log``."""
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603  our own command
            command, stdout=output, stderr=output, cwd=folder, env=server_environment(), **(user or {})
        )
    try:
        yield process.pid
    finally:
        if process.poll() is None:
            process.send_signal(stop)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def running_postgres(folder: Path, *, durable: bool) -> Iterator[Postgres]:
    """Run a PostgreSQL on a free port, with its data in ``folder``. Raises ServiceMissing."""
    server = Postgres(folder / "pg", free_port(), secrets.token_hex(8), durable=durable)
    server.initialise()
    log = folder / "postgres.log"
    with running(server.command(), log, folder=server.folder, user=as_server_user(), stop=signal.SIGINT):
        wait_until(lambda: _accepts(server.url()), f"PostgreSQL answers ({log})")
        yield server


def _accepts(url: str) -> bool:
    psycopg2.connect(url).close()
    return True


@contextmanager
def running_redis(folder: Path) -> Iterator[Redis]:
    """Run a Redis on a free port. Raises ServiceMissing."""
    server = Redis(folder / "redis", free_port(), secrets.token_hex(8))
    server.initialise()
    with running(server.command(), folder / "redis.log"):
        wait_until(lambda: redis.Redis.from_url(server.url()).ping(), "Redis answers")
        yield server
