"""Secrets that a person sets reach the containers as files, and no other way; only the secrets step is started."""

import json
import subprocess
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


def test_settings_come_from_three_places(given: Stack):
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


def test_given_key_is_shown_nowhere(given: Stack):
    """A key of .env makes the sandbox idle; no container's inspection holds it."""
    given.set_dotenv(ALPHA_VANTAGE_API_KEY=KEY)
    given.up("sandbox")
    (sandbox,) = given.ps("sandbox")
    assert "sleep infinity" in docker("top", sandbox["ID"], "-eo", "pid,args")
    assert KEY not in json.dumps(given.inspect())


def test_clone_closed_to_others_says_so(given: Stack):
    """A clone under `umask 077`: the step names the remedy, and goes on once that was followed."""
    dags = [given.folder / "dags", *(given.folder / "dags").rglob("*")]
    (given.folder / "config" / "container" / "not-set").chmod(0o600)
    for path in dags:
        path.chmod(0o700 if path.is_dir() else 0o600)
    said = given.failure("run", "--rm", "-T", "secrets", "make")
    assert "run `chmod -R a+rX dags config/symbols`" in said
    subprocess.run(["chmod", "-R", "a+rX", "dags", "config/symbols"], cwd=given.folder, check=True)
    assert "made at random" in given.compose("run", "--rm", "-T", "secrets", "make")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('REDIS_PASSWORD="MARKED\\nMARKED"', "REDIS_PASSWORD of .env holds a line break"),
        ("FLOWER_PASSWORD=MARKEDä", "FLOWER_PASSWORD may hold ASCII"),
        ("CELERY_BROKER_URL=redis://:MARKED/x@h:1/0", "CELERY_BROKER_URL must be redis://"),
        ("TLS_CA_FILE=./LICENSE", "TLS_CA_FILE holds no certificate"),
    ],
)
def test_what_cannot_be_used_is_named(given: Stack, line: str, said: str):
    """A value that a program could not take ends the first step with its name, without the value."""
    (given.folder / ".env").write_text(f"{line}\n", encoding="utf-8")
    message = given.failure("run", "--rm", "-T", "secrets", "make")
    assert said in message
    assert "MARKED" not in message
    assert "Traceback" not in message
