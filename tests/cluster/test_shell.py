"""A whole cluster from a shell that is set up for everything else: `make up`, a run, `make down`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.state import ROOT, STATE_VARIABLE
from tests.local.test_shell import GARBAGE

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]


def test_make_up_in_a_hostile_shell(services_folder: Path):
    """Proxies, PG*, REDIS*, AIRFLOW*, CELERY*, FLOWER_* and PYTHON* of the person's: the run succeeds all the same."""
    environment = (
        os.environ | GARBAGE | {STATE_VARIABLE: str(services_folder / "it's (2) 100%"), "STOCK_SCHEDULE": "none"}
    )

    def make(*arguments: str) -> str:
        done = subprocess.run(
            ["make", "-s", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    try:
        make("up", "WORKERS=1")
        assert ": success" in make("trigger", "SYMBOLS=IBM,AAPL")
        make("status")
        psql = "import os, psycopg2; psycopg2.connect(os.environ['MARKET_DATABASE_URL'] + '/market_sandbox').close()"
        usable = {name: value for name, value in environment.items() if not name.startswith("PYTHON")}
        command = [sys.executable, "-m", "local", "shell", "python", "-c", psql]  # libpq finds the password by itself
        assert subprocess.run(command, cwd=ROOT, env=usable, capture_output=True, check=False).returncode == 0
    finally:
        make("down")
