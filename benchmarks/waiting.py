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

from benchmarks.clusters import progress, symbols
from benchmarks.tables import Table
from local.cluster import Cluster
from local.processes import servers
from local.state import ROOT, State
from sandbox.plans import parse_quota
from sandbox.quota_audit import share_used
from sandbox.running import RunningSandbox

_WORKERS: Final = 2
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
_INSTANT_S: Final = 1e-6


@dataclass
class _WithAnotherDag(Cluster):
    dags: Path = ROOT / "dags"

    @cached_property
    def environment(self) -> dict[str, str]:
        return super().environment | {"AIRFLOW__CORE__DAGS_FOLDER": str(self.dags)}


@dataclass(frozen=True)
class _Case:
    """A run of ``count`` symbols under ``quota``, whose longest window is ``limit`` calls in any ``period_s``."""

    count: int
    quota: str
    limit: int
    period_s: int
    symbols_per_task: str

    @property
    def least_s(self) -> float:
        """The least time from the first call to the last: a call that many further on follows a whole period later."""
        return (self.count - 1) // self.limit * self.period_s


def run(*, quick: bool = False) -> list[Table]:
    """Run 500 symbols, one a task, on 75 a minute; and 10,000 in batches on the largest plan."""
    slow = _Case(40, "15/10s", 15, 10, "1") if quick else _Case(500, "75/min", 75, 60, "1")
    large = _Case(200, "30/s,60/6s", 60, 6, "auto") if quick else _Case(10_000, "30/s,1200/min", 1200, 60, "auto")
    return [_table("Waiting for a slow quota", slow), _table("A large run on a large quota", large)]


def _table(title: str, case: _Case) -> Table:
    with _cluster(case) as cluster:
        sandbox = RunningSandbox(cluster.settings.sandbox_url)
        sandbox.change("reset")
        run_id = cluster.api.trigger({"force": True})
        delays = list(_meanwhile(cluster, run_id))
        state = cluster.api.run_state(run_id)
        entries = sandbox.entries()
        held = _held(cluster, run_id)
        deferrals = _count_deferrals(cluster)
    windows = parse_quota(case.quota)
    times = [entry.at for entry in entries]
    took = times[-1] - times[0]
    # The calls of the first window set the pace: each later one can go a whole number of periods after one of them.
    paced = case.least_s + times[(case.count - 1) % case.limit] - times[0]
    rows: list[Sequence[str | float]] = [
        ("the run", state),
        ("calls", len(entries)),
        ("refused by the sandbox", sum(entry.verdict.startswith("refused") for entry in entries)),
        ("quota used in whole periods (%)", 100 * share_used(times, windows, took // case.period_s * case.period_s)),
        ("quota used up to the last call (%)", 100 * share_used(times, windows, took + _INSTANT_S)),
        ("from the first call to the last (s)", took),
        ("the least that the quota allows, all at once in each period (s)", case.least_s),
        ("the same, at the pace of the first period's calls (s)", paced),
        ("longer than that (%)", 100 * (took / paced - 1)),
        ("longest time that a symbol held a worker slot (s)", max(held)),
        ("median time that a symbol held a worker slot (s)", median(held)),
        ("another DAG's task: median time from trigger to start (s)", median(delays)),
        ("another DAG's task: longest time from trigger to start (s)", max(delays)),
        ("another DAG's task: how often", len(delays)),
        ("times that a task gave its slot away", deferrals),
    ]
    how = "one a task" if case.symbols_per_task == "1" else "in batches"
    note = f"{case.count} symbols, {how}, quota {case.quota}, {_WORKERS} workers of 4 slots; the sandbox's log judges."
    return Table(title, ("figure", "value"), rows, note)


@contextmanager
def _cluster(case: _Case) -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="pipeline-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL's unprivileged user must be able to pass through
        shutil.copytree(ROOT / "dags", folder / "dags", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "dags" / "another_dag.py").write_text(_OTHER_DAG, encoding="utf-8")
        (folder / "universe.txt").write_text("\n".join(symbols(case.count)), encoding="utf-8")
        person = {
            "ALPHA_VANTAGE_QUOTA": case.quota,
            "SYMBOLS_PER_TASK": case.symbols_per_task,
            "STOCK_SCHEDULE": "none",
            "STOCK_SYMBOLS": f"@{folder / 'universe.txt'}",
        }
        cluster = _WithAnotherDag(State(folder / "state"), _WORKERS, progress, person, dags=folder / "dags")
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
