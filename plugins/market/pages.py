"""The HTML shells: they hold no data, only what the script must know to ask for it."""

from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.templating import Jinja2Templates
from starlette.responses import Response

from common.values import Symbol
from workers.pipeline.feeds import DAGS, FIRST

#: Where Airflow mounts the page.
URL_PREFIX: Final = "/market"

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


def _shell(request: Request, page: str, symbol: str = "") -> Response:
    root = request.scope["root_path"]
    context = {
        "root": root,
        "page": page,
        "symbol": symbol,
        "airflow": f"{root.removesuffix(URL_PREFIX)}/" if request.app.state.in_airflow else "",
        "dag": DAGS[FIRST],
    }
    return _templates.TemplateResponse(request, f"{page}.html", context, headers={"Cache-Control": "private, no-cache"})
