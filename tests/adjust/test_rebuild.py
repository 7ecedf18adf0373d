"""All factors computed again: what an older version computed is replaced, and what is right is not touched."""

import json
from collections.abc import Callable
from io import StringIO

import pytest

from common.command_line import ExitCode
from common.datasets.corporate_actions import ACTIONS
from common.store import Store
from common.values import Symbol
from tests.support.actions import day, dividend, split
from tests.support.market import Market
from tests.support.rows import bar, save_bars
from workers.__main__ import main

FACTORS = "SELECT symbol, valid_before, split_factor, total_factor FROM adjustment_factors ORDER BY 1, 2"
ROWS = "SELECT ctid, xmin::text FROM adjustment_factors UNION ALL SELECT ctid, xmin::text FROM corporate_actions"
#: As if another formula had computed them.
ANOTHER = "UPDATE adjustment_factors SET total_factor = 0.5, valid_before = 'infinity'"


@pytest.fixture
def command(market: Market, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    monkeypatch.setenv("MARKET_DATABASE_URL", market.dsn().get_secret_value())

    def run(*arguments: str) -> tuple[int, str]:
        output = StringIO()
        return main(["adjust", "rebuild", *arguments], output), output.getvalue()

    return run


@pytest.fixture
def adjusted(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Five symbols with a split and a dividend each, two to a step."""
    monkeypatch.setattr("common.adjust.adjustments._STEP", 2)
    names = ["A", "B", "C", "D", "E"]
    for name in names:
        save_bars(store, [bar(name, session=day(number)) for number in range(3)])
        symbol = Symbol(name)
        store.save({ACTIONS: [split(day(1), 6, symbol=symbol), dividend(day(2), "1", symbol=symbol)]})
    return names


def test_another_formulas_factors_are_replaced(store: Store, market: Market, adjusted: list[str]):
    """Every symbol has the factors of today's formula again; a second time touches no row."""
    right = market.query(FACTORS)
    market.query(ANOTHER)
    steps = list(store.adjustments.rebuild())
    assert [step.symbols for step in steps] == [["A", "B"], ["C", "D"], ["E"]]
    assert [name for step in steps for name in step.changed] == adjusted
    assert market.query(FACTORS) == right
    before = market.query(ROWS)
    assert [step.changed for step in store.adjustments.rebuild()] == [[], [], []]
    assert market.query(ROWS) == before


def test_splits_are_read_again(store: Store, market: Market, adjusted: list[str]):
    """A split that another version took for other shares is read again from what the provider wrote."""
    right = market.query(FACTORS)
    market.query("UPDATE corporate_actions SET numerator = 7 WHERE kind = 'split' AND symbol <> 'A'")
    assert [step.read_again for step in store.adjustments.rebuild()] == [1, 2, 1]
    assert market.query("SELECT DISTINCT numerator FROM corporate_actions WHERE kind = 'split'") == [(6,)]
    assert market.query(FACTORS) == right


def test_the_others_stay_alone(store: Store, market: Market, adjusted: list[str], command):
    """Only the symbols that are named are computed, and one that nothing is stored of is named and gets no row."""
    market.query(ANOTHER)
    code, printed = command("--symbols", "D,NOSUCH", "--json")
    assert code == ExitCode.DONE
    assert json.loads(printed) == {"symbols": 1, "changed": ["D"], "read_again": 0, "unknown": ["NOSUCH"]}
    wrong = market.query("SELECT DISTINCT symbol FROM adjustment_factors WHERE total_factor = 0.5 ORDER BY 1")
    assert wrong == [("A",), ("B",), ("C",), ("E",)]


def test_it_says_what_changed(market: Market, adjusted: list[str], command):
    """A person reads how many symbols there are and which have other factors now; those without any get some."""
    market.query("DELETE FROM adjustment_factors WHERE symbol = 'B'")  # as a version without factors left it
    market.query("UPDATE corporate_actions SET numerator = 7 WHERE kind = 'split' AND symbol = 'C'")
    market.query("UPDATE adjustment_factors SET split_factor = 0.5 WHERE symbol = 'D'")
    said = "5 symbols: the factors of 1 are others now (D), 1 splits are read as other shares\n"
    assert command() == (ExitCode.DONE, said)
    assert {name for (name,) in market.query("SELECT symbol FROM adjustment_factors")} == set(adjusted)
