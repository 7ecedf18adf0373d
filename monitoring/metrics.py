"""Every metric that the exporter has: its name, what it says, its labels. Rules and dashboards may name no other.

Labels are of closed sets, never a symbol, a run or a secret, so the series do not grow with use. A time is
a ``_timestamp_seconds`` of the epoch, never an age; what has a limit comes as a pair, and the ratio stands in a rule.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import GaugeMetricFamily


@dataclass(frozen=True)
class Meaning:
    """What a metric says, and the names of its labels."""

    text: str
    labels: Sequence[str] = ()


METRICS: Final[Mapping[str, Meaning]] = {
    "pipeline_build_info": Meaning("Always 1; which version runs.", ("version", "python")),
    "pipeline_source_up": Meaning("1 if the exporter could read this source just now.", ("source",)),
    "pipeline_source_seconds": Meaning("How long the exporter took to read this source.", ("source",)),
    # The quota
    "pipeline_quota_used_calls": Meaning("Calls in a window of the quota, those that are out included.", ("window",)),
    "pipeline_quota_limit_calls": Meaning("Calls that a window of the quota allows.", ("window",)),
    "pipeline_quota_callers": Meaning("Callers by where they stand: in_flight, waiting, deferred.", ("place",)),
    "pipeline_quota_hold_until_timestamp_seconds": Meaning("No call is granted before; 0 without a hold."),
    # The market database
    "pipeline_last_run_symbols": Meaning(
        "Symbols of each feed's latest run, by what became of them.", ("feed", "status", "reason")
    ),
    "pipeline_symbols": Meaning("Symbols of each feed's latest run.", ("feed",)),
    "pipeline_symbols_stale": Meaning("Those of them that are not up to date once it has ended.", ("feed",)),
    "pipeline_last_success_timestamp_seconds": Meaning(
        "When a symbol of the dataset was last found up to date: stored, or stored already.", ("dataset",)
    ),
    "pipeline_newest_session_timestamp_seconds": Meaning("The newest trading day that any quote is of, at midnight."),
    "pipeline_quarantine_waiting": Meaning("Refused replies that were not replayed.", ("reason",)),
    "pipeline_gaps": Meaning("Runs of sessions without a bar, by their state.", ("state",)),
    "pipeline_quality_findings": Meaning("Findings of the quality checks that nobody has acknowledged.", ("severity",)),
    "pipeline_table_rows": Meaning("Rows of a table, by the planner's estimate.", ("table",)),
    "pipeline_database_size_bytes": Meaning("Size of a database on disk.", ("database",)),
    "postgres_sessions": Meaning("Sessions of clients on the server, by state.", ("state",)),
    "postgres_max_connections": Meaning("Sessions that the server allows."),
    # Airflow's metadata
    "airflow_heartbeat_timestamp_seconds": Meaning("The last heartbeat of a kind of process.", ("component",)),
    "airflow_import_errors": Meaning("DAG files that cannot be imported."),
    "airflow_tasks": Meaning("Tasks of each DAG's latest run, by state.", ("task", "state")),
    "pipeline_dag_paused": Meaning("1 while a person has paused the DAG.", ("dag",)),
    "pipeline_next_run_timestamp_seconds": Meaning("When the DAG runs next by its schedule.", ("dag",)),
    "pipeline_schedule_interval_seconds": Meaning("The longest pause that STOCK_SCHEDULE has; 0 without a schedule."),
    "pipeline_runs": Meaning("Runs that are queued or running.", ("dag", "state")),
    "pipeline_last_run_start_timestamp_seconds": Meaning("When the DAG's latest run began.", ("dag",)),
    "pipeline_last_run_end_timestamp_seconds": Meaning("When the DAG's latest run that is over ended.", ("dag",)),
    "pipeline_last_run_success": Meaning("1 if the DAG's latest run that is over succeeded.", ("dag",)),
    # Redis and Celery
    "redis_memory_used_bytes": Meaning("Memory that Redis uses."),
    "redis_memory_max_bytes": Meaning("Memory that Redis may use; 0: no limit."),
    "celery_queue_messages": Meaning("Messages that wait in a queue, all priorities together.", ("queue",)),
    "celery_unacked_messages": Meaning("Messages that a worker has taken and not acknowledged."),
    "celery_worker_up": Meaning(
        "1 if the worker sent a heartbeat just now; one that is gone stays an hour.", ("worker",)
    ),
    # Pages
    "pipeline_page_up": Meaning("1 if the page answers, and says that it is well.", ("page",)),
}


def gauge(name: str, values: Mapping[Sequence[str], float] | float) -> GaugeMetricFamily:
    """Return the metric with these values, by the labels' values in their order; or its one value without labels."""
    meaning = METRICS[name]
    family = GaugeMetricFamily(name, meaning.text, labels=meaning.labels)
    for labels, value in values.items() if isinstance(values, Mapping) else [((), values)]:
        family.add_metric(labels, value)
    return family


def by_label(pairs: Iterable[tuple[str, float]]) -> dict[Sequence[str], float]:
    """Return values of a metric with one label as ``gauge`` takes them."""
    return {(label,): value for label, value in pairs}
