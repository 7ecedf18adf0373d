"""One cluster for the whole room: real scheduler, api-server, Celery workers, PostgreSQL and Redis, and the sandbox."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import requests

from common.values import Outcome, Symbol
from local.cluster import Cluster
from local.services import ServiceMissing
from local.state import State
from local.temporary import wait_until
from sandbox.running import RunningSandbox
from sandbox.running import running as running_sandbox
from tests.conftest import missing
from workers.dag_health import DAG_ID
from workers.wiring import Wiring

#: Looks like a key, and is searched for afterwards wherever something is written.
MARKED_KEY = "MARKEDKEY7QX3PIPELINE"
QUOTA = "20/s,2000/day"
ENDED = {"success", "failed"}


@dataclass
class Running:
    """A healthy cluster and the sandbox that it fetches from."""

    cluster: Cluster
    sandbox: RunningSandbox  # its log is the judge of what was really asked
    last_run: str = ""
    rejected: str = ""  # the run whose key the provider refused

    def run(self, symbols: Sequence[str] = (), timeout_s: float = 180, *, force: bool = True) -> tuple[str, str]:
        """Trigger the pipeline and wait for its end; return the run's id and state."""
        conf = {"force": force, **({"symbols": list(symbols)} if symbols else {})}
        run_id = self.last_run = self.cluster.api.trigger(conf)
        return run_id, self.wait(run_id, timeout_s)

    def wait(self, run_id: str, timeout_s: float = 180, dag_id: str = DAG_ID) -> str:
        """Wait for the run's end; return its state."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with suppress(requests.RequestException):  # a busy machine answers late; the deadline decides
                state = self.cluster.api.run_state(run_id, dag_id)
                if state in ENDED:
                    return state
            time.sleep(0.5)
        states = Counter((task["task_id"], task["state"]) for task in self.cluster.api.task_instances(run_id, dag_id))
        raise TimeoutError(f"{run_id} has not ended: {states}")

    def state(self, run_id: str, task_id: str) -> str | None:
        """Return the state of a task that is not mapped."""
        (state,) = (task["state"] for task in self.cluster.api.task_instances(run_id) if task["task_id"] == task_id)
        return state

    def fetching(self, run_id: str) -> list[dict[str, Any]]:
        """Return the mapped tasks of the run."""
        return [task for task in self.cluster.api.task_instances(run_id) if task["task_id"] == "fetch_and_store"]

    def mark(self, run_id: str, state: str, task_id: str = "", map_index: int = -1) -> None:
        """Mark the run, or a task of it, as a person does in the UI: failed or success."""
        path = f"dags/{DAG_ID}/dagRuns/{run_id}"
        if not task_id:
            self.cluster.api.call("PATCH", path, json={"state": state})
            return
        task = f"{path}/taskInstances/{task_id}" + (f"/{map_index}" if map_index >= 0 else "")
        self.cluster.api.call("PATCH", task, json={"new_state": state})

    def pause(self, dag_id: str, *, paused: bool) -> None:
        """Pause a DAG or let it go on, once Airflow has parsed it."""
        wait_until(lambda: self.cluster.api.dag_known(dag_id), f"{dag_id} is parsed", timeout_s=60)
        self.cluster.api.call("PATCH", f"dags/{dag_id}", json={"is_paused": paused})

    def clear(self, run_id: str, *tasks: str | tuple[str, int]) -> None:
        """Clear tasks of the run, those of a map index as a pair, with what comes after them; without any, the run."""
        if not tasks:
            self.cluster.api.call("POST", f"dags/{DAG_ID}/dagRuns/{run_id}/clear", json={"dry_run": False})
            return
        what = {"dag_run_id": run_id, "task_ids": list(tasks), "include_downstream": True, "only_failed": False}
        self.cluster.api.call(
            "POST", f"dags/{DAG_ID}/clearTaskInstances", json={**what, "dry_run": False, "reset_dag_runs": True}
        )

    def outcomes(self, run_id: str) -> dict[Symbol, Outcome]:
        with Wiring(self.cluster.settings) as wiring:
            return {outcome.symbol: outcome for outcome in wiring.store.ledger.outcomes(run_id)}

    def query(self, sql: str, *values: object) -> list[tuple]:
        dsn = self.cluster.settings.market_dsn.get_secret_value()
        connection = psycopg2.connect(dsn)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql, values)
                return cursor.fetchall()
        finally:
            connection.close()


@pytest.fixture(scope="package")  # gone before the other rooms begin: it would slow them
def running(services_folder: Path) -> Iterator[Running]:
    """Start the cluster with a marked key, two workers and quick retries."""
    with running_sandbox("--quota", QUOTA, "--stall", "3") as sandbox:
        settings = {
            "ALPHA_VANTAGE_API_KEY": MARKED_KEY,
            "ALPHA_VANTAGE_BASE_URL": sandbox.url,
            "ALPHA_VANTAGE_QUOTA": QUOTA,
            "API_TIMEOUT": "2",
            "TASK_RETRY_DELAY": "1",
            "TASK_RETRY_MAX_DELAY": "2",
            "STOCK_SCHEDULE": "none",
        }
        cluster = Cluster(State(services_folder / "cluster"), workers=2, person=settings)
        try:
            cluster.up(ends_with_us=True)
        except ServiceMissing as error:
            missing(str(error))
        try:
            running = Running(cluster, sandbox)
            running.pause("stock_history", paused=True)  # its calls, and of what follows it, are a test's of their own
            yield running
        finally:
            cluster.down()
