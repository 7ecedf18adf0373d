"""The one Settings, and the only reader of the environment.

Each variable may come from a file instead: ``NAME_FILE`` names it (Docker and Kubernetes secrets). An empty
variable counts as not set. A malformed value raises ConfigurationError that names the variable, the value (unless
it is a secret) and what to write instead.
"""

import os
import re
import socket
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeVar
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from common.errors import ConfigurationError
from common.quota.quota import PLANS, Quota
from common.symbol_file import read_symbols
from common.values import Symbol, parse_symbols

ALPHA_VANTAGE_URL: Final = "https://www.alphavantage.co"
DEFAULT_SYMBOLS: Final = "IBM,AAPL,GOOGL,MSFT"
#: What the sandbox is asked with where there is no key: it is no secret and opens nothing.
SANDBOX_API_KEY: Final = "sandbox"
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def _split_symbols(value: object) -> tuple[Symbol, ...]:
    """Read ``IBM, AAPL`` (commas or white space), or the file named by ``@path`` (one a line, # comments)."""
    text = str(value)
    if text.startswith("@"):
        return tuple(dict.fromkeys(read_symbols(text[1:])))
    return parse_symbols(text.replace(",", " ").split())


def _none_for_auto(value: object) -> object:
    return None if str(value).lower() == "auto" else value


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it holds a control character")
    return text


_MAX_KEY_LENGTH: Final = 200


def _one_word(key: SecretStr) -> SecretStr:
    """Refuse a key that was copied with something else; it is not shown."""
    text = key.get_secret_value()
    if text and not (text.isascii() and text.isprintable() and " " not in text and len(text) <= _MAX_KEY_LENGTH):
        raise ValueError("a key is one word of ASCII letters and digits, so this is more than the key")
    return key


Symbols = Annotated[tuple[Symbol, ...], BeforeValidator(_split_symbols)]


class Settings(BaseModel):
    """All settings of the pipeline, frozen. Build it with ``Settings.from_environment()``.

    A field's name in upper case is its variable's name. Times are in seconds unless the name says otherwise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True)

    # The provider
    alpha_vantage_api_key: Annotated[SecretStr, AfterValidator(_one_word)] = SecretStr("")
    alpha_vantage_base_url: str = ""
    alpha_vantage_plan: str = "free"
    alpha_vantage_quota: str = ""
    sandbox_url: str = "http://127.0.0.1:8765"
    api_timeout: float = Field(default=30, ge=0.1, le=600)
    api_attempts: int = Field(default=3, ge=1, le=10)

    # The symbols and the run
    stock_symbols: Symbols = Field(default_factory=lambda: _split_symbols(DEFAULT_SYMBOLS), min_length=1)
    max_failure_ratio: float = Field(default=0, ge=0, le=1)
    max_mapped_tasks: int = Field(default=500, ge=1, le=10_000)
    symbols_per_task: Annotated[Annotated[int, Field(ge=1, le=10_000)] | None, BeforeValidator(_none_for_auto)] = None
    batch_concurrency: int = Field(default=8, ge=1, le=64)
    data_retention_days: int = Field(default=90, ge=1, le=36_500)
    worker_name: Annotated[str, AfterValidator(_printable)] = Field(default_factory=socket.gethostname, max_length=200)
    session_grace: float = Field(default=3600, ge=0, le=86_400)  # how late after a close its data is expected
    quota_wait_in_place: float = Field(default=10, ge=0, le=60)
    on_daily_quota: Literal["postpone", "wait"] = "postpone"

    # The market database; without a name in the URL: market, or market_sandbox where there is no key
    market_database_url: str = Field(
        default="postgresql://market_app@127.0.0.1:5432", repr=False
    )  # may hold a password
    market_db_password: SecretStr = SecretStr("")
    market_db_timeout: float = Field(default=10, ge=0.1, le=600)

    # The limiter's Redis
    limiter_redis_url: str = Field(default="redis://127.0.0.1:6379/1", repr=False)  # may hold a password
    redis_password: SecretStr = SecretStr("")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the environment (``os.environ`` by default). Raises ConfigurationError."""
        return _read(cls, os.environ if environment is None else environment, read_variable)

    @model_validator(mode="after")
    def _check_urls_and_quota(self) -> Self:
        from common.quota import redis_url  # noqa: PLC0415  a DAG file needs no driver

        _require_safe_url("ALPHA_VANTAGE_BASE_URL", self.alpha_vantage_base_url or ALPHA_VANTAGE_URL)
        _require_plain_url("SANDBOX_URL", self.sandbox_url)
        self._market_parts  # noqa: B018  libpq says whether it can use the URL
        redis_url.check(self.limiter_redis_url, "LIMITER_REDIS_URL")
        self.quota  # noqa: B018  a malformed quota is refused here and not in the middle of a run
        return self

    @cached_property
    def quota(self) -> Quota:
        """The windows that hold: spelled out, or the plan's."""
        return _quota(self.alpha_vantage_plan, self.alpha_vantage_quota)

    @property
    def uses_sandbox(self) -> bool:
        """Whether prices are invented: there is no API key, so the sandbox serves."""
        return not self.alpha_vantage_api_key.get_secret_value()

    @property
    def base_url(self) -> str:
        """Where the API is: the one that was set, else the sandbox without a key, else Alpha Vantage."""
        default = self.sandbox_url if self.uses_sandbox else ALPHA_VANTAGE_URL
        return (self.alpha_vantage_base_url or default).rstrip("/")

    @property
    def api_key(self) -> SecretStr:
        """The key that calls are made with."""
        return SecretStr(SANDBOX_API_KEY) if self.uses_sandbox else self.alpha_vantage_api_key

    @cached_property
    def _market_parts(self) -> dict[str, str]:
        from common.database import url  # noqa: PLC0415  a DAG file needs no driver

        return url.read(self.market_database_url, "MARKET_DATABASE_URL")

    @property
    def market_database(self) -> str:
        """The market database's name; invented prices have one of their own."""
        return self._market_parts.get("dbname") or ("market_sandbox" if self.uses_sandbox else "market")

    @property
    def market_dsn(self) -> SecretStr:
        """The libpq connection URL, with name and password filled in."""
        return _filled_in(self._market_parts, self.market_db_password, dbname=self.market_database)

    @property
    def redis_dsn(self) -> SecretStr:
        """The limiter's Redis URL, with the password filled in."""
        from common.quota import redis_url  # noqa: PLC0415  a DAG file needs no driver

        password = self.redis_password.get_secret_value()
        return SecretStr(redis_url.with_password(self.limiter_redis_url, password))

    def secrets(self) -> tuple[str, ...]:
        """Every secret text that must appear nowhere, for redaction; the sandbox's key is not one."""
        fields = (self.alpha_vantage_api_key, self.market_db_password, self.redis_password)
        parts = self._market_parts
        in_urls = (parts.get("password"), parts.get("sslpassword"), _password_in(self.redis_dsn))
        return tuple(text for text in (*(field.get_secret_value() for field in fields), *in_urls) if text)


