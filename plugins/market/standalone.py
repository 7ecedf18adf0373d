"""The page for whoever is at this machine: which database it shows, who may reach it, and its server."""

import logging
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import uvicorn
from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from common import logs
from common.command_line import ExitCode
from common.errors import ConfigurationError
from common.redaction import Redactor
from common.settings import LogSettings, PageSettings
from common.settings.urls import password_in
from plugins.market.page import Page
from plugins.market.web import create_app

_ADDRESS: Final = "127.0.0.1"
_DATABASE: Final = "MARKET_DATABASE_URL"


def serve(port: int) -> int:
    """Serve the page until Ctrl-C; return the exit code. Raises ConfigurationError, or OSError for a port in use."""
    environment = os.environ if os.environ.get(_DATABASE) else _of_the_cluster()
    settings = PageSettings.from_environment(environment)
    app = standalone(settings)
    passwords = (settings.market_reader_password.get_secret_value(), password_in(settings.redis_dsn))
    as_json = LogSettings.from_environment().as_json
    logs.configure(Redactor(passwords), as_json=as_json, level=logging.WARNING)
    try:
        listener = socket.create_server((_ADDRESS, port))
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}: choose another one with PORT=", f"port {port}") from None
    print(f"the Market page: http://{_ADDRESS}:{port}/   (Ctrl-C ends it)", flush=True)  # noqa: T201  a command
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, server_header=False))
    with suppress(KeyboardInterrupt):  # how it is ended
        server.run(sockets=[listener])
    return ExitCode.DONE


def standalone(settings: PageSettings) -> FastAPI:
    """Return the page without a login: a page of another site can't reach it by a name of its own that leads here."""
    app = create_app(Page.from_settings(settings), nobody, in_airflow=False)
    app.add_middleware(GZipMiddleware)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[_ADDRESS, "localhost"])
    return app


async def nobody() -> None:
    """Nobody logs in here."""


def _of_the_cluster() -> Mapping[str, str]:
    """Return the settings with which this checkout's cluster reads. Raises ConfigurationError where none runs."""
    from local.cluster import Cluster  # noqa: PLC0415  only on a machine that has a cluster; takes a second
    from local.environment import key_stand_in  # noqa: PLC0415  same
    from local.state import State  # noqa: PLC0415  same

    cluster = Cluster(State.of_this_checkout())
    if not cluster.running:
        raise ConfigurationError(
            f"the cluster does not run: `make up` starts it; or set {_DATABASE} to the address of another database.",
            variable=_DATABASE,
        )
    return {**cluster.environment, **key_stand_in(cluster.settings)}
