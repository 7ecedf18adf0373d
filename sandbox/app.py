"""The ASGI application: ``/query`` is the API, ``/sandbox/…`` controls the sandbox, ``/`` says what this is."""

import asyncio
from typing import Final
from urllib.parse import parse_qsl

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.calls import CSV, Answer, Call
from sandbox.connection import Wire
from sandbox.control import control_app
from sandbox.faults import HEADER
from sandbox.state import Sandbox

_QUERY: Final = "/query"
_DISPOSITION: Final = (b"content-disposition", b"attachment; filename=data.csv")


def application(sandbox: Sandbox) -> ASGIApp:
    """Return the whole application. ``/query`` passes the router by: it is the hot path."""
    control = control_app(sandbox)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == _QUERY:
            await _query(sandbox, scope, receive, send)
        else:
            await control(scope, receive, send)

    return app


async def _query(sandbox: Sandbox, scope: Scope, receive: Receive, send: Send) -> None:
    call = read_call(scope["query_string"])
    latency = sandbox.latency
    if latency:
        await asyncio.sleep(latency.sample())
    try:
        reply, play = sandbox.receive(call, _fault_header(scope))
    except ValueError as error:
        await PlainTextResponse(str(error), status_code=400)(scope, receive, send)
        return
    if latency:
        await asyncio.sleep(latency.sample())
    if play:
        await play(Wire(scope, receive, send, sandbox.closing), reply, sandbox.stall_s)
    else:
        await send_answer(reply, send)


def _fault_header(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == HEADER:
            return str(value.decode("latin-1")).strip().lower()
    return ""


def read_call(query_string: bytes) -> Call:
    """Read the parameters; of a repeated one the last counts."""
    return Call.of(dict(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)))


async def send_answer(reply: Answer, send: Send) -> None:
    """Send a reply as it is."""
    headers = [(b"content-type", reply.content_type.encode()), (b"content-length", b"%d" % len(reply.body))]
    if reply.content_type == CSV:
        headers.append(_DISPOSITION)
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
