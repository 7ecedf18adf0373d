"""Adjusted prices in the database: factors follow the actions, views multiply the bars, and no bar changes."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from common.datasets import daily_bars
from common.datasets.corporate_actions import ACTIONS, CorporateAction
from common.datasets.dataset import Table
from common.migrate import migrate
from common.store import Store
from common.values import DailyBar, Symbol
from sandbox.market import Market as SandboxMarket
from sandbox.market import Stock
from tests.support import textbook
from tests.support.actions import (
    TWENTY_YEARS,
    day,
    dividend,
    listed_actions,
    price,
    split,
)
from tests.support.market import Market
from tests.support.rows import bar, quote, save_bars, save_quotes

LAST = 6_500
PAGE = Path(__file__).parents[2] / "docs" / "adjusted-prices.md"
ROWS = "SELECT *, xmin, ctid FROM daily_bars ORDER BY symbol, session"
FACTORS = "SELECT valid_from, valid_before, split_factor, total_factor FROM adjustment_factors ORDER BY symbol, 1"
TUPLES = "SELECT *, xmin, ctid FROM adjustment_factors ORDER BY symbol, valid_from"
IDENTITY = [(date.min, date.max, 1, 1)]
#: Sixty bars for each of so many symbols with a prefix.
INSERT_BARS = """
INSERT INTO daily_bars SELECT %s || n, session, 9, 9, 9, 9, 1
FROM generate_series(date '2026-10-05', '2026-12-03', '1 day') AS session, generate_series(1, %s) AS n
"""


def save_actions(store: Store, *actions: CorporateAction) -> None:
    store.save({ACTIONS: actions})


def save_closes(store: Store, *prices: int, first: int = 0) -> None:
    save_bars(store, [flat_bar(day(first + number), price) for number, price in enumerate(prices)])


def flat_bar(session: date, price: int | Decimal) -> DailyBar:
    close = Decimal(price)
    return bar(session=session, open_price=close, high_price=close, low_price=close, close_price=close, volume=1000)


def split_factors(market: Market) -> list[tuple[date, Decimal]]:
    return market.query("SELECT valid_before, split_factor FROM adjustment_factors ORDER BY 1")


def test_a_new_split_changes_factors_only(store: Store, market: Market):
    """Bars stay the tuples that they were; once the split is withdrawn, the factors are back as well."""
    save_closes(store, 100, 102, 51)
    bars = market.query(ROWS)
    assert market.query(FACTORS) == IDENTITY
    save_actions(store, split(day(-300), 3), split(day(2), 2))
    assert split_factors(market) == [(day(2), Decimal("0.5")), (date.max, 1)]
    save_actions(store, split(day(-300), 3))
    assert market.query(FACTORS) == IDENTITY
    assert market.query(ROWS) == bars


def test_a_restated_action_replaces_its_factor(store: Store, market: Market):
    """A dividend whose amount the list corrects has the new factor, in the one segment that it had."""
    save_closes(store, 100, 100)
    save_actions(store, dividend(day(1), "10"))
    save_actions(store, dividend(day(1), "1"))
    assert market.query(FACTORS) == [(date.min, day(1), 1, Decimal("0.99")), (day(1), date.max, 1, 1)]


def test_nothing_new_touches_no_factor(store: Store, market: Market):
    """The same bars and actions again leave the very tuples; so do bars that stand beside no ex-date."""
    save_closes(store, 100, 100, 50, 50)
    save_actions(store, split(day(2), 2))
    before = market.query(TUPLES)
    save_actions(store, split(day(2), 2))
    save_closes(store, 100, 100, 50, 50, 50)
    save_closes(store, 90)
    assert market.query(TUPLES) == before


def test_quotes_cost_nothing(store: Store, market: Market, monkeypatch: pytest.MonkeyPatch):
    """A run of quotes asks the database nothing about factors, and stores none."""
    asked: list[object] = []
    monkeypatch.setattr("common.adjust.rebuild._refresh", lambda cursor, spans: asked.append(spans))
    save_quotes(store, [quote()])
    save_bars(store, [bar()])
    save_bars(store, [bar()])
    assert asked == [{"IBM": (bar().session, bar().session)}]


def test_pending_action_waits_for_its_bar(store: Store, market: Market):
    """A declared dividend takes effect in the transaction that stores the first bar from its ex-date on."""
    save_actions(store, dividend(day(2), "1"))
    save_closes(store, 10, 10)
    assert market.query(FACTORS) == IDENTITY
    save_closes(store, 9, first=3)
    assert market.query(FACTORS)[0] == (date.min, day(3), 1, Decimal("0.9"))


def test_a_bar_beside_an_ex_date(store: Store, market: Market):
    """A restated close before the ex-date, and a bar that fills a gap on either side, change the factor."""
    save_actions(store, dividend(day(4), "1"))
    save_closes(store, 10)
    save_closes(store, 9, first=6)

    def before() -> tuple[date, Decimal]:
        return market.query("SELECT valid_before, total_factor FROM adjustment_factors ORDER BY 1")[0]

    assert before() == (day(6), Decimal("0.9"))
    save_closes(store, 20)
    assert before() == (day(6), Decimal("0.95"))
    save_closes(store, 50, first=3)
    assert before() == (day(6), Decimal("0.98"))
    save_closes(store, 50, first=5)
    assert before() == (day(5), Decimal("0.98"))
    assert market.violations() == []


def test_findings_follow_the_actions(store: Store, market: Market):
    """What a person should look at stands in a table, and goes with the action."""
    save_closes(store, 10, 10, 10)
    save_actions(store, split(day(1), 523, 500), split(day(2), 2))
    assert market.query("SELECT symbol, session, code, message FROM adjustment_findings") == [
        ("IBM", day(1), "spin_off?", "a split of 1.046 for one")
    ]
    save_actions(store, split(day(2), 2))
    assert market.query("SELECT code FROM adjustment_findings") == []


def test_symbol_s_factors_are_its_own(store: Store, market: Market):
    """An action of one symbol leaves the others' factors, and symbols are saved together."""
    save_bars(store, [bar(symbol, session=day(number)) for symbol in ("A", "B", "C") for number in range(3)])
    save_actions(store, split(day(1), 2, symbol=Symbol("A")), split(day(2), 4, symbol=Symbol("C")))
    assert market.query("SELECT symbol, split_factor FROM adjustment_factors WHERE valid_before < 'infinity'") == [
        ("A", Decimal("0.5")),
        ("C", Decimal("0.25")),
    ]
    assert market.violations() == []


