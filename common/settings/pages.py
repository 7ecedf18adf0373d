"""Where the health check finds the pages. The two ways of running fill it in; a person sets none of it."""

import os
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict

from common.settings.source import read
from common.settings.urls import require_plain_url


def _plain(url: str) -> str:
    require_plain_url("HEALTH_…_URL", url)
    return url.rstrip("/")


_Url = Annotated[str, AfterValidator(_plain)]


class PageAddresses(BaseModel):
    """The addresses of the pages, as this process reaches them; an empty one is not looked at.

    ``health_pages``: elsewhere, on a second host whose workers joined a cluster; there none is looked at.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    health_pages: Literal["here", "elsewhere"] = "here"
    health_airflow_url: _Url = ""
    health_flower_url: _Url = ""
    health_exporter_url: _Url = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the environment (``os.environ`` by default). Raises ConfigurationError."""
        return read(cls, os.environ if environment is None else environment, lambda source, name: source.get(name, ""))
