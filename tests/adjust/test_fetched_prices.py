"""Adjusted prices of what the pipeline itself fetched from the sandbox."""

from dataclasses import replace
from decimal import Decimal
from functools import partial

import pytest

from common.adjust import disagreements
from common.datasets.corporate_actions import CorporateAction
from common.datasets.daily_bars import request
from common.datasets.dataset import Dataset
from common.datasets.dividends import DIVIDENDS
from common.datasets.full_history import FULL_HISTORY
from common.datasets.splits import SPLITS
from common.settings import PipelineSettings
from common.values import DailyBar, Symbol
from tests.support.market import Market
from workers.wiring import Wiring

#: With the provider's adjusted closes, as a premium plan may ask for them.
ADJUSTED_HISTORY = replace(FULL_HISTORY, request=partial(request, full=True, adjusted=True))


def fetch(environment: dict[str, str], symbol: Symbol, *datasets: Dataset) -> None:
    for dataset in datasets:
        with Wiring(PipelineSettings.from_environment(environment), dataset) as wiring:
            wiring.permits.prepare()
            wiring.store.ledger.plan_run(dataset.name, [symbol], dataset=dataset.name)
            wiring.job.run(dataset.name, symbol)


@pytest.mark.parametrize("name", ["MSFT", "SPLIT7", "SPINOFF1"])
@pytest.mark.parametrize("order", [1, -1])
def test_fetched_in_any_order(environment: dict[str, str], market: Market, name: str, order: int):
    """Bars before or after actions: no bar lacks its factors, and the provider's series knows no other action."""
    symbol = Symbol(name)
    fetch(environment, symbol, *[ADJUSTED_HISTORY, SPLITS, DIVIDENDS][::order])
    assert market.violations() == []
    columns = "session, open_price, high_price, low_price, close_price, volume, adjusted_close"
    bars = [DailyBar(symbol, *row) for row in market.query(f"SELECT {columns} FROM daily_bars ORDER BY session")]
    actions = [
        CorporateAction(symbol, kind, ex_date, numerator=numerator, denominator=denominator, amount=amount)
        for kind, ex_date, numerator, denominator, amount in market.query(
            "SELECT kind, ex_date, numerator, denominator, amount FROM corporate_actions"
        )
    ]
    assert len(bars) > 6_000
    assert list(disagreements(bars, actions)) == []
    assert market.query("SELECT count(*) FROM total_return_bars") == [(len(bars),)]


def test_splits_alone_match_the_provider(environment: dict[str, str], market: Market):
    """Where no dividend was ever paid, our adjusted closes are the provider's within a ten-thousandth."""
    fetch(environment, Symbol("SPLIT7"), SPLITS, ADJUSTED_HISTORY)
    ((sessions, farthest),) = market.query(
        "SELECT count(*), max(abs(ours.close_price / theirs.adjusted_close - 1)) "
        "FROM split_adjusted_bars AS ours JOIN daily_bars AS theirs USING (symbol, session)"
    )
    assert sessions > 6_000
    assert farthest < Decimal("0.0001")
