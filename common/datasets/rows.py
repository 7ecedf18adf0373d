"""A row of each kind of reply, under our names, with the provider's names as aliases."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from common.datasets.fields import (
    Computed,
    Day,
    DayOfStamp,
    LastPrice,
    NotNegative,
    Percent,
    Positive,
    Price,
    Signed,
    Ticker,
    Volume,
)


class Row(BaseModel):
    """What every row has, under our names; each kind of reply gives them aliases of its own."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    open_price: Price
    high_price: Price
    low_price: Price
    price: LastPrice
    volume: Volume

    @classmethod
    def name_of(cls, field: str) -> str:
        """Return the provider's name of one of our fields."""
        return cls.model_fields[field].alias or field


class ChangeRow(Row):
    """A row that also says of which symbol and day it is, and how the price changed since the day before."""

    symbol: Ticker
    day: Day
    previous_close: Price
    change: Signed
    percent: Computed


class QuoteRow(ChangeRow):
    """GLOBAL_QUOTE."""

    symbol: Ticker = Field(alias="01. symbol")
    open_price: Price = Field(alias="02. open")
    high_price: Price = Field(alias="03. high")
    low_price: Price = Field(alias="04. low")
    price: LastPrice = Field(alias="05. price")
    volume: Volume = Field(alias="06. volume")
    day: Day = Field(alias="07. latest trading day")
    previous_close: Price = Field(alias="08. previous close")
    change: Signed = Field(alias="09. change")
    percent: Percent = Field(alias="10. change percent")


class BulkRow(ChangeRow):
    """REALTIME_BULK_QUOTES: no percent sign, and a time in place of the day."""

    symbol: Ticker
    open_price: Price = Field(alias="open")
    high_price: Price = Field(alias="high")
    low_price: Price = Field(alias="low")
    price: LastPrice = Field(alias="close")
    volume: Volume
    day: DayOfStamp = Field(alias="timestamp")
    previous_close: Price
    change: Signed
    percent: Computed = Field(alias="change_percent")


class BarRow(Row):
    """TIME_SERIES_DAILY."""

    open_price: Price = Field(alias="1. open")
    high_price: Price = Field(alias="2. high")
    low_price: Price = Field(alias="3. low")
    price: LastPrice = Field(alias="4. close")
    volume: Volume = Field(alias="5. volume")


class AdjustedRow(BarRow):
    """TIME_SERIES_DAILY_ADJUSTED."""

    volume: Volume = Field(alias="6. volume")
    adjusted_close: Annotated[Computed, NotNegative] = Field(alias="5. adjusted close")
    dividend_amount: Annotated[Computed, NotNegative] = Field(alias="7. dividend amount")
    split_coefficient: Annotated[Computed, Positive] = Field(alias="8. split coefficient")
