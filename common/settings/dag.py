"""What the DAG files declare with, and workers start with: schedule, retries, queues, how many tasks a process runs."""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from common.errors import ConfigurationError
from common.quota.quota import Quota, chosen_quota
from common.settings.source import read

_INTERVAL: Final = re.compile(r"(?P<count>[1-9][0-9]{0,5})\s*(?P<unit>min|m|h|d)", re.ASCII)
_PRESETS: Final = frozenset({"@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly"})
_CRON_FIELDS: Final = 5
_RANDOM: Final = re.compile(r"(^|[\s,])r(\(|[\s,/]|$)", re.IGNORECASE)
_QUEUE: Final = r"^[A-Za-z0-9_.-]{1,64}$"
_INTERVAL_UNITS: Final = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days"}
_LONGEST_INTERVAL: Final = timedelta(days=366)


def _is_cron(text: str) -> bool:
    """Whether Airflow's own parser of cron lines takes it, and a day ever comes that it names."""
    from croniter import CroniterError, croniter  # noqa: PLC0415  only for a schedule that is a cron line

    if _RANDOM.search(text):  # each process would draw a schedule of its own
        return False
    try:
        croniter(text).get_next()
    except (CroniterError, ValueError, OverflowError):
        return False
    return True


def _read_schedule(value: object) -> str | timedelta | None:
    """Read a cron line or preset as it is, ``6h`` as an interval, ``none`` as: only when triggered."""
    text = str(value).strip()
    if text.lower() == "none":
        return None
    if match := _INTERVAL.fullmatch(text.lower()):
        interval = timedelta(**{_INTERVAL_UNITS[match["unit"]]: int(match["count"])})
        if interval <= _LONGEST_INTERVAL:
            return interval
    elif text in _PRESETS or (len(text.split()) == _CRON_FIELDS and _is_cron(text)):
        return text
    raise ConfigurationError(
        f"STOCK_SCHEDULE={text[:64]!r} is no schedule: use a cron line (0 0 * * *), a preset (@daily), an interval "
        "(30min, 6h, 1d, at most 366d), or none.",
        variable="STOCK_SCHEDULE",
    )


def _known_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of zones, such as America
        raise ConfigurationError(
            f"STOCK_TIMEZONE={name[:64]!r} is no time zone: use a name such as UTC or America/New_York.",
            variable="STOCK_TIMEZONE",
        ) from None


class DagSettings(BaseModel):
    """What the DAG files declare with, and what a worker starts with.

    Reads no file, so that parsing a DAG stays free of input and output.

    Every process must see the same values, or the scheduler and the workers disagree about the DAG.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    stock_schedule: Annotated[str | timedelta | None, BeforeValidator(_read_schedule)] = "0 0 * * *"
    stock_timezone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    stock_history: Literal["on", "off"] = "on"
    stock_actions: Literal["on", "off"] = "on"
    task_retries: int = Field(default=3, ge=0, le=20)
    task_retry_delay: float = Field(default=300, ge=0, le=86_400)
    task_retry_max_delay: float = Field(default=3600, ge=0, le=86_400)
    task_timeout: float = Field(default=600, ge=1, le=86_400)
    fetch_queue: str = Field(default="default", pattern=_QUEUE)
    housekeeping_queue: str = Field(default="default", pattern=_QUEUE)
    max_active_fetches: int | None = Field(default=None, ge=1, le=10_000)
    tasks_per_process: int = Field(default=100, ge=1, le=10_000)
    alpha_vantage_plan: str = "free"
    alpha_vantage_quota: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the environment (``os.environ`` by default). Raises ConfigurationError."""
        return read(cls, os.environ if environment is None else environment, lambda source, name: source.get(name, ""))

    @model_validator(mode="after")
    def _check_quota(self) -> Self:
        self.quota  # noqa: B018  a malformed quota is refused as in PipelineSettings
        return self

    @property
    def quota(self) -> Quota:
        """The windows that hold: spelled out, or the plan's."""
        return chosen_quota(self.alpha_vantage_plan, self.alpha_vantage_quota)
