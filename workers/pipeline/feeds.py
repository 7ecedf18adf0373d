"""What the DAGs feed, and the names that the ledger knows their runs by. ``Wiring.dataset_of`` says what each asks."""

from collections.abc import Mapping
from typing import Final

FIRST: Final = "quotes"
HISTORY: Final = "history"
#: The feeds by name, and the DAG of each. The first one comes first: the others leave it its calls.
DAGS: Final[Mapping[str, str]] = {
    FIRST: "stock_data_pipeline",
    HISTORY: "stock_history",
    "splits": "stock_splits",
    "dividends": "stock_dividends",
}


def run_name(feed: str, run_id: str) -> str:
    """Return the ledger's name of an Airflow run: two DAGs that are started at the same time give it the same id."""
    return run_id if feed == FIRST else f"{feed}:{run_id}"


def run_id_of(feed: str, name: str) -> str | None:
    """Return the Airflow run that the ledger knows by this name, or None where it is another feed's."""
    others = [f"{other}:" for other in DAGS if other != FIRST]
    if feed == FIRST:
        return None if name.startswith(tuple(others)) else name
    return name.removeprefix(f"{feed}:") if name.startswith(f"{feed}:") else None
