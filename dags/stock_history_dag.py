"""The DAG ``stock_history``: the daily bars of each symbol, after the quotes, with what those leave of the quota."""

from common.settings import DagSettings
from workers.airflow_dag import ended, feed_dag

settings = DagSettings.from_environment()

if settings.stock_history == "on":
    dag = feed_dag(
        "history",
        settings,
        schedule=[ended("quotes")],
        description="Fetch, validate and store the daily bars of each symbol that lacks a session",
        doc="""
        ### Daily bars
        Runs after each run of `stock_data_pipeline`, for its symbols. A symbol costs one call, and only where a
        completed session is missing: it brings the last 100 sessions, or all there are where the plan of the key allows
        that. The quotes come first: their next run's calls are left to them.
        """,
    )
