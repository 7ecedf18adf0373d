"""What the Market page reads with: the reader's address, the limiter's Redis, and whose calls it shows."""

import os
from collections.abc import Mapping
from functools import cached_property
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from common.quota.quota import FREE, Quota, chosen_quota, key_digest
from common.settings.pipeline import SANDBOX_API_KEY
from common.settings.source import read, read_variable
from common.settings.urls import filled_in

READER: Final = "market_reader"


class PageSettings(BaseModel):
    """The settings of the Market page, frozen. Build it with ``from_environment()``.

    The page never has the API key: ``alpha_vantage_key_digest`` stands for it (the limiter's name of the key), and is
    empty where there is none and the sandbox serves. Without ``market_reader_password`` it reads as the user of
    ``market_database_url``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    alpha_vantage_key_digest: str = Field(default="", pattern=r"^[0-9a-f]{12}$")
    alpha_vantage_plan: str = FREE
    alpha_vantage_quota: str = ""
    session_grace: float = Field(default=3600, ge=0, le=86_400)
    market_database_url: str = Field(default="postgresql://market_reader@127.0.0.1:5432", repr=False)
    market_reader_password: SecretStr = SecretStr("")
    limiter_redis_url: str = Field(default="redis://127.0.0.1:6379/1", repr=False)  # may hold a password
    redis_password: SecretStr = SecretStr("")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the environment (``os.environ`` by default). Raises ConfigurationError."""
        return read(cls, os.environ if environment is None else environment, read_variable)

    @model_validator(mode="after")
    def _check_urls_and_quota(self) -> Self:
        self._market_parts  # noqa: B018  libpq says whether it can use the URL
        self.redis_dsn  # noqa: B018  same of redis-py
        self.quota  # noqa: B018  a malformed quota is refused at the start
        return self

    @property
    def uses_sandbox(self) -> bool:
        """Whether the prices are invented."""
        return not self.alpha_vantage_key_digest

    @property
    def key_digest(self) -> str:
        """The limiter's name of the key that calls are made with."""
        return self.alpha_vantage_key_digest or key_digest(SecretStr(SANDBOX_API_KEY))

    @cached_property
    def quota(self) -> Quota:
        """The windows that hold: spelled out, or the plan's."""
        return chosen_quota(self.alpha_vantage_plan, self.alpha_vantage_quota)

    @cached_property
    def _market_parts(self) -> dict[str, str]:
        from common.database import url  # noqa: PLC0415  whoever reads other settings needs no driver

        return url.read(self.market_database_url, "MARKET_DATABASE_URL")

    @property
    def market_database(self) -> str:
        """The market database's name; invented prices have one of their own."""
        return self._market_parts.get("dbname") or ("market_sandbox" if self.uses_sandbox else "market")

    @property
    def market_dsn(self) -> SecretStr:
        """The libpq connection URL of sessions that can write nothing, whoever they are."""
        parts = dict(self._market_parts)
        if self.market_reader_password.get_secret_value():
            parts = {**parts, "user": READER, "password": self.market_reader_password.get_secret_value()}
        options = f"{parts.get('options', '')} -c default_transaction_read_only=on".strip()
        return filled_in(parts, SecretStr(""), dbname=self.market_database, options=options)

    @property
    def redis_dsn(self) -> SecretStr:
        """The limiter's Redis URL, with the password filled in."""
        from common.quota import redis_url  # noqa: PLC0415  whoever reads other settings needs no driver

        redis_url.check(self.limiter_redis_url, "LIMITER_REDIS_URL")
        return SecretStr(redis_url.with_password(self.limiter_redis_url, self.redis_password.get_secret_value()))
