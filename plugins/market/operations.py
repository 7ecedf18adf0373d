"""The runs, what became of their symbols, and who did the work: all from the ledger, with links into Airflow."""

from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from fastapi import HTTPException
from pydantic import BaseModel, ConfigDict, Field

from plugins.market.page import Document, Page
from plugins.market.paging import Part, rows_of
from workers.pipeline.feeds import DAGS, FIRST, run_id_of

LEDGER: Final = ("fetch_outcomes",)
#: What the command line does is no run of Airflow's.
_COMMAND_LINE: Final = ("cli__", "probe__")
#: How many plans are looked at for one run that is shown: a person may have cleared it a few times.
_PLANS_PER_RUN: Final = 10
_MOST_WORKERS: Final = 1_000
_FETCHING_TASK: Final = "fetch_and_store"


class RunsQuery(BaseModel):
    """How many runs."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=100)] = 30


class OutcomesQuery(Part):
    """Which outcomes of a run: those with a status, or all."""

    status: Literal["", "planned", "stored", "unchanged", "stale", "skipped", "postponed", "quarantined", "failed"] = ""


class WorkersQuery(BaseModel):
    """Of how many hours."""

    model_config = ConfigDict(extra="forbid")

    hours: Annotated[int, Field(ge=1, le=168)] = 24


def runs(page: Page, query: RunsQuery) -> Document:
    """Return the newest runs with what became of their symbols."""
    values = {"row_limit": query.limit, "steps": query.limit * _PLANS_PER_RUN}
    return {"rows": [_run(row) for row in page.reader.query("runs", values).dicts()]}


def _run(row: dict[str, Any]) -> dict[str, Any]:
    """Add what the ledger's name of the run tells: its DAG, where it is in Airflow; and how it went.

    A run counts as failed with its first symbol that failed or was refused; Airflow's own run may tolerate some
    (MAX_FAILURE_RATIO).
    """
    dag_id, run_id = _in_airflow(row["run_id"])
    state = "running" if row["open"] else "failed" if row["failed"] or row["quarantined"] else "success"
    link = f"dags/{dag_id}/runs/{_segment(run_id)}" if dag_id else None
    return {**row, "dag_id": dag_id, "state": state, "link": link}


def outcomes(page: Page, run_id: str, query: OutcomesQuery) -> Document:
    """Return what became of the symbols of a run; 404 where there is none of that name."""
    values = {"run_id": run_id, "status": query.status or None, **query.bounds}
    document = rows_of(page, "run_outcomes", values)
    if not document["rows"] and not page.reader.query("run_exists", {"run_id": run_id}).rows[0][0]:
        raise HTTPException(404, f"There is no run {run_id[:64]!r} in the ledger; it keeps them for a while only.")
    dag_id, airflow_run = _in_airflow(run_id)
    return {**document, "rows": [_outcome(row, dag_id, airflow_run) for row in document["rows"]]}


def _outcome(row: dict[str, Any], dag_id: str | None, run_id: str) -> dict[str, Any]:
    batch = row.pop("batch")
    task = f"dags/{dag_id}/runs/{_segment(run_id)}/tasks/{_FETCHING_TASK}/mapped/{batch - 1 if batch else 0}"
    return {**row, "link": task if dag_id and batch else None}


def workers(page: Page, query: WorkersQuery) -> Document:
    """Return how many symbols each worker ended lately."""
    values = {"hours": query.hours, "row_limit": _MOST_WORKERS}
    return {"rows": page.reader.query("workers", values).dicts()}


def _in_airflow(name: str) -> tuple[str | None, str]:
    """Return the DAG and the run in Airflow that the ledger knows by this name; no DAG for the command line's."""
    if name.startswith(_COMMAND_LINE):
        return None, name
    for feed, dag_id in DAGS.items():
        run_id = run_id_of(feed, name)
        if feed != FIRST and run_id is not None:
            return dag_id, run_id
    return DAGS[FIRST], name


def _segment(text: str) -> str:
    return quote(text, safe="")
