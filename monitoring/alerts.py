"""``POST /alerts``: what Alertmanager sends is passed on to the addresses of ALERT_URLS."""

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from common.errors import ConfigurationError
from common.notify.relay import Relay, RelayAnswer
from common.settings import NotificationSettings

#: The longest request (bytes); a group of a thousand alerts has less.
_MAX_BODY: Final = 2_000_000

Accept = Callable[[bytes], RelayAnswer]


def alerts_route(accept: Accept) -> Route:
    """Return the route; it answers neighbours alone, since whoever posts there has messages sent."""

    async def alerts(request: Request) -> Response:
        if not _is_neighbour(request):
            return PlainTextResponse("only for this machine and its networks\n", status_code=403)
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MAX_BODY:
                return PlainTextResponse("too long\n", status_code=413)
        answer = await run_in_threadpool(accept, body)
        return PlainTextResponse(f"{answer.text}\n", status_code=answer.status)

    return Route("/alerts", alerts, methods=["POST"])


def accept_for(environment: Mapping[str, str]) -> Accept:
    """Return what passes alerts on. A mistake in ALERT_URLS stops no metrics: then alerts are answered 500 with it."""
    try:
        return Relay(NotificationSettings.from_environment(environment).addresses()).accept
    except ConfigurationError as error:
        wrong = RelayAnswer(500, str(error))
        return lambda _: wrong


def _is_neighbour(request: Request) -> bool:
    """Whether the sender has a private address; one that cannot be told is a stranger's."""
    try:
        return request.client is not None and ip_address(request.client.host).is_private
    except ValueError:
        return False
