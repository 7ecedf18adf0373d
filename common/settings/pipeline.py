"""What a run goes by, each with its default: time-outs, attempts, threads of a batch, failure ratio, addresses."""

import os
import socket
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    SecretStr,
    model_validator,
)

from common.quota.quota import FREE, Quota, chosen_quota
from common.settings.source import read, read_variable
from common.settings.urls import filled_in, password_in, require_plain_url, require_safe_url
from common.symbol_file import read_symbols
from common.universe.listing_filter import PREFIX, ListingFilter
from common.values import Symbol, parse_symbols

ALPHA_VANTAGE_URL: Final = "https://www.alphavantage.co"
DEFAULT_SYMBOLS: Final = "IBM,AAPL,GOOGL,MSFT"
#: What the sandbox is asked with where there is no key: it is no secret and opens nothing.
SANDBOX_API_KEY: Final = "sandbox"
_MAX_KEY_LENGTH: Final = 200


def _read_universe(value: object) -> tuple[Symbol, ...] | ListingFilter:
    """Read ``IBM, AAPL`` (commas or white space), the file named by ``@path`` (one a line, # comments), or a choice of
    the listed companies, which a plan looks up: ``listing:NASDAQ,NYSE``.
    """
    text = str(value)
    if text.startswith("@"):
        return tuple(dict.fromkeys(read_symbols(text[1:])))
    if PREFIX in text.lower():  # anywhere: as a part of a list of symbols it would be asked for as one
        return ListingFilter.parse(text)
    return parse_symbols(text.replace(",", " ").split())


def _none_for_auto(value: object) -> object:
    return None if str(value).lower() == "auto" else value


def _none_for_keep(value: object) -> object:
    return None if str(value).lower() == "keep" else value


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it holds a control character")
    return text


def _one_word(key: SecretStr) -> SecretStr:
    """Refuse a key that was copied with something else; it is not shown."""
    text = key.get_secret_value()
    if text and not (text.isascii() and text.isprintable() and " " not in text and len(text) <= _MAX_KEY_LENGTH):
        raise ValueError("a key is one word of ASCII letters and digits, so this is more than the key")
    return key


_Symbols = Annotated[tuple[Symbol, ...], Field(min_length=1)]
Universe = Annotated[_Symbols | InstanceOf[ListingFilter], BeforeValidator(_read_universe)]

#: How long rows are kept, in whole days; None, written ``keep``: for ever. 0 would delete what is being stored.
Days = Annotated[Annotated[int, Field(ge=1, le=36_500)] | None, BeforeValidator(_none_for_keep)]
#: With 0 none is kept.
DaysOrNone = Annotated[Annotated[int, Field(ge=0, le=36_500)] | None, BeforeValidator(_none_for_keep)]


class PipelineSettings(BaseModel):
    """All settings of the pipeline, frozen. Build it with ``from_environment()``.

    A field's name in upper case is its variable's name. Times are in seconds unless the name says otherwise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True)

    # The provider
    alpha_vantage_api_key: Annotated[SecretStr, AfterValidator(_one_word)] = SecretStr("")
    alpha_vantage_base_url: str = ""
    alpha_vantage_plan: str = FREE
    alpha_vantage_quota: str = ""
    sandbox_url: str = "http://127.0.0.1:8765"
    api_timeout: float = Field(default=30, ge=0.1, le=600)
    api_attempts: int = Field(default=3, ge=1, le=10)

    # The symbols and the run
    quotes_from: Literal["quote", "bars"] = "quote"
    full_history: Literal["auto", "on", "off"] = "auto"
    bulk_quotes: Literal["auto", "on", "off"] = "auto"
    stock_symbols: Universe = Field(default_factory=lambda: _read_universe(DEFAULT_SYMBOLS))
    max_failure_ratio: float = Field(default=0, ge=0, le=1)
    quality_errors: Literal["report", "fail"] = "report"
    max_mapped_tasks: int = Field(default=500, ge=1, le=10_000)
    symbols_per_task: Annotated[Annotated[int, Field(ge=1, le=10_000)] | None, BeforeValidator(_none_for_auto)] = None
    batch_concurrency: int = Field(default=8, ge=1, le=64)
    data_retention_days: Days = 90
    quote_revision_retention_days: Days = 90
    ledger_retention_days: Days = 90
    finding_retention_days: Days = 90
    notification_retention_days: Days = 90
    call_retention_days: Days = 2
    quarantine_retention_days: Days = 90
    raw_retention_days: DaysOrNone = 30  # 0: what the provider says is not kept
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
        return read(cls, os.environ if environment is None else environment, read_variable)

    @model_validator(mode="after")
    def _check_urls_and_quota(self) -> Self:
        from common.quota import redis_url  # noqa: PLC0415  a DAG file needs no driver

        require_safe_url("ALPHA_VANTAGE_BASE_URL", self.alpha_vantage_base_url or ALPHA_VANTAGE_URL)
        require_plain_url("SANDBOX_URL", self.sandbox_url)
        self._market_parts  # noqa: B018  libpq says whether it can use the URL
        redis_url.check(self.limiter_redis_url, "LIMITER_REDIS_URL")
        self.quota  # noqa: B018  a malformed quota is refused here and not in the middle of a run
        return self

    @cached_property
    def quota(self) -> Quota:
        """The windows that hold: spelled out, or the plan's."""
        return chosen_quota(self.alpha_vantage_plan, self.alpha_vantage_quota)

    @property
    def asks_full_history(self) -> bool:
        """Whether whole series are asked for: the plan allows it, or a person says that it does."""
        return self.full_history == "on" or (self.full_history == "auto" and self.alpha_vantage_plan != FREE)

    @property
    def asks_in_bulk(self) -> bool:
        """Whether the quotes of many symbols are asked for with one call: on premium plans, or as a person says."""
        return self.bulk_quotes == "on" or (self.bulk_quotes == "auto" and self.alpha_vantage_plan != FREE)

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
        return filled_in(self._market_parts, self.market_db_password, dbname=self.market_database)

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
        in_urls = (parts.get("password"), parts.get("sslpassword"), password_in(self.redis_dsn))
        return tuple(text for text in (*(field.get_secret_value() for field in fields), *in_urls) if text)
