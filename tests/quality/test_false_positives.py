"""What the heads of the checks say of their false positives: some are told as warnings, the others are not told."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from common.datasets import corporate_actions
from common.store import Store
from common.values import DailyBar, Symbol
from tests.quality.planting import DAY, NOW, SESSIONS, look, sound
from tests.support.actions import dividend, split
from tests.support.market import Market
from tests.support.rows import save_bars

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # between exchange_calendars and pandas

PRICES = ("open_price", "high_price", "low_price", "close_price")


def from_day(bars: list[DailyBar], factor: str) -> list[DailyBar]:
    """Let the prices of a series jump on the day."""
    return [
        replace(each, **{name: getattr(each, name) * Decimal(factor) for name in PRICES})
        if each.session >= DAY
        else each
        for each in bars
    ]


def told(store: Store) -> set[tuple[str, str]]:
    return {(each.check_name, each.severity) for each in look(store)}


@pytest.mark.parametrize("factor", ["2.35", "0.4"])
def test_a_squeeze_is_a_warning(store: Store, factor: str):
    """A share that doubled in a day, as GME did in January 2021, or fell by more than half, is no error."""
    save_bars(store, from_day(sound(), factor))
    assert told(store) == {("unexplained_step", "warning")}


def test_a_split_explains_a_step(store: Store):
    """A step with the split that says why is silent, and so is one that a special dividend makes up for."""
    save_bars(store, [*from_day(sound(), "0.25"), *from_day(sound("PAYS"), "0.5")])
    store.save({corporate_actions.ACTIONS: [split(DAY, 4), dividend(DAY, "60.5", symbol=Symbol("PAYS"))]})
    assert [(each.symbol, each.check_name, each.severity) for each in look(store)] == [
        ("PAYS", "adjustment_finding", "warning")  # a dividend of half the price may be pence
    ]


def test_a_reverse_split_is_no_unit(store: Store):
    """A hundredfold price with its reverse split is silent."""
    save_bars(store, from_day(sound(), "100"))
    store.save({corporate_actions.ACTIONS: [split(DAY, 1, 100)]})
    assert told(store) == set()


def test_a_split_within_a_hole(store: Store):
    """Where bars are missing around a split, nobody can say whether the price has jumped."""
    save_bars(store, [each for each in sound() if not DAY - timedelta(days=6) < each.session < DAY + timedelta(days=6)])
    store.save({corporate_actions.ACTIONS: [split(DAY, 2)]})
    assert told(store) == set()


@pytest.mark.parametrize("factor", ["0.3", "0.75"])
def test_a_fall_on_a_splits_day(store: Store, factor: str):
    """A share that falls by a third on the day of its split looks as if it were split otherwise: told as an error."""
    save_bars(store, from_day(sound(), factor))
    store.save({corporate_actions.ACTIONS: [split(DAY, 2)]})
    assert told(store) == {("split_without_jump", "error")}


def test_a_fund_is_not_traded(store: Store):
    """A fund's price moves, or stands still for weeks, without any volume: neither is told."""
    still = {name: Decimal(1) for name in PRICES}
    save_bars(store, [*sound("FTIAX", volume=0), *sound("MONEY", volume=0, **still)])
    assert told(store) == set()


def test_an_illiquid_share_is_a_warning(store: Store):
    """One lot at one price each day, and an indication instead of a close, are warnings."""
    same = {name: Decimal(7) for name in PRICES} | {"volume": 100}
    quiet = replace(sound("THIN", SESSIONS[:1], **same)[0], session=SESSIONS[9], volume=0, close_price=Decimal(6))
    save_bars(store, [*sound("LOT", **same), *sound("THIN", SESSIONS[:9], volume=100), quiet])
    assert {(each.symbol, each.check_name, each.severity, each.session) for each in look(store)} >= {
        ("LOT", "repeated_bars", "warning", SESSIONS[4]),
        ("THIN", "moved_without_volume", "warning", SESSIONS[9]),
    }


def test_a_day_without_a_trade(store: Store):
    """A session without volume may have an open and a low of 0, or a close outside of them."""
    silent = {"open_price": Decimal(0), "high_price": Decimal(0), "low_price": Decimal(0), "close_price": Decimal(5)}
    save_bars(store, sound(volume=0, **silent))
    assert told(store) == set()


def test_a_special_dividend_is_warned(store: Store):
    """A company that pays out a third of its price, far less than a hundred times what it usually pays, is told."""
    save_bars(store, from_day(sound(), "0.67"))
    usual = [dividend(SESSIONS[place], "5") for place in (5, 8, 11)]
    store.save({corporate_actions.ACTIONS: [*usual, dividend(DAY, "40")]})
    assert told(store) == {("large_dividend", "warning")}


@pytest.mark.parametrize(
    ("symbol", "day", "expected"),
    [
        ("RELIANCE.BSE", date(2024, 11, 1), {("off_calendar", "warning")}),  # an hour's trade on Diwali
        ("RELIANCE.BSE", date(2027, 1, 2), set()),  # after the end of the calendar
        ("IBM", date(1999, 1, 2), set()),  # before its begin
        ("IBM.XYZ", date(2026, 10, 3), set()),
    ],
)
def test_a_wrong_calendar_is_warned(
    store: Store, market: Market, symbol: str, day: date, expected: set[tuple[str, str]]
):
    """A day that a calendar lacks is a warning; of days that it does not cover nothing is said."""
    save_bars(store, sound(symbol, [day]))
    store.quality.check_changed(NOW)
    found = market.query("SELECT check_name, severity FROM quality_findings WHERE check_name = 'off_calendar'")
    assert set(found) == expected


def test_adjusted_closes_of_two_replies(store: Store, market: Market):
    """Where one reply's adjusted closes end and another's begin, nothing is told."""
    save_bars(store, sound())
    market.query(
        "UPDATE daily_bars SET adjusted_close = close_price * CASE WHEN session < %s THEN 0.9 ELSE 1 END, "
        "updated_at = CASE WHEN session < %s THEN updated_at ELSE updated_at + interval '1 day' END",
        DAY,
        DAY,
    )
    assert told(store) == set()


def test_the_delisted_are_not_stale(store: Store, market: Market):
    """What the last list of companies has as delisted needs no new row, unless the ticker is listed again."""
    save_bars(store, [*sound("GONE"), *sound("AGAIN")])
    market.query(
        "INSERT INTO listings (symbol, name, exchange, asset_type, delisting_date, status, first_seen, last_seen) "
        "SELECT symbol, '', 'NYSE', 'Stock', '2026-10-06', status, now(), now() FROM (VALUES ('GONE', 'Delisted'), "
        "('AGAIN', 'Delisted'), ('AGAIN', 'Active')) AS listed (symbol, status)"
    )
    store.quality.check_stale([Symbol("GONE"), Symbol("AGAIN")], NOW + timedelta(days=9))
    store.quality.check_changed(NOW + timedelta(days=9))
    assert market.query("SELECT symbol FROM quality_findings WHERE check_name = 'stale'") == [("AGAIN",)]


def test_a_split_and_dividend_is_none(store: Store):
    """A dividend on the day of a split is counted by a rule, and is no fault of the data."""
    save_bars(store, from_day(sound(), "0.5"))
    store.save({corporate_actions.ACTIONS: [split(DAY, 2), dividend(DAY, "0.5")]})
    assert told(store) == set()
