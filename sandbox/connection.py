"""The way down below ASGI, for faults that ASGI cannot express: half a reply, silence, a connection reset.

uvicorn offers the application no access to the connection. ``SandboxProtocol`` puts the transport into the scope, as
the extension ``sandbox.transport``; ``Wire`` is what a fault does with it.
"""

import asyncio
import os
import socket
import struct
from typing import Final

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

EXTENSION: Final = "sandbox.transport"
_LINGER_ZERO: Final = struct.pack("ii", 1, 0)
#: What was written must have left before a reset throws the rest away.
_BEFORE_RESET_S: Final = 0.05


class SandboxProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol, with the transport handed to the application."""

    def on_message_begin(self) -> None:
        """Begin a request's scope."""
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: {"transport": self.transport}}


class Wire:
    """One connection while one request is answered on it.

    After ``write``, ``hang_up`` or ``reset`` the connection serves no other request. ``closing`` is set when the
    server ends, so that no silence holds it up.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, closing: asyncio.Event) -> None:
        self.send = send
        self._transport: asyncio.Transport = scope["extensions"][EXTENSION]["transport"]
        self._receive = receive
        self._closing = closing

    def write(self, data: bytes) -> None:
        """Send raw bytes."""
        self._transport.write(data)

    async def hang_up(self) -> None:
        """Send what was written, then end the connection in order (FIN)."""
        self._transport.close()
        await self._gone()

    async def reset(self) -> None:
        """Cut the connection (RST)."""
        await asyncio.sleep(_BEFORE_RESET_S)
        with socket.socket(fileno=os.dup(self._transport.get_extra_info("socket").fileno())) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self._transport.abort()
        await self._gone()

    async def pause(self, seconds: float) -> bool:
        """Stay silent; return False as soon as the client has gone or the server ends."""
        waits = {asyncio.ensure_future(wait) for wait in (self._gone(), self._closing.wait())}
        done, waiting = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waiting:
            wait.cancel()
        return not done

    async def _gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
