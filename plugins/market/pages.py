"""The HTML shells: they hold no data, only what the script must know to ask for it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.templating import Jinja2Templates
from starlette.responses import JSONResponse, Response

from common.values import Symbol
from workers.pipeline.feeds import DAGS, FIRST

#: Where Airflow mounts the page.
URL_PREFIX: Final = "/market"

_HEADERS: Final = {"Cache-Control": "private, no-cache"}
_TITLES: Final = {
    400: "This is no symbol",
    401: "Log in to see this page",
    403: "You may not see this page",
    404: "There is no such page",
    503: "The data is away",
}

router = APIRouter(include_in_schema=False)
_templates: Final = Jinja2Templates(Path(__file__).parent / "templates")


@router.get("/")
def overview(request: Request) -> Response:
    """The list of all symbols."""
    return _shell(request, "overview")


@router.get("/operations")
def operations(request: Request) -> Response:
    """The quota, the runs, the workers, findings, gaps and the quarantine."""
    return _shell(request, "operations")


@router.get("/s/{symbol:path}")
def symbol(request: Request, symbol: str) -> Response:
    """One symbol's chart."""
    return _shell(request, "symbol", Symbol(symbol))


@router.get("/api/openapi.json")
def openapi(request: Request) -> Response:
    """Describe the data's routes, for those who may read the data."""
    document = {**request.app.openapi(), "servers": [{"url": request.scope["root_path"] or "/"}]}
    return JSONResponse(document, headers=_HEADERS)


@router.get("/api/docs")
def documentation(request: Request) -> Response:
    """The same for people."""
    document = request.app.openapi()
    operations = [
        {"path": path, **operation} for path, methods in document["paths"].items() for operation in methods.values()
    ]
    return _render(request, "docs", {"operations": operations, "description": document["info"]["description"]})


def error_page(request: Request, status: int, detail: str, headers: Mapping[str, str]) -> Response:
    """Return a page that says what went wrong, and what to do."""
    title = _TITLES.get(status, "This did not work")
    return _render(request, "error", {"status": status, "title": title, "detail": detail}, status, headers)


def _shell(request: Request, page: str, symbol: str = "") -> Response:
    return _render(request, page, {"symbol": symbol})


def _render(
    request: Request,
    page: str,
    more: Mapping[str, object],
    status: int = 200,
    headers: Mapping[str, str] = _HEADERS,
) -> Response:
    root = request.scope["root_path"]
    airflow = f"{root.removesuffix(URL_PREFIX)}/" if request.app.state.in_airflow else ""
    context = {"root": root, "page": page, "symbol": "", "airflow": airflow, "dag": DAGS[FIRST], **more}
    return _templates.TemplateResponse(request, f"{page}.html", context, status, headers)
