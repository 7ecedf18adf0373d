"""The Market page without Airflow, on this machine alone: ``python -m plugins.market --help`` (``make page``)."""

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import uvicorn
from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from common import logs
from common.command_line import ExitCode, run, say
from common.errors import ConfigurationError
from common.redaction import Redactor
from common.settings import LogSettings, PageSettings
from common.settings.urls import password_in
from plugins.market.page import Page
from plugins.market.web import create_app

_HOSTS: Final = ["127.0.0.1", "localhost"]
_PORT: Final = 8090
_LAST_PORT: Final = 65_535
_DATABASE: Final = "MARKET_DATABASE_URL"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the page until Ctrl-C; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        environment = os.environ if os.environ.get(_DATABASE) else _of_the_cluster()
        settings = PageSettings.from_environment(environment)
        app = standalone(settings)
        as_json = LogSettings.from_environment().as_json
    except ConfigurationError as problem:
        say(str(problem))
        return ExitCode.ACT_FIRST
    print(f"the Market page: http://127.0.0.1:{options.port}/   (Ctrl-C ends it)", flush=True)  # noqa: T201  a command
    passwords = (settings.market_reader_password.get_secret_value(), password_in(settings.redis_dsn))
    logs.configure(Redactor(passwords), as_json=as_json, level=logging.WARNING)
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_config=None, access_log=False, server_header=False)
    return ExitCode.DONE


def standalone(settings: PageSettings) -> FastAPI:
    """Return the page for whoever is at this machine: a page of another site can't reach it by a name of its own."""
    app = create_app(Page.from_settings(settings), nobody, in_airflow=False)
    app.add_middleware(GZipMiddleware)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=_HOSTS)
    return app


def nobody() -> None:
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m plugins.market",
        description=f"Serve the Market page on 127.0.0.1, of the cluster that `make up` runs, or of {_DATABASE}.",
    )
    parser.add_argument("--port", type=_port, default=_PORT, help=f"where it listens ({_PORT})")
    return parser


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: a number from 1 to {_LAST_PORT}")
    return int(text)


if __name__ == "__main__":
    sys.exit(run(main))
