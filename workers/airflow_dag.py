"""What a DAG file declares with: one DAG for each feed, made from the settings."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from airflow.sdk import DAG, Asset, CronTriggerTimetable, DeltaTriggerTimetable, Param
from airflow.sdk.bases.timetable import BaseTimetable

from common.settings import DagSettings
from workers.airflow_notify import NotifyRun
from workers.airflow_operator import (
    CleanUp,
    CloseRun,
    FetchAndStore,
    PlanSymbols,
    PublishDataset,
    ReportRun,
    ValidateEnvironment,
)
from workers.pipeline.batching import fetches_at_once
from workers.pipeline.feeds import DAGS, DATASET_OF

#: What every DAG can be found by in the UI.
TAGS: Final = ("stocks", "alpha-vantage")
#: Sundays: the list follows the exchanges, most of which rest then.
WEEKLY: Final = "0 5 * * 0"
#: The form that a person triggers a run with.
_PARAMETERS: Final[dict[str, Any]] = {
    "symbols": {
        "default": None,
        "type": ["null", "array"],
        "items": {"type": "string"},
        "title": "Symbols",
        "description": "The symbols of this run, one a line. Empty: those of STOCK_SYMBOLS.",
    },
    "force": {
        "default": False,
        "type": "boolean",
        "title": "Fetch all the same",
        "description": "Fetch symbols too that need no call: what is wanted of them is stored already.",
    },
}


def ended(feed: str) -> Asset:
    """Return the asset that says that a run of the feed has ended, well or not: what a DAG after it waits for."""
    return Asset(name=f"{feed}_run_ended", uri=f"stocks://runs/{feed}", group="runs")


def dataset_asset(feed: str) -> Asset:
    """Return the asset of what a feed brings, for DAGs that are to run on new data: after each run that went well.

    Its events say in ``extra``: ``run_id`` (as the ledger has it), ``stored`` (how many symbols) and ``session`` (the
    newest trading day among them, an ISO date; None where none of the rows is of one).
    """
    return Asset(f"market://{DATASET_OF[feed]}", group="market")  # an asset of another name would be another one


def timetable(settings: DagSettings, rarer: str = "") -> BaseTimetable | None:
    """Return when a DAG runs by itself: at the cron line's or preset's times, at intervals, or (None) never.

    With ``rarer``, a cron line, that is when it runs, where STOCK_SCHEDULE lets any DAG run by itself. A fresh
    installation waits for the next time; one that was off when a run was due makes up for the latest.
    """
    schedule = settings.stock_schedule and (rarer or settings.stock_schedule)
    if isinstance(schedule, timedelta):
        return DeltaTriggerTimetable(schedule)
    if schedule is None:
        return None
    # Airflow's own default makes up for a time that passed less than a tenth of the period ago: at two in the morning a
    # fresh installation would spend the day's quota before anybody has looked at it.
    return CronTriggerTimetable(schedule, timezone=settings.stock_timezone, run_immediately=timedelta(0))


def default_args(settings: DagSettings) -> dict[str, Any]:
    """Return what every task has that does not say otherwise."""
    return {
        "queue": settings.housekeeping_queue,
        "weight_rule": "absolute",
        "priority_weight": 2,  # before hundreds of fetching tasks, which no other DAG's task waits behind either
        "retries": settings.task_retries,
        "retry_delay": timedelta(seconds=settings.task_retry_delay),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(seconds=settings.task_retry_max_delay),
        "execution_timeout": timedelta(seconds=settings.task_timeout),
    }


def feed_dag(
    feed: str, settings: DagSettings, *, schedule: BaseTimetable | Sequence[Asset] | None, description: str, doc: str
) -> DAG:
    """Return the DAG of a feed: check, plan, a task for each symbol or batch of symbols, and what ends the run."""
    with DAG(
        dag_id=DAGS[feed],
        description=description,
        doc_md=doc,
        schedule=schedule,
        catchup=False,
        max_active_runs=1,  # two runs at once would spend the same quota twice
        tags=TAGS,
        params={name: Param(**how) for name, how in _PARAMETERS.items()},
        default_args=default_args(settings),
    ) as dag:
        _steps(feed, settings)
    return dag


def _steps(feed: str, settings: DagSettings) -> None:
    validated = ValidateEnvironment(task_id="validate_environment")
    planned = PlanSymbols(task_id="plan", feed=feed)
    fetched = FetchAndStore.partial(
        task_id="fetch_and_store",
        feed=feed,
        queue=settings.fetch_queue,
        priority_weight=1,
        map_index_template="{{ label | default('') }}",
        max_active_tis_per_dagrun=fetches_at_once(settings.quota, settings.max_active_fetches),
        do_xcom_push=False,
    ).expand(batch_number=planned.batch_numbers)
    # The ends of a run: teardowns, so that they run whatever came before them, also where a person marks the whole run.
    # Its colour is that of both: marking one of them in the UI turns no red run green.
    reported = ReportRun(task_id="report", feed=feed, retries=0).as_teardown(on_failure_fail_dagrun=True)
    closed = CloseRun(task_id="close_run", feed=feed, retries=0).as_teardown(on_failure_fail_dagrun=True)
    cleaned = CleanUp(
        task_id="clean_up", feed=feed, outlets=[ended(feed)]
    ).as_teardown()  # the colour does not depend on it
    published = PublishDataset(task_id="publish", feed=feed, outlets=[dataset_asset(feed)]).as_teardown()
    told = NotifyRun(task_id="notify", feed=feed, retries=0).as_teardown()  # nothing waits for it

    validated >> planned >> fetched >> [reported, closed] >> cleaned
    for judge in (reported, closed):
        judge >> [published, told]
