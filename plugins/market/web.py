"""The Market page as an ASGI app: its routes, who may see them, and how errors read."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from common.errors import ConfigurationError, StoreNotReady, StoreUnavailable
from plugins.market import api, pages
from plugins.market.page import Page
from plugins.market.security import SecurityHeaders

log = logging.getLogger(__name__)

STATIC: Final = Path(__file__).parent / "static"
_RETRY_AFTER_S: Final = 5

#: Returns the name of a person who may see the page, or raises the HTTPException that says why not.
Guard = Callable[..., str | None]


def create_app(page: Page, guard: Guard, *, in_airflow: bool) -> FastAPI:
    """Return the app. Every route but the static files' goes through ``guard``, a dependency as FastAPI has them."""

    def seen_by(request: Request, user: str | None = Depends(guard)) -> None:
        request.state.user = user

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        page.calendars.warm_up()
        yield
        page.close()

    app = FastAPI(
        title="Market",
        description="What the pipeline has stored: read-only. Prices are in the exchange's unit, times in UTC.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # it has a route of its own, which asks for the login
    )
    app.state.page = page
    app.state.in_airflow = in_airflow
    app.add_middleware(SecurityHeaders)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.include_router(api.router, dependencies=[Depends(seen_by)])
    app.include_router(pages.router, dependencies=[Depends(seen_by)])
    _explain_errors(app)
    return app


def _explain_errors(app: FastAPI) -> None:
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(ConfigurationError, _not_a_symbol)
    app.add_exception_handler(StoreUnavailable, _database_away)
    app.add_exception_handler(StoreNotReady, _database_away)


async def _malformed(request: Request, error: Any) -> Response:  # noqa: ANN401  Starlette hands on any error
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "the query"
    given = first.get("input")
    shown = f"={str(given)[:64]!r}" if isinstance(given, str | int | float) else ""
    return JSONResponse({"detail": f"{where}{shown} cannot be used: {first['msg']}."}, 422)


async def _not_a_symbol(request: Request, error: Any) -> Response:  # noqa: ANN401  same
    return JSONResponse({"detail": str(error)}, 400)


async def _database_away(request: Request, error: Any) -> Response:  # noqa: ANN401  same
    log.warning("the Market page cannot read: %s", error)
    detail = "The market database does not answer now. The page asks again by itself; the API server's log says more."
    return JSONResponse({"detail": detail}, 503, {"Retry-After": str(_RETRY_AFTER_S)})


__all__ = ["Guard", "HTTPException", "Page", "create_app"]
