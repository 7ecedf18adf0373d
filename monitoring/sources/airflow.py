"""Airflow's metadata: heartbeats, import errors, and how far each DAG's latest run is."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from prometheus_client.core import GaugeMetricFamily
from pydantic import SecretStr

from monitoring.metrics import by_label, gauge
from monitoring.sources.source import Database, timestamp
from workers.pipeline.feeds import DAGS, run_name

#: Airflow's names of its jobs, and ours of the processes.
COMPONENTS: Final[Mapping[str, str]] = {
    "SchedulerJob": "scheduler",
    "DagProcessorJob": "dag-processor",
    "TriggererJob": "triggerer",
}
#: The states that a task can be in; ``none``: not yet scheduled.
TASK_STATES: Final = (
    *("none", "scheduled", "queued", "running", "deferred", "restarting", "up_for_retry", "up_for_reschedule"),
    *("success", "failed", "upstream_failed", "skipped", "removed"),
)


class AirflowSource:
    """Airflow's metadata database. ``latest_runs``: what the last reading said, as the ledger names runs, by feed."""

    name = "airflow"

    def __init__(self, dsn: SecretStr) -> None:
        self._database = Database(dsn, "MONITOR_AIRFLOW_DATABASE_URL")
        self.latest_runs: Mapping[str, str] = {}

    def read(self) -> Iterator[GaugeMetricFamily]:
        """Yield what the metadata say now."""
        ours = {"dags": list(DAGS.values())}
        beats, errors, dags, runs = self._database.ask(
            ("heartbeats", {"jobs": list(COMPONENTS)}), ("import_errors", {}), ("dags", ours), ("last_runs", ours)
        )
        begun = {dag: run_id for dag, run_id, *_ in runs}
        self.latest_runs = {feed: run_name(feed, begun[dag]) for feed, dag in DAGS.items() if dag in begun}
        yield gauge(
            "airflow_heartbeat_timestamp_seconds",
            by_label((COMPONENTS[job], timestamp(beat)) for job, beat in beats if beat),
        )
        yield gauge("airflow_import_errors", errors[0][0])
        yield from _of_dags(dags)
        yield from _of_runs(runs)
        yield self._tasks(begun)

    def _tasks(self, begun: Mapping[str, str]) -> GaugeMetricFamily:
        (rows,) = self._database.ask(("tasks", {"dags": list(begun), "runs": list(begun.values())}))
        counts = Counter({(task, state): float(count) for task, state, count in rows if state in TASK_STATES})
        tasks = sorted({task for task, *_ in rows})
        return gauge("airflow_tasks", {(task, state): counts[task, state] for task in tasks for state in TASK_STATES})

    def close(self) -> None:
        """Close the connection."""
        self._database.close()


def _of_dags(rows: Sequence[tuple[Any, ...]]) -> Iterator[GaugeMetricFamily]:
    yield gauge("pipeline_dag_paused", by_label((dag, paused) for dag, paused, *_ in rows))
    yield gauge(
        "pipeline_next_run_timestamp_seconds", by_label((dag, timestamp(after)) for dag, _, after, *_ in rows if after)
    )
    waiting = {(dag, "queued"): queued for dag, _, _, queued, _ in rows}
    yield gauge("pipeline_runs", waiting | {(dag, "running"): running for dag, _, _, _, running in rows})


def _of_runs(rows: Sequence[tuple[Any, ...]]) -> Iterator[GaugeMetricFamily]:
    begun = by_label((dag, timestamp(start)) for dag, _, start, _, _ in rows)
    over = [(dag, end, state) for dag, _, _, end, state in rows if end]
    yield gauge("pipeline_last_run_start_timestamp_seconds", begun)
    yield gauge("pipeline_last_run_end_timestamp_seconds", by_label((dag, timestamp(end)) for dag, end, _ in over))
    yield gauge("pipeline_last_run_success", by_label((dag, state == "success") for dag, _, state in over))