def _filled_in(parts: Mapping[str, str], password: SecretStr, **more: str) -> SecretStr:
    """Return libpq's URL with a password, unless one stands there already, and with ``more`` parts."""
    from common.database import url  # noqa: PLC0415  a DAG file needs no driver

    secret = password.get_secret_value()
    filled = {**({"password": secret} if secret else {}), **parts, **more}
    return SecretStr(url.write(filled))


def _password_in(redis_dsn: SecretStr) -> str:
    from common.quota import redis_url  # noqa: PLC0415  a DAG file needs no driver

    return redis_url.password_of(redis_dsn.get_secret_value())


def _quota(plan: str, spelled_out: str) -> Quota:
    """Return the windows that are spelled out, or the plan's."""
    if spelled_out:
        return Quota.parse(spelled_out)
    if plan not in PLANS:
        raise ConfigurationError(
            f"ALPHA_VANTAGE_PLAN={plan[:64]!r} is not a plan: use one of {', '.join(PLANS)}, or spell the windows out "
            "in ALPHA_VANTAGE_QUOTA.",
            variable="ALPHA_VANTAGE_PLAN",
        )
    return PLANS[plan]


_INTERVAL: Final = re.compile(r"(?P<count>[1-9][0-9]{0,5})\s*(?P<unit>min|m|h|d)", re.ASCII)
_PRESETS: Final = frozenset({"@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly"})
_CRON_FIELDS: Final = 5
_QUEUE: Final = r"^[A-Za-z0-9_.-]{1,64}$"
_INTERVAL_UNITS: Final = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days"}


_LONGEST_INTERVAL: Final = timedelta(days=366)


def _is_cron(text: str) -> bool:
    """Whether Airflow's own parser of cron lines takes it, and a day ever comes that it names."""
    from croniter import CroniterError, croniter  # noqa: PLC0415  only for a schedule that is a cron line

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


#: What a fetching task takes (s) with all that Airflow does around it, and the tasks that are started ahead of time.
_TASK_S: Final = 2.0
_SPARE_FETCHES: Final = 2
_MOST_FETCHES: Final = 32
#: Windows longer than this (s) postpone, they do not slow down.
_WAITED_FOR_S: Final = 3600


