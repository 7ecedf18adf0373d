"""Secrets that a person sets reach the containers as files, and no other way; only the secrets step is started."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import Stack, docker, fresh_clone

pytestmark = [pytest.mark.compose, pytest.mark.timeout(600)]

KEY = "MARKEDKEY7QX3COMPOSE"
PASSWORD = 'marked p@ss=w$rd #1 "of .env"'


@pytest.fixture
def given(engine: None, tmp_path: Path) -> Iterator[Stack]:
    """A stack of its own, not started."""
    stack = Stack(fresh_clone(tmp_path), "pipelinegiven")
    stack.down()
    stack.compose("build", "secrets", timeout_s=900)
    yield stack
    stack.down()


def test_from_dotenv_from_a_file_and_from_nowhere(given: Stack):
    """.env's value is taken as it is, a Docker secret's file is read, and what is left empty is made once."""
    secret = given.folder / "flower.secret"
    secret.write_text("marked word of a file\n", encoding="utf-8")
    secret.chmod(0o644)
    given.set_dotenv(AIRFLOW_ADMIN_PASSWORD=f"'{PASSWORD}'", REDIS_PASSWORD="", FLOWER_PASSWORD_FILE="./flower.secret")
    first, again = (
        given.compose("run", "--rm", "-T", "secrets", "make")
        + given.compose("run", "--rm", "-T", "secrets", "join", "x")
        for _ in range(2)
    )
    assert "2 given" in first
    assert "0 made" in again
    assert first.partition("AIRFLOW_DATABASE_URL")[2] == again.partition("AIRFLOW_DATABASE_URL")[2]
    shown = given.compose("run", "--rm", "-T", "secrets", "show")
    assert f"password {PASSWORD}\n" in shown
    assert "password marked word of a file\n" in shown


def test_with_a_key_the_sandbox_sleeps_and_nothing_shows_the_key(given: Stack):
    """A key of .env makes the sandbox idle; no container's inspection holds it."""
    given.set_dotenv(ALPHA_VANTAGE_API_KEY=KEY)
    given.up("sandbox")
    (sandbox,) = given.ps("sandbox")
    assert "sleep infinity" in docker("top", sandbox["ID"], "-eo", "pid,args")
    assert KEY not in json.dumps(given.inspect())
