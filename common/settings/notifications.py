"""Whom messages about runs and alerts go to."""

import os
from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, SecretStr

from common.notify.address import AlertAddress, read_addresses
from common.settings.source import read, read_variable


class NotificationSettings(BaseModel):
    """Whom messages go to. Apart: a mistake in an address stops no run, and whoever sends none needs none of it."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    alert_urls: SecretStr = SecretStr("")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the environment (``os.environ`` by default). Raises ConfigurationError."""
        return read(cls, os.environ if environment is None else environment, read_variable)

    def addresses(self) -> tuple[AlertAddress, ...]:
        """Return the addresses, none where nothing is set. Raises ConfigurationError for one that cannot be used."""
        return read_addresses(self.alert_urls) if self.alert_urls.get_secret_value() else ()
