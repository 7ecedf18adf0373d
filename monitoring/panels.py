"""What the Grafana dashboards show: four, each for one question, and every panel asks the exporter's metrics alone.

Does the pipeline do its work, is the cluster well, where does the quota go, how are the data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_SECONDS: Final = "s"
_SHARE: Final = "percentunit"


@dataclass(frozen=True)
class Panel:
    """A panel: ``queries`` by their legend, ``unit`` as Grafana names it, ``span`` of 24 columns.

    Lines over time, on top of each other where ``stacked``; or the number of ``now``, red from ``bad`` on.
    """

    title: str
    queries: Mapping[str, str]
    unit: str = "short"
    stacked: bool = False
    span: int = 12
    now: bool = False
    bad: float | None = None


def now(title: str, legend: str, query: str, unit: str = "short", *, bad: float | None = None, span: int) -> Panel:
    """Return a panel that shows one number."""
    return Panel(title, {legend or title: query}, unit, span=span, now=True, bad=bad)


def _age(metric: str) -> str:
    return f"time() - {metric}"


DASHBOARDS: Final[Mapping[str, tuple[str, Sequence[Panel]]]] = {
    "pipeline": (
        "Stock pipeline: runs",
        (
            now(
                "Symbols up to date", "{{feed}}", "1 - pipeline_symbols_stale / (pipeline_symbols > 0)", _SHARE, span=8
            ),
            now(
                "Since a quote was up to date",
                "",
                _age('pipeline_last_success_timestamp_seconds{dataset="quotes"}'),
                _SECONDS,
                bad=172_800,
                span=4,
            ),
            now(
                "Until the next run",
                "",
                'pipeline_next_run_timestamp_seconds{dag="stock_data_pipeline"} - time() or vector(0)',
                _SECONDS,
                span=4,
            ),
            now(
                "Latest runs that failed",
                "",
                "count(pipeline_last_run_success) - sum(pipeline_last_run_success)",
                bad=1,
                span=4,
            ),
            now("DAGs that are paused", "", "sum(pipeline_dag_paused)", bad=1, span=4),
            Panel(
                "Symbols of the latest quotes' run",
                {"{{status}} {{reason}}": 'sum by (status, reason) (pipeline_last_run_symbols{feed="quotes"})'},
                stacked=True,
            ),
            Panel(
                "Symbols of each feed's latest run",
                {"{{feed}} {{status}}": "sum by (feed, status) (pipeline_last_run_symbols)"},
                stacked=True,
            ),
            Panel("Tasks of the latest runs", {"{{state}}": "sum by (state) (airflow_tasks)"}, stacked=True),
            Panel(
                "Fetching tasks of the latest runs",
                {"{{state}}": 'sum by (state) (airflow_tasks{task="fetch_and_store"})'},
                stacked=True,
            ),
            Panel("Runs queued and running", {"{{dag}} {{state}}": "pipeline_runs"}),
            Panel(
                "Duration of the latest run that is over",
                {"{{dag}}": "pipeline_last_run_end_timestamp_seconds - pipeline_last_run_start_timestamp_seconds >= 0"},
                _SECONDS,
            ),
        ),
    ),
    "cluster": (
        "Stock pipeline: cluster",
        (
            now("Workers up", "", "sum(celery_worker_up) or vector(0)", span=4),
            now("Pages down", "", "count(pipeline_page_up == 0) or vector(0)", bad=1, span=4),
            now("Files that cannot be imported", "", "airflow_import_errors", bad=1, span=4),
            now("Sources that cannot be read", "", "count(pipeline_source_up == 0) or vector(0)", bad=1, span=4),
            now(
                "Sessions of PostgreSQL",
                "",
                "sum(postgres_sessions) / max(postgres_max_connections)",
                _SHARE,
                bad=0.8,
                span=4,
            ),
            now("Version", "{{version}}, Python {{python}}", "pipeline_build_info", span=4),
            Panel(
                "Since the last heartbeat",
                {"{{component}}": _age("max by (component) (airflow_heartbeat_timestamp_seconds)")},
                _SECONDS,
            ),
            Panel("Workers", {"{{worker}}": "celery_worker_up"}),
            Panel(
                "Messages in queues", {"{{queue}} waiting": "celery_queue_messages", "taken": "celery_unacked_messages"}
            ),
            Panel(
                "Sessions of PostgreSQL by state",
                {"{{state}}": "postgres_sessions", "allowed": "postgres_max_connections"},
            ),
            Panel(
                "Memory of Redis",
                {"used": "redis_memory_used_bytes", "allowed (0: no limit)": "redis_memory_max_bytes"},
                "bytes",
            ),
            Panel("Time to read a source", {"{{source}}": "pipeline_source_seconds"}, _SECONDS),
        ),
    ),
    "quota": (
        "Stock pipeline: quota",
        (
            now(
                "Used of the longest window",
                "{{window}}",
                "max(pipeline_quota_used_calls / pipeline_quota_limit_calls)",
                _SHARE,
                bad=0.95,
                span=8,
            ),
            now(
                "Held back for",
                "",
                "clamp_min(pipeline_quota_hold_until_timestamp_seconds - time(), 0)",
                _SECONDS,
                bad=1,
                span=8,
            ),
            now("Callers that wait", "", 'sum(pipeline_quota_callers{place!="in_flight"})', span=8),
            Panel(
                "Used of each window", {"{{window}}": "pipeline_quota_used_calls / pipeline_quota_limit_calls"}, _SHARE
            ),
            Panel(
                "Calls in each window",
                {"{{window}} used": "pipeline_quota_used_calls", "{{window}} limit": "pipeline_quota_limit_calls"},
            ),
            Panel("Callers", {"{{place}}": "pipeline_quota_callers"}, stacked=True),
            Panel(
                "Symbols postponed to another day",
                {"{{feed}}": 'sum by (feed) (pipeline_last_run_symbols{status="postponed"}) or 0 * pipeline_symbols'},
            ),
        ),
    ),
    "market_data": (
        "Stock pipeline: market data",
        (
            now(
                "Age of the newest session",
                "",
                _age("pipeline_newest_session_timestamp_seconds"),
                _SECONDS,
                bad=432_000,
                span=6,
            ),
            now("Refused replies", "", "sum(pipeline_quarantine_waiting) or vector(0)", bad=1, span=6),
            now("Quality errors", "", 'pipeline_quality_findings{severity="error"}', bad=1, span=6),
            now("Gaps that are open", "", 'pipeline_gaps{state="open"}', span=6),
            Panel(
                "Since a symbol of the dataset was up to date",
                {"{{dataset}}": _age("pipeline_last_success_timestamp_seconds")},
                _SECONDS,
            ),
            Panel("Findings that nobody has acknowledged", {"{{severity}}": "pipeline_quality_findings"}),
            Panel(
                "Refused replies by reason",
                {"{{reason}}": 'pipeline_quarantine_waiting or label_replace(vector(0), "reason", "none", "", "")'},
                stacked=True,
            ),
            Panel("Gaps by state", {"{{state}}": "pipeline_gaps"}, stacked=True),
            Panel("Rows, by the planner's estimate", {"{{table}}": "pipeline_table_rows"}),
            Panel("Size of the databases", {"{{database}}": "pipeline_database_size_bytes"}, "bytes"),
        ),
    ),
}
