"""How errors read: one sentence, as JSON for the data's routes, as a page for the others."""

import logging
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.responses import JSONResponse, Response

from common.errors import ConfigurationError, StoreNotReady, StoreUnavailable
from plugins.market.pages import error_page

log = logging.getLogger(__name__)

_RETRY_AFTER_S: Final = 5
_SHOWN: Final = 64


def explain_errors(app: FastAPI) -> None:
    """Let the app answer every error with a sentence; one that nobody foresaw stays a 500 of the server's."""
    app.add_exception_handler(AnyHTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(ConfigurationError, _not_a_symbol)
    app.add_exception_handler(StoreUnavailable, _database_away)
    app.add_exception_handler(StoreNotReady, _database_away)


async def _refused(request: Request, error: Any) -> Response:  # noqa: ANN401  Starlette hands on any error
    return _answer(request, error.status_code, str(error.detail), error.headers)


async def _malformed(request: Request, error: Any) -> Response:  # noqa: ANN401  same
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "the query"
    given = first.get("input")
    shown = f"={str(given)[:_SHOWN]!r}" if isinstance(given, str | int | float) else ""
    return _answer(request, 422, f"{where}{shown} cannot be used: {first['msg']}.")


async def _not_a_symbol(request: Request, error: Any) -> Response:  # noqa: ANN401  same
    return _answer(request, 400, str(error))


async def _database_away(request: Request, error: Any) -> Response:  # noqa: ANN401  same
    log.warning("the Market page cannot read: %s", error)
    detail = "The market database does not answer now. Try again in a few seconds; the server's log says what is wrong."
    return _answer(request, 503, detail, {"Retry-After": str(_RETRY_AFTER_S)})


def _answer(request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    headers = {**(headers or {}), "Cache-Control": "no-store"}
    if request.url.path.removeprefix(request.scope["root_path"]).startswith("/api/"):
        return JSONResponse({"detail": detail}, status, headers)
    return error_page(request, status, detail, headers)
