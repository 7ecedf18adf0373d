"""A real engine, and one stack for the whole room."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.ports import free_port
from tests.conftest import missing
from tests.support.stack import Stack, fresh_clone

#: The project's name of the room's one stack.
STACK = "pipelinetest"


@pytest.fixture(scope="session")
def engine() -> None:
    """Compose v2 and an engine that answers; .ci/docker-engine brings them up on Debian."""
    for command in (["docker", "compose", "version"], ["docker", "info"]):
        try:
            subprocess.run(command, capture_output=True, check=True, timeout=30)
        except (OSError, subprocess.SubprocessError):
            missing(f"`{' '.join(command)}` does not answer: install Docker with Compose v2, or start its engine")


@pytest.fixture(scope="session")
def clone(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh clone, without a .env."""
    return fresh_clone(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="session")
def stack(clone: Path) -> Iterator[Stack]:
    """The cluster with four workers, as `docker compose up --scale airflow-worker=4` starts it on a fresh clone."""
    ports = {"AIRFLOW_PORT": str(free_port()), "FLOWER_PORT": str(free_port())}
    stack = Stack(clone, STACK, ports)
    stack.down()
    try:
        stack.compose("build", "secrets", timeout_s=900)
        took_s = stack.up("--scale", "airflow-worker=4")
        print(f"all healthy after {took_s:.1f} s")
        yield stack
    finally:
        stack.down()
