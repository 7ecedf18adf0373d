"""Fixtures that every room of the tests shares: real servers, scrubbed environment."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from xdist.scheduler import LoadScopeScheduling

from common.settings import DagSettings, PipelineSettings
from local.services import Postgres, Redis, ServiceMissing
from local.shell import leave_the_shell
from local.temporary import running_postgres, running_redis

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
    for name in (*PipelineSettings.model_fields, *DagSettings.model_fields):
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
