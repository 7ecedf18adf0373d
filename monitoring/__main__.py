"""``python -m monitoring``: the exporter of metrics, wired as the environment and the command line say."""

import argparse
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import uvicorn

from common import logs
from common.command_line import ExitCode, run, say
from common.errors import PipelineError
from common.quota.view import QuotaView
from common.redaction import RedactingFilter, Redactor
from common.settings import DagSettings, LogSettings, MonitoringSettings, PageSettings
from common.settings.monitoring import broker_url
from common.settings.urls import password_in
from monitoring.alerts import accept_for, alerts_route
from monitoring.app import application
from monitoring.exporter import MetricsExporter
from monitoring.schedule import longest_pause_s
from monitoring.sources.airflow import AirflowSource
from monitoring.sources.broker import BrokerSource
from monitoring.sources.market import MarketSource
from monitoring.sources.pages import PagesSource
from monitoring.sources.quota import QuotaSource
from monitoring.sources.workers import WorkersSource

_DESCRIPTION: Final = (
    "Serve the pipeline's metrics at /metrics, its own health at /livez and /readyz, and take Alertmanager's /alerts."
)
_GRACE_S: Final = 3


def main(arguments: Sequence[str] | None = None, environment: Mapping[str, str] | None = None) -> int:
    """Serve until a signal ends it; return the exit code."""
    options = _parser().parse_args(arguments)
    settings = dict(os.environ if environment is None else environment)
    try:
        handler = logs.configure(Redactor(), as_json=LogSettings.from_environment(settings).as_json)
        exporter = wired(settings, options)
    except PipelineError as error:
        say(f"error: {error}")
        return ExitCode.ACT_FIRST
    handler.addFilter(RedactingFilter(exporter.redactor))
    for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn ends in order and raises the signal again
        signal.signal(number, lambda *_: sys.exit(0))
    with closing(exporter):
        uvicorn.run(
            application(exporter, alerts_route(accept_for(settings))),
            host=options.host,
            port=options.port,
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_S,
        )
    return ExitCode.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m monitoring", description=_DESCRIPTION)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (127.0.0.1)")
    parser.add_argument("--port", type=int, default=9464, help="the port to listen at (9464)")
    parser.add_argument("--airflow", default="http://127.0.0.1:8080", help="where Airflow's pages are")
    parser.add_argument("--flower", default="http://127.0.0.1:5555", help="where Flower is")
    return parser


def wired(environment: Mapping[str, str], options: argparse.Namespace) -> MetricsExporter:
    """Return the exporter of what the environment says. Nothing but the workers' heartbeats connects before a scrape.

    Raises PipelineError.
    """
    own = MonitoringSettings.from_environment(environment)
    page = PageSettings.from_environment(environment)
    dags = DagSettings.from_environment(environment)
    broker = broker_url(environment)
    airflow = AirflowSource(own.airflow_dsn(page))
    market = MarketSource(own.market_dsn(page), page.market_database, lambda: airflow.latest_runs)
    quota = QuotaView(page.redis_dsn, page.quota, key_digest=page.key_digest)
    passwords = (own.monitor_db_password.get_secret_value(), password_in(broker), password_in(page.redis_dsn))
    return MetricsExporter(
        chains=[
            [airflow, market],  # the market's runs are those that Airflow knows
            [QuotaSource(quota)],
            [BrokerSource(broker, {"default", dags.fetch_queue, dags.housekeeping_queue})],
            [WorkersSource(broker)],
            [PagesSource({"airflow": options.airflow, "flower": options.flower})],
        ],
        redactor=Redactor(passwords),
        schedule_s=longest_pause_s(dags.stock_schedule, datetime.now(ZoneInfo(dags.stock_timezone))),
    )


if __name__ == "__main__":
    run(main)
