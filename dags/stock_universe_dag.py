"""The DAG ``stock_universe``: the provider's list of companies, once a week."""

from airflow.sdk import DAG, Param

from common.settings import DagSettings
from workers.airflow_dag import TAGS, WEEKLY, default_args, timetable
from workers.airflow_universe import RenewListings

settings = DagSettings.from_environment()

with DAG(
    dag_id="stock_universe",
    description="Fetch and store the list of companies that STOCK_SYMBOLS=listing:… chooses from",
    doc_md="""
    ### The list of companies
    One call a week, where `STOCK_SYMBOLS` is `listing:…`; else the run is skipped, and costs nothing unless you trigger
    it. A list that shrank by a tenth or more is refused: look at it, and trigger the DAG with *accept*.
    """,
    schedule=timetable(settings, WEEKLY),
    catchup=False,
    max_active_runs=1,
    tags=TAGS,
    params={
        "accept": Param(
            default=False,
            type="boolean",
            title="Accept a list that shrank",
            description="Take the list over although it has a tenth fewer symbols than the one before, or less.",
        )
    },
    default_args=default_args(settings),
) as dag:
    RenewListings(task_id="renew_listings", queue=settings.fetch_queue)
