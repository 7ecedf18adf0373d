"""The provider's adjusted closes: they agree with its formula, and tell of an action that one side does not know."""

from dataclasses import replace
from decimal import Decimal

import pytest

from common.adjust import disagreements
from common.datasets.corporate_actions import CorporateAction
from common.values import DailyBar, Symbol
from sandbox.market import Market, adjusted_closes
from tests.support.actions import IBM, closes_as_traded, day, dividend, listed_actions, split
from tests.support.rows import bar

LAST = 5_000


def served(symbol: str) -> tuple[list[DailyBar], list[CorporateAction]]:
    """Return what the sandbox serves of a symbol's last 1,000 sessions, and its listed actions."""
    stock = Market(7).stock(symbol)
    traded = stock.bars(LAST - 999, LAST)
    bars = [
        bar(symbol, session=session, close_price=close, adjusted_close=round(Decimal(adjusted), 6))
        for (session, close), adjusted in zip(closes_as_traded(traded).items(), adjusted_closes(traded), strict=True)
    ]
    return bars, [each for each in listed_actions(stock, Symbol(symbol), LAST) if each.ex_date > bars[0].session]


@pytest.mark.parametrize("symbol", ["IBM", "MSFT", "SPLIT1", "SPINOFF1"])
def test_the_provider_agrees_with_its_formula(symbol: str):
    """With every action known, no session steps otherwise than by C / (C + D) and 1 / f, within 1e-4."""
    bars, actions = served(symbol)
    assert actions
    assert list(disagreements(bars, actions)) == []


@pytest.mark.parametrize("symbol", ["IBM", "MSFT", "SPINOFF1"])
def test_an_unknown_action_is_found(symbol: str):
    """For each action that our list lacks, the session of its ex-date disagrees and no other."""
    bars, actions = served(symbol)
    for missing in actions:
        (found,) = disagreements(bars, [each for each in actions if each is not missing])
        assert (found.session, found.factor) == (missing.ex_date, 1)


def test_an_action_the_provider_lacks():
    """A split and a dividend that its series does not show disagree on their days, with both factors."""
    bars = [bar(session=day(number), close_price=Decimal(10), adjusted_close=Decimal(10)) for number in range(4)]
    found = list(disagreements(bars, [split(day(1), 2), dividend(day(3), "2.5")]))
    assert [(one.session, one.provider_factor, one.factor) for one in found] == [(day(1), 1, 0.5), (day(3), 1, 0.8)]


def test_closes_that_do_not_tell():
    """A bar without an adjusted close, and one too small for six decimals, are no disagreement."""
    bars = [bar(IBM, session=day(number), close_price=Decimal(10)) for number in range(3)]
    assert list(disagreements(bars, [split(day(1), 2)])) == []
    tiny = [replace(each, adjusted_close=Decimal("0.000001")) for each in bars]
    assert list(disagreements(tiny, [split(day(1), 2)])) == []
