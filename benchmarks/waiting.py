"""Hundreds of tasks that wait for a slow quota: what they hold meanwhile, and whether anybody else is kept waiting."""

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any, Final

import psycopg2

from benchmarks.clusters import WORKERS, progress, symbols
from benchmarks.tables import Table
from local.cluster import Cluster
from local.processes import servers
from local.state import ROOT, State
from sandbox.running import RunningSandbox

QUOTA: Final = "75/min"
_COUNT: Final = 500
_OTHER: Final = "another_dag"
_OTHER_DAG: Final = f"""
from airflow.sdk import DAG, task

with DAG("{_OTHER}", schedule=None, catchup=False):

    @task
    def nothing():
        pass

    nothing()
"""
#: How often the other DAG is triggered meanwhile (s).
_EVERY_S: Final = 7.0


@dataclass
class _WithAnotherDag(Cluster):
    dags: Path = ROOT / "dags"

    @cached_property
    def environment(self) -> dict[str, str]:
        return super().environment | {"AIRFLOW__CORE__DAGS_FOLDER": str(self.dags)}


def run(*, quick: bool = False) -> list[Table]:
    """Run 500 symbols, one a task, on 75 a minute, and another DAG's task every few seconds."""
    count, quota, period_s, limit = (40, "15/10s", 10, 15) if quick else (_COUNT, QUOTA, 60, 75)
    with _cluster(count, quota) as cluster:
        sandbox = RunningSandbox(cluster.settings.sandbox_url)
        sandbox.change("reset")
        run_id = cluster.api.trigger({"force": True})
        delays = list(_meanwhile(cluster, run_id))
        state = cluster.api.run_state(run_id)
        entries = sandbox.entries()
        held = _held(cluster, run_id)
        deferrals = _count_deferrals(cluster)
    took = entries[-1].at - entries[0].at
    possible = (count - 1) // limit * period_s
    refused = sum(entry.verdict.startswith("refused") for entry in entries)
    rows: list[Sequence[str | float]] = [
        ("run", state),
        ("calls", len(entries)),
        ("refused by the sandbox", refused),
        ("from the first call to the last (s)", took),
        ("the least that the quota allows (s)", possible),
        ("longer than that (%)", 100 * (took / possible - 1)),
        ("longest time that a symbol held a worker slot (s)", max(held)),
        ("median time that a symbol held a worker slot (s)", median(held)),
        ("another DAG's task: median time from trigger to start (s)", median(delays)),
        ("another DAG's task: longest time from trigger to start (s)", max(delays)),
        ("another DAG's task: how often", len(delays)),
        ("times that a task gave its slot away", deferrals),
    ]
    note = f"{count} symbols, one a task, quota {quota}, {WORKERS} workers of 4 slots; the sandbox's log is the judge."
    return [Table("Waiting for the quota", ("figure", "value"), rows, note)]


@contextmanager
def _cluster(count: int, quota: str) -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="pipeline-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL's unprivileged user must be able to pass through
        shutil.copytree(ROOT / "dags", folder / "dags", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "dags" / "another_dag.py").write_text(_OTHER_DAG, encoding="utf-8")
        person = {
            "ALPHA_VANTAGE_QUOTA": quota,
            "SYMBOLS_PER_TASK": "1",
            "STOCK_SCHEDULE": "none",
            "STOCK_SYMBOLS": ",".join(symbols(count)),
        }
        cluster = _WithAnotherDag(State(folder / "state"), WORKERS, progress, person, dags=folder / "dags")
        cluster.up(ends_with_us=True)
        try:
            while not cluster.api.dag_known(_OTHER):
                time.sleep(0.5)
            yield cluster
        finally:
            cluster.down()


def _meanwhile(cluster: Cluster, run_id: str) -> Iterator[float]:
    """Trigger the other DAG until the run has ended; yield how long its task waited for its start each time."""
    while cluster.api.run_state(run_id) not in {"success", "failed"}:
        triggered = time.time()
        other = cluster.api.trigger(dag_id=_OTHER)
        while not (started := cluster.api.task_instances(other, _OTHER)[0]["start_date"]):
            time.sleep(0.2)
        delay = datetime.fromisoformat(started).timestamp() - triggered
        progress(f"another DAG's task started after {delay:.1f} s")
        yield delay
        time.sleep(max(0.0, triggered + _EVERY_S - time.time()))


def _held(cluster: Cluster, run_id: str) -> list[float]:
    """Return how long each symbol held a slot the last time that it was taken up: waiting, call and storing."""
    sql = "SELECT extract(epoch FROM finished_at - started_at) FROM fetch_outcomes WHERE run_id = %s"
    return [float(seconds) for (seconds,) in _query(cluster, cluster.settings.market_database, sql, run_id)]


def _count_deferrals(cluster: Cluster) -> int:
    """Return how many triggers there were in all: their identities are given in order."""
    return int(_query(cluster, "airflow", "SELECT last_value FROM trigger_id_seq")[0][0])


def _query(cluster: Cluster, database: str, sql: str, *values: object) -> list[tuple[Any, ...]]:
    postgres, _ = servers(cluster.state, cluster.ports, cluster.state.secrets())
    connection = psycopg2.connect(postgres.url(database))
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return list(cursor.fetchall())
    finally:
        connection.close()
