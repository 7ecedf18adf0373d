"""Which patches of Airflow a process applies."""

import os
from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict

from common.settings.source import read


class PatchSettings(BaseModel):
    """Which patches of Airflow are applied (workers/airflow_patches). Apart: nothing else may stop a scheduler."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    airflow_patches: str = "all"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the environment (``os.environ`` by default)."""
        return read(cls, os.environ if environment is None else environment, lambda source, name: source.get(name, ""))
