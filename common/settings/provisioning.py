"""What the init step makes databases, roles and tables with."""

import os
from collections.abc import Mapping
from functools import cached_property
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from common.errors import ConfigurationError
from common.settings.source import read_variable
from common.settings.urls import filled_in


class ProvisioningSettings(BaseModel):
    """What the init step needs to make databases and roles, frozen. Build it with ``from_environment()``.

    Without ``ADMIN_DATABASE_URL`` (someone else made the roles) only the tables are made. Without
    ``AIRFLOW_DB_PASSWORD`` Airflow's own database is left alone, without ``MONITOR_DB_PASSWORD`` there is no role for
    the exporter of metrics. ``MARKET_DB_PASSWORD`` is the one that the
    workers use, for the role ``market_app``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    admin_database_url: str = ""
    postgres_password: SecretStr = SecretStr("")
    market_database_url: str = Field(
        default="postgresql://market_app@127.0.0.1:5432", repr=False
    )  # may hold a password
    market_owner_password: SecretStr = SecretStr("")
    market_db_password: SecretStr = SecretStr("")
    market_reader_password: SecretStr = SecretStr("")
    airflow_db_password: SecretStr = SecretStr("")
    monitor_db_password: SecretStr = SecretStr("")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the environment (``os.environ`` by default). Raises ConfigurationError."""
        source = os.environ if environment is None else environment
        values = {name: text for name in cls.model_fields if (text := read_variable(source, name.upper()))}
        settings = cls.model_validate(values)
        settings._market_parts  # noqa: B018  libpq says whether it can use the URL
        needed = ["market_owner_password"]
        if settings.admin_database_url:
            settings.admin_dsn  # noqa: B018  same
            needed += ["market_db_password", "market_reader_password"]
        for name in needed:
            if name not in values:
                raise ConfigurationError(
                    f"{name.upper()} is empty: set it, or name a file that holds it in {name.upper()}_FILE.",
                    variable=name.upper(),
                )
        return settings

    @cached_property
    def _market_parts(self) -> dict[str, str]:
        from common.database import url  # noqa: PLC0415  a DAG file needs no driver

        return url.read(self.market_database_url, "MARKET_DATABASE_URL")

    @property
    def admin_dsn(self) -> SecretStr:
        """The superuser's connection URL, with the password filled in."""
        from common.database import url  # noqa: PLC0415  a DAG file needs no driver

        return filled_in(url.read(self.admin_database_url, "ADMIN_DATABASE_URL"), self.postgres_password)

    @property
    def market_databases(self) -> tuple[str, ...]:
        """The market's databases: the one that the URL names, else the real one and the sandbox's."""
        name = self._market_parts.get("dbname")
        return (name,) if name else ("market", "market_sandbox")

    def owner_dsn(self, database: str, owner: str) -> SecretStr:
        """Return the URL at which ``owner`` migrates ``database``."""
        parts = {name: value for name, value in self._market_parts.items() if name != "password"}
        return filled_in(parts, self.market_owner_password, user=owner, dbname=database)
