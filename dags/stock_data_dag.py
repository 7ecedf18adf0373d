"""The DAG ``stock_data_pipeline``: check, plan, a task for each symbol or batch of symbols, report, close, clean up."""

from datetime import timedelta

from airflow.sdk import DAG, Param

from common.settings import DagSettings
from workers.airflow_dag import timetable
from workers.airflow_operator import (
    CleanUp,
    CloseRun,
    FetchAndStore,
    PlanSymbols,
    ReportRun,
    ValidateEnvironment,
)
from workers.pipeline.batching import fetches_at_once

settings = DagSettings.from_environment()

with DAG(
    dag_id="stock_data_pipeline",
    description="Fetch, validate and store a quote for each symbol, within one quota over all workers",
    doc_md="""
    ### Stock data pipeline
    One task for each symbol, or for each batch where there are many: **quota → fetch → validate → store**. A symbol
    that fails stops no other; the report says what became of each, and is red if one failed. Trigger it with symbols
    of your own, or leave them empty for those of `STOCK_SYMBOLS`.
    """,
    schedule=timetable(settings),
    catchup=False,
    max_active_runs=1,  # two runs at once would spend the same quota twice
    tags=["stocks", "alpha-vantage"],
    params={
        "symbols": Param(
            default=None,
            type=["null", "array"],
            items={"type": "string"},
            title="Symbols",
            description="The symbols of this run, one a line. Empty: those of STOCK_SYMBOLS.",
        ),
        "force": Param(
            default=False,
            type="boolean",
            title="Fetch all the same",
            description="Fetch symbols too whose latest completed session is stored already.",
        ),
    },
    default_args={
        "queue": settings.housekeeping_queue,
        "weight_rule": "absolute",
        "priority_weight": 2,  # before hundreds of fetching tasks, which no other DAG's task waits behind either
        "retries": settings.task_retries,
        "retry_delay": timedelta(seconds=settings.task_retry_delay),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(seconds=settings.task_retry_max_delay),
        "execution_timeout": timedelta(seconds=settings.task_timeout),
    },
) as dag:
    validated = ValidateEnvironment(task_id="validate_environment")
    planned = PlanSymbols(task_id="plan")
    fetched = FetchAndStore.partial(
        task_id="fetch_and_store",
        queue=settings.fetch_queue,
        priority_weight=1,
        map_index_template="{{ label | default('') }}",
        max_active_tis_per_dagrun=fetches_at_once(settings.quota, settings.max_active_fetches),
        do_xcom_push=False,
    ).expand(batch_number=planned.batch_numbers)
    # The ends of a run: teardowns, so that they run whatever came before them, also where a person marks the whole run.
    # Its colour is that of both: marking one of them in the UI turns no red run green.
    reported = ReportRun(task_id="report", retries=0).as_teardown(on_failure_fail_dagrun=True)
    closed = CloseRun(task_id="close_run", retries=0).as_teardown(on_failure_fail_dagrun=True)
    cleaned = CleanUp(task_id="clean_up").as_teardown()  # the colour does not depend on it

    validated >> planned >> fetched >> [reported, closed] >> cleaned
