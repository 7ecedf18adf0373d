"""What the DAGs feed, and the names that the ledger knows their runs by. ``Wiring.dataset_of`` says what each asks."""

from collections.abc import Mapping
from typing import Final

from common.datasets import NAMES

FIRST: Final = "quotes"
HISTORY: Final = "history"
#: Every dataset that none of these two brings has a feed of its own, under its own name.
OTHERS: Final = tuple(name for name in NAMES if name not in {"quotes", "daily_bars", "full_history"})
#: The feeds by name, and the DAG of each. The first one comes first: the others leave it its calls.
DAGS: Final[Mapping[str, str]] = {
    FIRST: "stock_data_pipeline",
    HISTORY: "stock_history",
    **{name: f"stock_{name}" for name in OTHERS},
}
#: The dataset whose rows a feed brings, under the name that other DAGs know it by.
DATASET_OF: Final[Mapping[str, str]] = {FIRST: "quotes", HISTORY: "daily_bars", **{name: name for name in OTHERS}}


def run_name(feed: str, run_id: str) -> str:
    """Return the ledger's name of an Airflow run: two DAGs that are started at the same time give it the same id."""
    return run_id if feed == FIRST else f"{feed}:{run_id}"


def run_id_of(feed: str, name: str) -> str | None:
    """Return the Airflow run that the ledger knows by this name, or None where it is another feed's."""
    others = [f"{other}:" for other in DAGS if other != FIRST]
    if feed == FIRST:
        return None if name.startswith(tuple(others)) else name
    return name.removeprefix(f"{feed}:") if name.startswith(f"{feed}:") else None
