"""The DAG ``stock_dividends``: the dividends of each symbol, after the splits."""

from common.settings import DagSettings
from workers.airflow_dag import ended, feed_dag

settings = DagSettings.from_environment()

if settings.stock_history == settings.stock_actions == "on":
    dag = feed_dag(
        "dividends",
        settings,
        schedule=[ended("splits")],
        description="Fetch, validate and store the dividends of each symbol",
        doc="""
        ### Dividends
        Runs after `stock_splits`, for its symbols, with what is left of the quota. A symbol costs one call a month.
        """,
    )
