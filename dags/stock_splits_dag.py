"""The DAG ``stock_splits``: the splits of each symbol, after the daily bars."""

from common.settings import DagSettings
from workers.airflow_dag import ended, feed_dag

settings = DagSettings.from_environment()

if settings.stock_history == settings.stock_actions == "on":
    dag = feed_dag(
        "splits",
        settings,
        schedule=[ended("history")],
        description="Fetch, validate and store the splits of each symbol",
        doc="""
        ### Splits
        Runs after `stock_history`, for its symbols, with what is left of the quota. A symbol costs one call a
        month, and one when its price has jumped without a split that is known.
        """,
    )
