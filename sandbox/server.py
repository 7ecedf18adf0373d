"""The HTTP server: uvicorn on a socket of ours, so that port 0 and a busy port are handled here."""

import asyncio
import signal
import socket
import sys
from contextlib import suppress

import uvicorn

from sandbox.app import application
from sandbox.connection import SandboxProtocol
from sandbox.logs import log_config
from sandbox.options import Options
from sandbox.state import Sandbox

_GRACE_S = 3
_BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises OSError with a remedy where the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise OSError(
            f"cannot listen on {host}:{port}: {error.strerror}. Choose another --port, or 0 for a free one."
        ) from None


def address(listener: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """uvicorn, ending every simulated silence first when it shuts down."""

    def __init__(self, config: uvicorn.Config, sandbox: Sandbox) -> None:
        super().__init__(config)
        self._sandbox = sandbox

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down in order."""
        self._sandbox.closing.set()
        await super().shutdown(sockets)


async def serve(sandbox: Sandbox, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT."""
    config = uvicorn.Config(
        application(sandbox),
        http=SandboxProtocol,
        lifespan="off",
        access_log=False,
        log_level="warning",
        log_config=log_config(),
        server_header=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=_GRACE_S,
    )
    flushing = asyncio.create_task(sandbox.request_log.keep_flushing())
    try:
        await Server(config, sandbox).serve(sockets=[listener])
    finally:
        flushing.cancel()
        sandbox.request_log.close()


def run(options: Options) -> int:
    """Run the sandbox; return the exit status."""
    try:
        sandbox = Sandbox(options)
        listener = listen(options.host, options.port)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return 1
    # uvicorn ends in order and then raises the signal again: what it meets is a plain exit with status 0
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    plan = sandbox.provider.plan
    with suppress(OSError):  # nobody reads it, or its disk is full: it serves all the same
        sys.stdout.write(f"sandbox: listening on {address(listener)} (plan {plan.name}: {plan.quota})\n")
        sys.stdout.flush()
    with asyncio.Runner(loop_factory=uvicorn.Config("", loop="auto").get_loop_factory()) as runner:
        runner.run(serve(sandbox, listener))
    return 0
