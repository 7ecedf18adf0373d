"""The routes of the runs, the quota, and what a person should look at."""

from collections.abc import Callable, Sequence
from time import time
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from plugins.market import findings, operations, quota_status, schema
from plugins.market.findings import FindingsQuery, GapsQuery
from plugins.market.operations import OutcomesQuery, RunsQuery, WorkersQuery
from plugins.market.page import Document, Page, PageDep
from plugins.market.paging import PartOfSymbol, as_table
from plugins.market.parameters import RunPath
from plugins.market.schema import answers

router = APIRouter(prefix="/api", tags=["operations"], responses=schema.ERRORS)


def _minute() -> int:
    """Return a number that changes each minute, for answers that say what is lately or by now."""
    return int(time() // 60)


def _file(
    request: Request,
    page: Page,
    tables: Sequence[str],
    row: type[schema.Model],
    make: Callable[[], Document],
    *more: object,
) -> Response:
    """Answer with the document's rows as a file."""
    return page.csv(request, tables, lambda: as_table(make(), row), *more)


@router.get("/runs", responses=answers(schema.Runs))
def get_runs(request: Request, page: PageDep, query: Annotated[RunsQuery, Query()]) -> Response:
    """The newest runs, and how many of their symbols ended how."""
    return page.json(request, operations.LEDGER, lambda: operations.runs(page, query))


@router.get("/runs.csv", response_class=Response, responses=schema.CSV_FILE)
def get_runs_csv(request: Request, page: PageDep, query: Annotated[RunsQuery, Query()]) -> Response:
    """The same as a file."""
    return _file(request, page, operations.LEDGER, schema.Run, lambda: operations.runs(page, query))


@router.get("/runs/{run_id}/outcomes", responses=answers(schema.RunOutcomes))
def get_outcomes(
    request: Request, page: PageDep, run_id: RunPath, query: Annotated[OutcomesQuery, Query()]
) -> Response:
    """What became of the symbols of a run."""
    return page.json(request, operations.LEDGER, lambda: operations.outcomes(page, run_id, query))


@router.get("/runs/{run_id}/outcomes.csv", response_class=Response, responses=schema.CSV_FILE)
def get_outcomes_csv(
    request: Request, page: PageDep, run_id: RunPath, query: Annotated[OutcomesQuery, Query()]
) -> Response:
    """The same as a file."""
    return page.csv(
        request, operations.LEDGER, lambda: as_table(operations.outcomes(page, run_id, query), schema.RunOutcome)
    )


@router.get("/workers", responses=answers(schema.Workers))
def get_workers(request: Request, page: PageDep, query: Annotated[WorkersQuery, Query()]) -> Response:
    """How many symbols each worker ended lately."""
    return page.json(request, operations.LEDGER, lambda: operations.workers(page, query), _minute())


@router.get("/workers.csv", response_class=Response, responses=schema.CSV_FILE)
def get_workers_csv(request: Request, page: PageDep, query: Annotated[WorkersQuery, Query()]) -> Response:
    """The same as a file."""
    return page.csv(
        request, operations.LEDGER, lambda: as_table(operations.workers(page, query), schema.Worker), _minute()
    )


@router.get("/quota", responses=answers(schema.Quota))
def get_quota(request: Request, page: PageDep) -> Response:
    """What is used of the quota, who waits and until when, and how many calls each hour made."""
    return page.json(request, quota_status.TABLES, lambda: quota_status.document(page), int(time()))


@router.get("/quota.csv", response_class=Response, responses=schema.CSV_FILE)
def get_quota_csv(request: Request, page: PageDep) -> Response:
    """The quota's windows as a file; 503 where Redis, which alone knows them, is away."""
    return page.csv(request, (), lambda: quota_status.table(page), int(time()))


@router.get("/findings", responses=answers(schema.Findings))
def get_findings(request: Request, page: PageDep, query: Annotated[FindingsQuery, Query()]) -> Response:
    """What the checks of the stored values found."""
    return page.json(request, findings.FINDINGS, lambda: findings.findings(page, query))


@router.get("/findings.csv", response_class=Response, responses=schema.CSV_FILE)
def get_findings_csv(request: Request, page: PageDep, query: Annotated[FindingsQuery, Query()]) -> Response:
    """The same as a file."""
    return _file(request, page, findings.FINDINGS, schema.Finding, lambda: findings.findings(page, query))


@router.get("/gaps", responses=answers(schema.Gaps))
def get_gaps(request: Request, page: PageDep, query: Annotated[GapsQuery, Query()]) -> Response:
    """Sessions that the bars lack."""
    return page.json(request, findings.GAPS, lambda: findings.gaps(page, query))


@router.get("/gaps.csv", response_class=Response, responses=schema.CSV_FILE)
def get_gaps_csv(request: Request, page: PageDep, query: Annotated[GapsQuery, Query()]) -> Response:
    """The same as a file."""
    return _file(request, page, findings.GAPS, schema.Gap, lambda: findings.gaps(page, query))


@router.get("/quarantine", responses=answers(schema.Quarantine))
def get_quarantine(request: Request, page: PageDep, query: Annotated[PartOfSymbol, Query()]) -> Response:
    """Replies that were refused, each with the reason."""
    return page.json(request, findings.QUARANTINE, lambda: findings.quarantine(page, query))


@router.get("/quarantine.csv", response_class=Response, responses=schema.CSV_FILE)
def get_quarantine_csv(request: Request, page: PageDep, query: Annotated[PartOfSymbol, Query()]) -> Response:
    """The same as a file."""
    return _file(request, page, findings.QUARANTINE, schema.Refused, lambda: findings.quarantine(page, query))


@router.get("/quarantine/{number}", responses=answers(schema.RefusedReply))
def get_refused(request: Request, page: PageDep, number: Annotated[int, Path(ge=1, le=2**63 - 1)]) -> Response:
    """One refused reply, with the beginning of its text."""
    return page.json(request, findings.QUARANTINE, lambda: findings.refused(page, number))
