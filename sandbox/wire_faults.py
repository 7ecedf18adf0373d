"""Faults of the network and of HTTP: how a right reply goes wrong on its way.

Each fault is a coroutine ``(wire, reply, stall_s)``. ``stall_s`` is how long the slow ones take in all.
"""

import gzip
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Final

from sandbox.calls import Answer
from sandbox.connection import Wire

Play = Callable[[Wire, Answer, float], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

OVERSIZED_BYTES: Final = 32 * 2**20
BOMB_BYTES: Final = 256 * 2**20
RETRY_AFTER_S: Final = 2
_MEGABYTE: Final = 2**20
_STEPS: Final = 50
_REDIRECT_TO: Final = b"/sandbox/redirected"
_PAGE: Final = b"<!doctype html><html><head><title>%d</title></head><body><h1>%d</h1><p>%s</p></body></html>"


def head(reply: Answer, length: int | None) -> bytes:
    """Return a reply's status line and headers; with ``length`` None the body ends with the connection."""
    measure = b"connection: close" if length is None else b"content-length: %d" % length
    return b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\n%s\r\n\r\n" % (reply.content_type.encode(), measure)


async def send(wire: Wire, status: int, headers: Headers, body: bytes) -> None:
    """Send a whole reply in order."""
    headers = [*headers, (b"content-length", b"%d" % len(body))]
    await wire.send({"type": "http.response.start", "status": status, "headers": headers})
    await wire.send({"type": "http.response.body", "body": body})


def _half(body: bytes) -> bytes:
    return body[: len(body) // 2]


async def _reset_before(wire: Wire, _: Answer, __: float) -> None:
    await wire.reset()


async def _reset_headers(wire: Wire, reply: Answer, _: float) -> None:
    wire.write(head(reply, len(reply.body)))
    await wire.reset()


async def _reset_body(wire: Wire, reply: Answer, _: float) -> None:
    wire.write(head(reply, len(reply.body)) + _half(reply.body))
    await wire.reset()


async def _close_before(wire: Wire, _: Answer, __: float) -> None:
    await wire.hang_up()


async def _truncated(wire: Wire, reply: Answer, _: float) -> None:
    wire.write(head(reply, len(reply.body)) + _half(reply.body))
    await wire.hang_up()


async def _truncated_chunked(wire: Wire, reply: Answer, _: float) -> None:
    part = _half(reply.body)
    wire.write(b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\n" % reply.content_type.encode())
    wire.write(b"transfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(part), part))
    await wire.hang_up()


async def _truncated_silent(wire: Wire, reply: Answer, _: float) -> None:
    """Cut the body where nothing tells the client that it is cut."""
    wire.write(head(reply, None) + _half(reply.body))
    await wire.hang_up()


async def _stall(wire: Wire, reply: Answer, stall_s: float) -> None:
    if await wire.pause(stall_s):
        await send(wire, 200, [(b"content-type", reply.content_type.encode())], reply.body)
    else:
        await wire.hang_up()


async def _stall_body(wire: Wire, reply: Answer, stall_s: float) -> None:
    part = _half(reply.body)
    wire.write(head(reply, len(reply.body)) + part)
    if await wire.pause(stall_s):
        wire.write(reply.body[len(part) :])
    await wire.hang_up()


async def _drip(wire: Wire, data: bytes, stall_s: float) -> None:
    """Send ``data`` in equal pieces over ``stall_s`` seconds."""
    size = max(1, len(data) // _STEPS)
    for start in range(0, len(data), size):
        wire.write(data[start : start + size])
        if not await wire.pause(stall_s * size / len(data)):
            break


async def _drip_headers(wire: Wire, reply: Answer, stall_s: float) -> None:
    await _drip(wire, head(reply, len(reply.body)), stall_s)
    wire.write(reply.body)
    await wire.hang_up()


async def _drip_body(wire: Wire, reply: Answer, stall_s: float) -> None:
    wire.write(head(reply, len(reply.body)))
    await _drip(wire, reply.body, stall_s)
    await wire.hang_up()


def _page(status: int, text: bytes, *headers: tuple[bytes, bytes]) -> Play:
    """Make a fault that answers with an HTML page, as proxies do."""

    async def play(wire: Wire, _: Answer, __: float) -> None:
        await send(wire, status, [(b"content-type", b"text/html"), *headers], _PAGE % (status, status, text))

    return play


async def _content_type(wire: Wire, reply: Answer, _: float) -> None:
    await send(wire, 200, [(b"content-type", b"text/html; charset=iso-8859-1")], reply.body)


async def _oversized(wire: Wire, reply: Answer, _: float) -> None:
    """Send the right document, then white space without end: it is valid JSON of 32 MB."""
    await wire.send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await wire.send({"type": "http.response.body", "body": reply.body, "more_body": True})
    for _ in range(OVERSIZED_BYTES // _MEGABYTE):
        await wire.send({"type": "http.response.body", "body": b" " * _MEGABYTE, "more_body": True})
    await wire.send({"type": "http.response.body", "body": b""})


@lru_cache(maxsize=1)
def _bomb_tail() -> bytes:
    return gzip.compress(b" " * _MEGABYTE) * (BOMB_BYTES // _MEGABYTE)


async def _bomb(wire: Wire, reply: Answer, _: float) -> None:
    """Send a quarter of a megabyte that unpacks to 256 MB of valid JSON (gzip members, one after another)."""
    headers = [(b"content-type", b"application/json"), (b"content-encoding", b"gzip")]
    await send(wire, 200, headers, gzip.compress(reply.body) + _bomb_tail())


async def _bad_gzip(wire: Wire, reply: Answer, _: float) -> None:
    await send(wire, 200, [(b"content-type", b"application/json"), (b"content-encoding", b"gzip")], reply.body)


NETWORK_FAULTS: Final[dict[str, Play]] = {
    "reset-before": _reset_before,
    "reset-headers": _reset_headers,
    "reset-body": _reset_body,
    "close-before": _close_before,
    "truncated": _truncated,
    "truncated-chunked": _truncated_chunked,
    "truncated-silent": _truncated_silent,
}
SLOW_FAULTS: Final[dict[str, Play]] = {
    "stall": _stall,
    "stall-body": _stall_body,
    "drip-headers": _drip_headers,
    "drip-body": _drip_body,
}
HTTP_FAULTS: Final[dict[str, Play]] = {
    "http429": _page(429, b"Too many requests", (b"retry-after", b"%d" % RETRY_AFTER_S)),
    "http500": _page(500, b"Internal server error"),
    "http502": _page(502, b"Bad gateway"),
    "http503": _page(503, b"Service unavailable"),
    "redirect": _page(302, b"Moved", (b"location", _REDIRECT_TO)),
    "content-type": _content_type,
    "oversized": _oversized,
    "bomb": _bomb,
    "bad-gzip": _bad_gzip,
}
WIRE_FAULTS: Final = NETWORK_FAULTS | SLOW_FAULTS | HTTP_FAULTS