@pytest.mark.parametrize("order", [1, -1])
def test_two_savers_at_once(market: Market, market_dsn, order: int):
    """An action and the bar of its ex-date, saved by two transactions at once, are adjusted for by the later one."""
    with Store(market_dsn) as one, Store(market_dsn) as other, closing(market.connect(market_dsn)) as watcher:
        save_closes(one, 100)
        first, second = [lambda: save_actions(one, split(day(1), 2)), lambda: save_closes(other, 50, first=1)][::order]
        with closing(market.connect(market_dsn)) as blocker, blocker.cursor() as cursor:
            cursor.execute("BEGIN")  # holds both back until each has written its own rows
            cursor.execute("SELECT FROM adjustment_factors FOR UPDATE")
            threads = [threading.Thread(target=save) for save in (first, second)]
            for number, thread in enumerate(threads, 1):
                thread.start()
                until_waiting(watcher, number)
            cursor.execute("COMMIT")
        for thread in threads:
            thread.join(20)
        assert split_factors(market) == [(day(1), Decimal("0.5")), (date.max, 1)]


def test_three_savers_at_once(market: Market, market_dsn):
    """Of a symbol's split, its ex-date's bar and the bar before, saved by three, the last one adjusts for all."""
    symbols = [Symbol(f"S{number}") for number in range(40)]
    with Store(market_dsn) as store, ThreadPoolExecutor(3) as threads:
        for symbol in symbols:
            rows: list[dict[Table, list[object]]] = [
                {ACTIONS: [split(day(1), 2, symbol=symbol)]},
                {daily_bars.TABLE: [bar(symbol, session=day(1))]},
                {daily_bars.TABLE: [bar(symbol, session=day(0))]},
            ]
            list(threads.map(store.save, rows))
    factors = "SELECT symbol FROM adjustment_factors WHERE (valid_before, split_factor) = (%s, 0.5)"
    assert {symbol for (symbol,) in market.query(factors, day(1))} == set(symbols)
    assert market.violations() == []


