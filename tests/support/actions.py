"""Splits, dividends and bars of a made-up history, and what the sandbox's market has of them."""

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from common.datasets.corporate_actions import CorporateAction
from common.datasets.splits import ratio_of
from common.values import Symbol
from sandbox.market import TICKS, Bar, Stock

IBM: Final = Symbol("IBM")
MONDAY: Final = date(2026, 10, 5)
#: The sessions of twenty years.
TWENTY_YEARS: Final = 5040


def day(number: int) -> date:
    """A day of a made-up calendar without week-ends."""
    return MONDAY + timedelta(days=number)


def closes_of(*prices: str | int) -> dict[date, Decimal]:
    """One close a day."""
    return {day(number): Decimal(price) for number, price in enumerate(prices)}


def split(ex_date: date, many: int, few: int = 1, *, seq: int = 0, symbol: Symbol = IBM) -> CorporateAction:
    text = f"{many / few:.4f}"
    return CorporateAction(symbol, "split", ex_date, seq, numerator=many, denominator=few, provider_text=text)


def dividend(ex_date: date, amount: str | Decimal, *, seq: int = 0, symbol: Symbol = IBM) -> CorporateAction:
    return CorporateAction(symbol, "dividend", ex_date, seq, amount=Decimal(amount), provider_text=str(amount))


def listed_actions(stock: Stock, symbol: Symbol, last: int) -> Iterable[CorporateAction]:
    """What the sandbox's lists say of splits and dividends up to the session ``last``."""
    for session, ratio in stock.splits(last):
        meant = ratio_of(f"{ratio:.4f}")
        yield split(stock.exchange.sessions[session], meant.numerator, meant.denominator, symbol=symbol)
    for session, ticks in stock.dividends(last):
        yield dividend(stock.exchange.sessions[session], price(ticks), symbol=symbol)


def closes_as_traded(bars: Iterable[Bar]) -> dict[date, Decimal]:
    return {bar.day: price(bar.close) for bar in bars}


def price(ticks: int) -> Decimal:
    return Decimal(ticks) / TICKS