class DagSettings(BaseModel):
    """What the DAG files declare with, and what a worker starts with.

    Reads no file, so that parsing a DAG stays free of input and output.

    Every process must see the same values, or the scheduler and the workers disagree about the DAG.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    stock_schedule: Annotated[str | timedelta | None, BeforeValidator(_read_schedule)] = "0 0 * * *"
    stock_timezone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
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
        return _read(cls, os.environ if environment is None else environment, lambda source, name: source.get(name, ""))

    @model_validator(mode="after")
    def _check_quota(self) -> Self:
        self.fetches_at_once  # noqa: B018  a malformed quota is refused as in Settings
        return self

    @property
    def fetches_at_once(self) -> int:
        """How many fetching tasks of a run may be under way: MAX_ACTIVE_FETCHES, or what the quota can feed.

        A task is under way for about two seconds. More of them would hold worker slots only to wait in them.
        """
        if self.max_active_fetches:
            return self.max_active_fetches
        windows = _quota(self.alpha_vantage_plan, self.alpha_vantage_quota).windows
        a_second = min((w.limit / w.period_s for w in windows if w.period_s <= _WAITED_FOR_S), default=1.0)
        return min(ceil(_TASK_S * a_second) + _SPARE_FETCHES, _MOST_FETCHES)


class PatchSettings(BaseModel):
    """Which patches of Airflow are applied (workers/airflow_patches). Apart: nothing else may stop a scheduler."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    airflow_patches: str = "all"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the environment (``os.environ`` by default)."""
        return _read(cls, os.environ if environment is None else environment, lambda source, name: source.get(name, ""))


_MAX_SECRET_LENGTH: Final = 10_000


def read_variable(source: Mapping[str, str], name: str) -> str:
    """Return the variable, or the content of the file that ``NAME_FILE`` names; '' if neither is set."""
    if value := source.get(name, "").strip():
        return value
    path = source.get(f"{name}_FILE", "").strip()
    if not path:
        return ""
    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(_MAX_SECRET_LENGTH + 1)
    except (OSError, ValueError) as error:  # ValueError: bytes that are no UTF-8, or a NUL in the path
        problem = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigurationError(
            f"{name}_FILE={path!r} cannot be read: {problem}. Mount the secret there, or unset the variable.",
            variable=f"{name}_FILE",
        ) from None
    if len(text) > _MAX_SECRET_LENGTH:
        raise ConfigurationError(f"{name}_FILE={path!r} is longer than a secret can be.", variable=f"{name}_FILE")
    return text.strip()


_Model = TypeVar("_Model", bound=BaseModel)


def _read(model: type[_Model], source: Mapping[str, str], read: Callable[[Mapping[str, str], str], str]) -> _Model:
    """Build ``model`` from the variables named like its fields; an empty one takes the default."""
    values = {name: text for name in model.model_fields if (text := read(source, name.upper()).strip())}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _explain(error, model, values) from None


def _explain(error: ValidationError, model: type[BaseModel], values: Mapping[str, str]) -> ConfigurationError:
    """Turn the first of pydantic's errors into one sentence that names the variable and the value."""
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    annotation = model.model_fields[name].annotation if name else None
    shown = "" if annotation is SecretStr else f"={values.get(name, '')[:64]!r}"
    return ConfigurationError(
        f"{name.upper()}{shown} cannot be used: {first['msg'].removeprefix('Value error, ')}. See .env.example.",
        variable=name.upper(),
    )


def _require_plain_url(variable: str, url: str) -> None:
    """Refuse what is no http address, with nothing but a host, a port and a path."""
    parts = _split(variable, url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or set(url) & set("@?# "):
        raise ConfigurationError(f"{variable} must be http://host[:port][/path] and nothing more.", variable=variable)


def _require_safe_url(variable: str, url: str) -> None:
    """Refuse an API address that would send the key in the clear over a network."""
    parts = _split(variable, url)
    if parts.username or parts.password or parts.query or parts.fragment or not parts.hostname:
        raise ConfigurationError(f"{variable} must be https://host[:port][/path] and nothing more.", variable=variable)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ConfigurationError(
            f"{variable}={url[:128]!r} would send the API key in the clear: use https, or a loopback address.",
            variable=variable,
        )


def _split(variable: str, url: str) -> SplitResult:
    if not url.isprintable() or " " in url:  # urlsplit would leave out some of them in silence
        raise ConfigurationError(f"{variable} holds a blank or a control character: take it out.", variable=variable)
    try:
        parts = urlsplit(url)
        _ = parts.port  # a port that is no number raises here
    except ValueError as error:
        raise ConfigurationError(f"{variable} is not a URL: {error}.", variable=variable) from None
    return parts


class DatabaseSettings(BaseModel):
    """What the init step needs to make databases and roles, frozen. Build it with ``from_environment()``.

    Without ``ADMIN_DATABASE_URL`` (someone else made the roles) only the tables are made. Without
    ``AIRFLOW_DB_PASSWORD`` Airflow's own database is left alone. ``MARKET_DB_PASSWORD`` is the one that the
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

        return _filled_in(url.read(self.admin_database_url, "ADMIN_DATABASE_URL"), self.postgres_password)

    @property
    def market_databases(self) -> tuple[str, ...]:
        """The market's databases: the one that the URL names, else the real one and the sandbox's."""
        name = self._market_parts.get("dbname")
        return (name,) if name else ("market", "market_sandbox")

    def owner_dsn(self, database: str, owner: str) -> SecretStr:
        """Return the URL at which ``owner`` migrates ``database``."""
        parts = {name: value for name, value in self._market_parts.items() if name != "password"}
        return _filled_in(parts, self.market_owner_password, user=owner, dbname=database)