def until_waiting(watcher, count: int) -> None:
    """Return once ``count`` sessions of this database wait for a lock."""
    with watcher.cursor() as cursor:
        for _ in range(10_000):
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            if cursor.fetchone()[0] >= count:
                return
    raise AssertionError(f"{count} sessions never waited for a lock")


@pytest.mark.parametrize("batch", [1, 500])
def test_what_older_versions_stored(market: Market, monkeypatch: pytest.MonkeyPatch, batch: int):
    """The init step computes the factors of every symbol that has bars and none yet, and only those."""
    monkeypatch.setattr("common.adjust.rebuild._BATCH", batch)
    for symbol in ("A", "B"):
        market.query(INSERT_BARS, symbol, 1)
    names = "symbol, kind, ex_date, seq, numerator, denominator, provider_text"
    market.query(f"INSERT INTO corporate_actions ({names}) VALUES ('B1', 'split', %s, 0, 3, 1, '3')", day(2))
    migrate(market.owner)
    stored = market.query(TUPLES)
    assert [row[:3] for row in stored] == [
        ("A1", date.min, date.max),
        ("B1", date.min, day(2)),
        ("B1", day(2), date.max),
    ]
    migrate(market.owner)
    assert market.query(TUPLES) == stored


def test_the_views_adjust_prices_and_volumes(store: Store, market: Market):
    """Prices are multiplied and volumes divided, these for splits only; the columns are the bars', and a reader's."""
    save_closes(store, 100, 100, 50)
    save_actions(store, split(day(2), 2), dividend(day(1), "10"))
    with closing(market.connect(market.reader)) as session, session.cursor() as cursor:
        found = {}
        for view in ("split_adjusted_bars", "total_return_bars"):
            cursor.execute(
                f"SELECT open_price, high_price, low_price, close_price, volume, factor FROM {view} ORDER BY session"
            )
            found[view] = cursor.fetchall()
    half = Decimal("0.5")
    assert found["split_adjusted_bars"] == [(50, 50, 50, 50, 2000, half)] * 2 + [(50, 50, 50, 50, 1000, 1)]
    assert found["total_return_bars"][0] == (45, 45, 45, 45, 2000, Decimal("0.45"))
    assert found["total_return_bars"][1:] == found["split_adjusted_bars"][1:]


def test_one_row_has_all_closes(store: Store, market: Market):
    """``adjusted_history`` shows a reader what the other views show of each session, in one row, with both factors."""
    save_closes(store, 100, 100, 50)
    save_actions(store, split(day(2), 2), dividend(day(1), "10"))
    with closing(market.connect(market.reader)) as session, session.cursor() as cursor:
        cursor.execute("SELECT * FROM adjusted_history ORDER BY session")
        rows = cursor.fetchall()
        cursor.execute(
            "SELECT symbol, session, b.close_price, s.close_price, t.close_price, b.volume, s.volume, s.factor, "
            "t.factor FROM daily_bars AS b JOIN split_adjusted_bars AS s USING (symbol, session) "
            "JOIN total_return_bars AS t USING (symbol, session) ORDER BY session"
        )
        assert rows == cursor.fetchall()
    assert rows[0][2:] == (100, 50, 45, 1000, 2000, Decimal("0.5"), Decimal("0.45"))


