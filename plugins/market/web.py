"""The Market page as an ASGI app: its routes, who may see them, and how errors read."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from fastapi import Depends, FastAPI, Request
from starlette.staticfiles import StaticFiles

from plugins.market import api, api_operations, pages
from plugins.market.errors import explain_errors
from plugins.market.page import Page
from plugins.market.security import SecurityHeaders

STATIC: Final = Path(__file__).parent / "static"

#: Returns the name of a person who may see the page, or raises the HTTPException that says why not.
Guard = Callable[..., str | Awaitable[str | None] | None]


def create_app(page: Page, guard: Guard, *, in_airflow: bool) -> FastAPI:
    """Return the app. Every route but the static files' goes through ``guard``, a dependency as FastAPI has them."""

    async def seen_by(request: Request, user: str | None = Depends(guard)) -> None:
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
    for routes in (api, api_operations, pages):
        app.include_router(routes.router, dependencies=[Depends(seen_by)])
    explain_errors(app)
    return app
