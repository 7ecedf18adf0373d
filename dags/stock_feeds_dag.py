"""A DAG for each feed that follows the daily bars, one after the other: ``stock_splits``, ``stock_dividends`` …"""

from itertools import pairwise

from common.settings import DagSettings
from workers.airflow_dag import ended, feed_dag
from workers.pipeline.feeds import DAGS, HISTORY, OTHERS

settings = DagSettings.from_environment()

if settings.stock_history == settings.stock_actions == "on":
    dags = [
        feed_dag(
            feed,
            settings,
            schedule=[ended(before)],
            description=f"Fetch, validate and store the {feed} of each symbol",
            doc=f"""
            ### {feed.capitalize()}
            Runs after `{DAGS[before]}`, for its symbols, with what is left of the quota. A symbol costs one call, and
            none before it is due again.
            """,
        )
        for before, feed in pairwise((HISTORY, *OTHERS))
    ]