def test_the_documented_example(store: Store, market: Market):
    """The table of docs/adjusted-prices.md is what the views show of those closes, that dividend and that split."""
    lines = re.findall(r"^\| (\d{4}-.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    shown = [[cell.strip() for cell in line.split("|")] for line in lines]
    assert len(shown) == 4
    save_bars(store, [flat_bar(date.fromisoformat(row[0]), Decimal(row[2])) for row in shown])
    save_actions(store, dividend(date.fromisoformat(shown[2][0]), "1.02"), split(date.fromisoformat(shown[3][0]), 2))
    adjusted = market.query(
        "SELECT s.factor, t.factor, s.close_price, t.close_price "
        "FROM split_adjusted_bars AS s JOIN total_return_bars AS t USING (symbol, session) ORDER BY session"
    )
    expected = [(*map(Decimal, row[3].split(" / ")), Decimal(row[4]), Decimal(row[5])) for row in shown]
    assert adjusted == expected


@pytest.mark.parametrize("view", ["split_adjusted_bars", "total_return_bars", "adjusted_history"])
def test_the_view_asks_for_ranges(store: Store, market: Market, view: str):
    """One symbol's view reads its segments, and for each of them a range of the bars' key."""
    save_closes(store, *range(100, 160))
    save_actions(store, *(split(day(number), 2) for number in (20, 40)))
    market.query(INSERT_BARS, "S", 200)
    identity = "SELECT DISTINCT symbol, date '-infinity', date 'infinity', 1, 1 FROM daily_bars WHERE symbol <> 'IBM'"
    market.query(f"INSERT INTO adjustment_factors {identity}")
    market.query("ANALYZE")
    asked = f"EXPLAIN SELECT session, close_price FROM {view} WHERE symbol = 'IBM'"
    for condition, bound in (("", "session >= segment.valid_from"), (" AND session > '2026-10-07'", "session > '2026")):
        segments, bars = "\n".join(line for (line,) in market.query(asked + condition)).split("daily_bars_pkey")
        assert "Nested Loop" in segments
        assert "adjustment_factors" in segments
        assert bound in bars.partition("Index Cond")[2]


def saved_history(store: Store, stock: Stock, symbol: Symbol) -> list[CorporateAction]:
    bars = [
        DailyBar(symbol, each.day, *map(price, (each.open, each.high, each.low, each.close)), each.volume)
        for each in stock.bars(LAST - TWENTY_YEARS + 1, LAST)
    ]
    actions = list(listed_actions(stock, symbol, LAST))
    store.save({daily_bars.TABLE: bars, ACTIONS: actions})
    return actions


@pytest.mark.parametrize("symbol", ["IBM", "SPLIT7", "SPINOFF1"])
def test_twenty_years_through_the_view(store: Store, market: Market, symbol: str):
    """What the views show of twenty years agrees with exact fractions to the sixth decimal, for each session."""
    stock = SandboxMarket(7).stock(symbol)
    actions = saved_history(store, stock, Symbol(symbol))
    bars = market.query("SELECT session, close_price FROM daily_bars ORDER BY session")
    assert len(bars) == TWENTY_YEARS
    expected = textbook.factors(
        [(session, Fraction(close)) for session, close in bars],
        [(each.ex_date, Fraction(each.numerator, each.denominator)) for each in actions if each.numerator],
        [(each.ex_date, Fraction(each.amount)) for each in actions if each.amount],
    )
    for view, kind in (("split_adjusted_bars", "split"), ("total_return_bars", "total")):
        shown = market.query(f"SELECT session, close_price FROM {view} ORDER BY session")
        assert [session for session, _ in shown] == [session for session, _ in bars]
        for (session, adjusted), (_, close) in zip(shown, bars, strict=True):
            exact = Fraction(close) * getattr(expected[session], kind)
            assert abs(Fraction(adjusted) - exact) < Fraction(1, 2_000_000)
