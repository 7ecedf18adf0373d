"""The recipes of docs/using-the-data.md do what they say, on files that were exported."""

import re
from datetime import date
from pathlib import Path
from typing import Any

from common.datasets.corporate_actions import ACTIONS
from common.export import Exporter, Selection
from tests.support.actions import split
from tests.support.rows import MONDAY, bar, save_bars

PAGE = Path(__file__).resolve().parents[2] / "docs" / "using-the-data.md"
TUESDAY = date(2026, 10, 6)


def test_the_pandas_recipes(market, store, tmp_path, monkeypatch):
    """A split of two for one leaves no step in the chart and no return of minus one half; a lone bar has none."""
    prices = dict.fromkeys(("open_price", "high_price", "low_price", "close_price"), 50)
    save_bars(store, [bar("IBM", **dict.fromkeys(prices, 100)), bar("IBM", session=TUESDAY, **prices), bar("AAPL")])
    store.save({ACTIONS: [split(TUESDAY, 2)]})
    exporter = Exporter(market.dsn(), timeout_s=10, invented=True)
    for view, name in (("split_adjusted_bars", "chart.csv"), ("total_return_bars", "returns.csv")):
        exporter.to_file(Selection(view), tmp_path / name, lambda count: None)
    monkeypatch.chdir(tmp_path)
    made: dict[str, Any] = {}
    for recipe in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        exec(recipe, made)
    assert made["chart"]["IBM"].tolist() == [50, 50]
    assert made["returns"].loc[str(TUESDAY), "IBM"] == 0
    assert made["returns"]["AAPL"].isna().all()
    assert made["chart"].index[0].date() == MONDAY
