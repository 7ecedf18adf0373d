"""What the exporter of metrics reads with: a role that may only look, and where Airflow's metadata and its queue are.

What it shares with the Market page, it reads as the page does (``PageSettings``): neither has the API key.
"""

import os
from collections.abc import Mapping
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from common.errors import ConfigurationError
from common.settings.page import PageSettings
from common.settings.source import read, read_variable, read_variable_or_command
from common.settings.urls import filled_in

#: The role that reads everything and changes nothing.
MONITOR: Final = "pipeline_monitor"
BROKER_VARIABLE: Final = "AIRFLOW__CELERY__BROKER_URL"


def _parts(url: str, variable: str) -> dict[str, str]:
    from common.database import url as libpq  # noqa: PLC0415  as in the pipeline's settings

    return libpq.read(url, variable)


def _readable(url: str) -> str:
    if url:
        _parts(url, "MONITOR_AIRFLOW_DATABASE_URL")
    return url


class MonitoringSettings(BaseModel):
    """The exporter's own settings, frozen. Build it with ``from_environment()``."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    monitor_db_password: SecretStr = SecretStr("")
    # Airflow's metadata; without one: the database airflow beside the market's
    monitor_airflow_database_url: Annotated[str, AfterValidator(_readable)] = Field(default="", repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the environment (``os.environ`` by default). Raises ConfigurationError."""
        return read(cls, os.environ if environment is None else environment, read_variable)

    def market_dsn(self, page: PageSettings) -> SecretStr:
        """Return the URL at which the role reads the market database."""
        return self._as_monitor(page.market_database_url, "MARKET_DATABASE_URL", dbname=page.market_database)

    def airflow_dsn(self, page: PageSettings) -> SecretStr:
        """Return the URL at which the role reads Airflow's metadata."""
        if own := self.monitor_airflow_database_url:
            return self._as_monitor(own, "MONITOR_AIRFLOW_DATABASE_URL")
        return self._as_monitor(page.market_database_url, "MARKET_DATABASE_URL", dbname="airflow")

    def _as_monitor(self, url: str, variable: str, **more: str) -> SecretStr:
        there = {name: value for name, value in _parts(url, variable).items() if name != "password"}
        return filled_in(there, self.monitor_db_password, user=MONITOR, **more)


def broker_url(environment: Mapping[str, str]) -> SecretStr:
    """Return the address of the queue, as Airflow has it. Raises ConfigurationError."""
    if url := read_variable_or_command(environment, BROKER_VARIABLE):
        return SecretStr(url)
    raise ConfigurationError(f"{BROKER_VARIABLE} is not set: it says where the queue is.", variable=BROKER_VARIABLE)
