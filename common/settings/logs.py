"""What the lines of the logs look like."""

import os
from collections.abc import Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from common.settings.source import read


class LogSettings(BaseModel):
    """How every process of ours logs. Apart: each of them reads it, whatever else it needs."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    log_format: Literal["text", "json"] = "text"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the environment (``os.environ`` by default). Raises ConfigurationError."""
        return read(cls, os.environ if environment is None else environment, lambda source, name: source.get(name, ""))

    @property
    def as_json(self) -> bool:
        """Whether each line is an object of JSON."""
        return self.log_format == "json"
