"""Fixtures that every room of the tests shares: real servers, scrubbed environment."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest
import redis

from common.settings import DagSettings, Settings
from local.services import Postgres, Redis, ServiceMissing, server_user

#: Airflow makes its folder when it is imported; it must not be the one of the person who runs the tests.
AIRFLOW_HOME = tempfile.mkdtemp(prefix="pipeline-airflow-")
os.environ["AIRFLOW_HOME"] = AIRFLOW_HOME


def pytest_unconfigure() -> None:
    shutil.rmtree(AIRFLOW_HOME, ignore_errors=True)


@pytest.fixture(autouse=True)
def scrubbed_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings of the person who runs it."""
    for name in (*Settings.model_fields, *DagSettings.model_fields):
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(f"{name.upper()}_FILE", raising=False)


def missing(reason: str) -> None:
    """Skip on a laptop, fail in CI."""
    if os.environ.get("CI"):
        pytest.fail(f"in CI this must be there: {reason}")
    pytest.skip(reason)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(ready, what: str, timeout_s: float = 30) -> None:
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
def running(command: list[str], log: Path, *, user: str | None = None, stop: int = signal.SIGTERM) -> Iterator[int]:
    """Run a server until the block ends; what it prints goes to ``log``."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, user=user, cwd="/")
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


@pytest.fixture(scope="session")
def services_folder() -> Iterator[Path]:
    """A short path of its own: PostgreSQL's unprivileged user must be able to reach it."""
    folder = Path(tempfile.mkdtemp(prefix="pipeline-tests-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(services_folder: Path) -> Iterator[Postgres]:
    """A real PostgreSQL for the whole session, on a free port, without fsync."""
    server = Postgres(services_folder / "pg", free_port(), secrets.token_hex(8), durable=False)
    try:
        server.initialise()
    except ServiceMissing as error:
        missing(str(error))
    log = services_folder / "postgres.log"
    with running(server.command(), log, user=server_user(), stop=signal.SIGINT):
        wait_until(lambda: psycopg2.connect(server.url()).close() is None, f"PostgreSQL answers ({log})")
        yield server


@pytest.fixture(scope="session")
def redis_server(services_folder: Path) -> Iterator[Redis]:
    """A real Redis for the whole session, on a free port."""
    server = Redis(services_folder / "redis", free_port(), secrets.token_hex(8))
    try:
        server.initialise()
        command = server.command()
    except ServiceMissing as error:
        missing(str(error))
    with running(command, services_folder / "redis.log"):
        wait_until(lambda: redis.Redis.from_url(server.url()).ping(), "Redis answers")
        yield server


@pytest.fixture
def redis_url(redis_server: Redis) -> str:
    """An empty Redis database."""
    url = redis_server.url(1)
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url
