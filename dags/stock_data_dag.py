"""The DAG ``stock_data_pipeline``: a quote for each symbol."""

from common.settings import DagSettings
from workers.airflow_dag import feed_dag, timetable

settings = DagSettings.from_environment()

dag = feed_dag(
    "quotes",
    settings,
    schedule=timetable(settings),
    description="Fetch, validate and store a quote for each symbol, within one quota over all workers",
    doc="""
    ### Stock data pipeline
    One task for each symbol, or for each batch where there are many: **quota → fetch → validate → store**. A symbol
    that fails stops no other; the report says what became of each, and is red if one failed. Trigger it with symbols
    of your own, or leave them empty for those of `STOCK_SYMBOLS`.
    """,
)
