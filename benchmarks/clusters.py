"""Local clusters to measure: started with the settings of a contender, emptied between runs, stopped at the end."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import psycopg2
import requests

from benchmarks.processes import Groups, Watch, watching
from common.settings import PipelineSettings
from common.values import Symbol
from local.airflow_api import AirflowApi
from local.cluster import Cluster
from local.processes import servers
from local.state import State
from workers.pipeline.feeds import DAGS, FIRST, HISTORY, run_id_of, run_name

#: How often (s) the memory is sampled. A run of histories is short.
_SAMPLED_S: Final = {FIRST: 5.0, HISTORY: 1.0}
_ENDED: Final = frozenset({"success", "failed"})
#: What every contender gets: no schedule, no quota to speak of, and no symbol that waits minutes for a retry.
PERSON: Final = {
    "ALPHA_VANTAGE_QUOTA": "100000/s",
    "MAX_MAPPED_TASKS": "10000",
    "STOCK_HISTORY": "off",
    "STOCK_SCHEDULE": "none",
    "TASK_RETRY_DELAY": "1",
    "TASK_RETRY_MAX_DELAY": "2",
}


def progress(text: str) -> None:
    """Say on stderr how far it is."""
    print(f"  {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Contender:
    """A way to run the cluster. ``reset``: variables of config/airflow.env that are left to Airflow's defaults.

    ``forks``: whether processes are forked from one import (local/manager.py), or executed as elsewhere.
    ``workers``: how many.
    """

    name: str
    person: Mapping[str, str] = field(default_factory=dict)
    reset: Sequence[str] = ()
    forks: bool = True
    workers: int = 2


@dataclass
class _Tuned(Cluster):
    """A cluster whose environment lacks some of the shared settings."""

    reset: Sequence[str] = ()

    @cached_property
    def environment(self) -> dict[str, str]:
        return {name: value for name, value in super().environment.items() if name not in self.reset}


@dataclass(frozen=True)
class Run:
    """What one run took, in seconds from the trigger on. ``watch``: what the processes used meanwhile.

    ``done``: moments (s, monotonic) with the number of symbols that were settled.
    """

    symbols: int
    first_row_s: float
    last_row_s: float
    ended_s: float
    state: str
    stored: int
    watch: Watch
    done: Sequence[tuple[float, int]]

    @property
    def symbols_a_second(self) -> float:
        """From the trigger to the last row."""
        return self.symbols / self.last_row_s

    @property
    def cpu_ms_a_symbol(self) -> float:
        """Of all processes together."""
        return 1000 * sum(self.watch.cpu_s.values()) / self.symbols


@dataclass(frozen=True)
class Measured:
    """A running cluster: its REST API, its market database as the superuser, its processes, its universe's file.

    ``settings``: what a process of its workers reads.
    """

    api: AirflowApi
    settings: PipelineSettings = field(repr=False)
    database_url: str = field(repr=False)
    groups: Groups
    universe: Path

    def run(self, count: int, *, feed: str = FIRST, timeout_s: float = 3000) -> Run:
        """Fetch and store ``count`` symbols into empty tables; ``feed``: one of ``feeds.DAGS``."""
        self.universe.write_text("\n".join(symbols(count)), encoding="utf-8")
        self.empty()
        with watching(self.groups, every_s=_SAMPLED_S[feed]) as watch:
            triggered = time.time()
            airflow_id = self.api.trigger({"force": True}, DAGS[feed])
            run_id = run_name(feed, airflow_id)
            done = list(self._until_settled(run_id, count, timeout_s))
        state = self._until_ended(run_id, timeout_s)
        ended = time.time()
        first, last, stored = self.query(
            "SELECT extract(epoch FROM min(finished_at)), extract(epoch FROM max(finished_at)), "
            "count(*) FILTER (WHERE status = 'stored') FROM fetch_outcomes WHERE run_id = %s",
            run_id,
        )[0]
        first_s, last_s = float(first) - triggered, float(last) - triggered
        return Run(count, first_s, last_s, ended - triggered, state, stored, watch, done)

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement in the market database as the superuser; return its rows."""
        connection = psycopg2.connect(self.database_url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql, values or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def empty(self) -> None:
        """Delete all rows of the market database."""
        self.query("TRUNCATE stock_quotes, daily_bars, fetch_outcomes, quarantine, raw_replies, api_calls")

    def _until_settled(self, run_id: str, count: int, timeout_s: float) -> Iterator[tuple[float, int]]:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            ((settled,),) = self.query(
                "SELECT count(*) FROM fetch_outcomes WHERE run_id = %s AND finished_at IS NOT NULL", run_id
            )
            yield time.monotonic(), settled
            if settled >= count or self._state(run_id) in _ENDED:
                return
            time.sleep(1)
        raise TimeoutError(f"{run_id}: {settled} of {count} symbols are settled after {timeout_s:.0f} s")

    def _until_ended(self, run_id: str, timeout_s: float) -> str:
        deadline = time.monotonic() + timeout_s
        while (state := self._state(run_id)) not in _ENDED:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{run_id} has not ended after {timeout_s:.0f} s")
            time.sleep(0.2)
        return state

    def _state(self, name: str) -> str:
        feed, run_id = next((feed, run_id) for feed in DAGS if (run_id := run_id_of(feed, name)))
        with suppress(requests.RequestException):  # a busy machine answers late
            return self.api.run_state(run_id, DAGS[feed])
        return ""


def symbols(count: int) -> list[Symbol]:
    """Return names that the sandbox takes as listed shares."""
    return [Symbol(f"B{number:05}") for number in range(count)]


@contextmanager
def folder_of_clusters() -> Iterator[Path]:
    """Make a folder for clusters that follow each other: only the first one makes databases and users.

    PostgreSQL's unprivileged user must be able to pass through.
    """
    with tempfile.TemporaryDirectory(prefix="pipeline-bench-") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@contextmanager
def running(contender: Contender, folder: Path) -> Iterator[Measured]:
    """Run the contender's cluster in ``folder``, warmed up by one small run."""
    universe = folder / "universe.txt"
    universe.write_text("\n".join(symbols(8)), encoding="utf-8")
    person = {**PERSON, "STOCK_SYMBOLS": f"@{universe}", **contender.person}
    state = State(folder / "state")
    cluster = _Tuned(state, contender.workers, progress, person, forks=contender.forks, reset=contender.reset)
    progress(f"cluster: {contender.name}")
    cluster.up(ends_with_us=True)
    try:
        postgres, _ = servers(cluster.state, cluster.ports, cluster.state.secrets())
        database_url = postgres.url(cluster.settings.market_database)
        measured = Measured(cluster.api, cluster.settings, database_url, Groups.of(cluster), universe)
        measured.run(8)
        yield measured
    finally:
        cluster.down()
