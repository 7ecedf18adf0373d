"""The commands of a person, on the running cluster."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import psycopg2
import pytest

from common.command_line import ExitCode
from local.airflow_api import AirflowApi
from local.cluster import ADMIN
from tests.cluster.conftest import Running

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
BROKEN = 'Traceback …\ncommon.errors.ConfigurationError: STOCK_TIMEZONE="[/red]" is no time zone.\n'


def command(running: Running, *words: str) -> subprocess.Popen[str]:
    """Start ``python -m local`` as the person who started the cluster would."""
    environment = dict(running.cluster.person or {})
    environment |= {"PATH": os.environ["PATH"], "PIPELINE_STATE": str(running.cluster.state.folder)}
    return subprocess.Popen(
        [sys.executable, "-m", "local", *words],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def answer(running: Running, *words: str) -> tuple[int, str]:
    process = command(running, *words)
    text, _ = process.communicate(timeout=120)
    return process.returncode, text


def while_broken(running: Running, ask: Callable[[], T]) -> T:
    """Ask while Airflow's metadata says that a DAG file cannot be parsed; the DAG processor may take the row away."""
    address = running.cluster.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", "")
    with closing(psycopg2.connect(address)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for _ in range(10):
            cursor.execute(
                "INSERT INTO import_error (timestamp, filename, bundle_name, stacktrace) "
                "VALUES (now(), 'other.py', 'dags-folder', %s)",
                (BROKEN,),
            )
            answered = ask()
            cursor.execute("DELETE FROM import_error WHERE filename = 'other.py'")
            if cursor.rowcount:
                return answered
    raise TimeoutError("the row was taken away each time")


def container_check(running: Running, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return what the health check of a DAG processor's container exits with."""
    path = ROOT / "config" / "container" / "job_alive.py"
    spec = importlib.util.spec_from_file_location("job_alive", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    address = folder / "sql_alchemy_conn"
    address.write_text(running.cluster.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"], encoding="utf-8")
    monkeypatch.setattr(module, "URL", address)
    monkeypatch.setattr(sys, "argv", ["job_alive.py", "DagProcessorJob"])
    return module.main()


def test_container_says_that_dag_is_broken(running: Running, tmp_path: Path, monkeypatch, capsys):
    """The container of the DAG processor is healthy once the DAG is parsed, and ill with an import error."""
    assert container_check(running, tmp_path, monkeypatch) == 0
    assert while_broken(running, lambda: container_check(running, tmp_path, monkeypatch)) == 1
    assert "other.py cannot be parsed: " in capsys.readouterr().out


def test_unparsable_dag_is_ill(running: Running):
    """An import error fails the status and the health check, with the sentence that it ends with, as it is written."""
    shell = ("shell", sys.executable, "-m", "workers.fetch_and_store", "--health-check")
    assert answer(running, "status")[0] == ExitCode.DONE
    code, text = answer(running, *shell)
    assert code == ExitCode.DONE, text
    code, text = while_broken(running, lambda: answer(running, "status"))
    assert code == ExitCode.FAILED
    assert 'the DAG cannot be parsed: STOCK_TIMEZONE="[/red]" is no time zone.' in text
    code, text = while_broken(running, lambda: answer(running, *shell))
    assert code == ExitCode.FAILED
    assert 'other.py cannot be imported: STOCK_TIMEZONE="[/red]" is no time zone.' in text


def test_a_watched_run_outlasts_restarts(running: Running):
    """The api-server and PostgreSQL are killed while a run is watched: it says so, and goes on to the end."""
    process = command(running, "trigger", "--force", "--symbols", "IBM,AAPL,MSFT")
    shown = []
    for line in process.stdout or ():
        shown.append(line)
        if line.strip().startswith("running"):
            break
    states = running.cluster.supervisor.states()
    for name in ("api-server", "postgres"):
        os.kill(states[name][1], signal.SIGKILL)
    rest, _ = process.communicate(timeout=300)
    assert process.returncode == ExitCode.DONE, [*shown, rest]
    assert "waiting up to" in rest
    assert "3 of 3 symbols (3 stored)" in rest
    running.cluster.wait_healthy()


def test_a_script_gets_one_object(running: Running):
    """``--json`` prints one object on standard output, and what is for a person elsewhere."""
    words = ["trigger", "--json", "--symbols", "IBM,NOSUCH7"]
    environment = dict(running.cluster.person or {})
    environment |= {"PATH": os.environ["PATH"], "PIPELINE_STATE": str(running.cluster.state.folder)}
    done = subprocess.run(
        [sys.executable, "-m", "local", *words], cwd=ROOT, env=environment, capture_output=True, check=False
    )
    document = json.loads(done.stdout)
    assert (done.returncode, document["state"]) == (ExitCode.FAILED, "failed")
    assert {line["symbol"]: line["reason"] for line in document["outcomes"]}["NOSUCH7"] == "unknown_symbol"
    assert b"NOSUCH7" in done.stderr


def test_a_foreign_token_is_replaced(running: Running):
    """A client whose token the api-server does not know, since its key changed, logs in again by itself."""
    api = AirflowApi(running.cluster.api.url, ADMIN, running.cluster.state.secrets()["airflow_admin"])
    assert api.dag_known()
    api._session.headers["Authorization"] += "x"
    assert api.dag_known()
