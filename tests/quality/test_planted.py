"""Each check finds the fault that is planted for it, and lets go of it once the fault is gone."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from common.datasets import corporate_actions
from common.quality import all_checks
from common.store import Store
from common.values import Quote, Symbol
from tests.quality.planting import DAY, NOW, SESSIONS, look, names, sound
from tests.support.actions import dividend, split
from tests.support.market import Market
from tests.support.rows import quote, save_bars, save_quotes

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # between exchange_calendars and pandas

AT_DAY = f"WHERE session = '{DAY}'"
FROM_DAY = f"WHERE session >= '{DAY}'"
UNCHECKED = "ALTER TABLE daily_bars DROP CONSTRAINT daily_bars_range;"


def last_quote(**changes) -> Quote:
    """A quote of the series' last session, in agreement with its bar."""
    bar = sound()[-1]
    prices = {"open_price": bar.open_price, "high_price": bar.high_price + 1, "low_price": bar.low_price}
    return quote(**{"day": SESSIONS[-1], "price": bar.close_price, **prices, **changes})


def copied(session: date, to: str) -> str:
    """Store the bar of a session once more, as one of another day."""
    values = "open_price, high_price, low_price, close_price, volume"
    return f"INSERT INTO daily_bars SELECT symbol, '{to}', {values} FROM daily_bars WHERE session = '{session}'"


def scaled(factor: str) -> str:
    """Multiply a series' prices from the day on."""
    prices = ", ".join(f"{name}_price = {name}_price * {factor}" for name in ("open", "high", "low", "close"))
    return f"UPDATE daily_bars SET {prices} {FROM_DAY}"


#: What is planted as SQL, and what takes it out again, by the check that finds it.
PLANTED = {
    "high_below_low": (
        f"{UNCHECKED} UPDATE daily_bars SET high_price = low_price - 1 {AT_DAY}",
        f"UPDATE daily_bars SET high_price = low_price + 3 {AT_DAY}",
    ),
    "outside_range": (
        f"UPDATE daily_bars SET open_price = high_price + 0.0002 {AT_DAY}",
        f"UPDATE daily_bars SET open_price = low_price + 1 {AT_DAY}",
    ),
    "not_positive": (
        f"UPDATE daily_bars SET open_price = 0, low_price = 0 {AT_DAY}",
        f"UPDATE daily_bars SET open_price = high_price - 2, low_price = high_price - 3 {AT_DAY}",
    ),
    "future_session": (
        copied(SESSIONS[-1], "2099-01-05"),
        "UPDATE daily_bars SET updated_at = '2099-01-06' WHERE session = '2099-01-05'",
    ),
    "unexplained_step": (scaled("2"), scaled("0.5")),
    "hundredfold_step": (scaled("100"), scaled("0.01")),
    "moved_without_volume": (
        f"UPDATE daily_bars SET volume = 0 {AT_DAY}",
        f"UPDATE daily_bars SET volume = 1 {AT_DAY}",
    ),
    "repeated_bars": (
        (
            "UPDATE daily_bars AS bar SET open_price = day.open_price, high_price = day.high_price, "
            "low_price = day.low_price, close_price = day.close_price, volume = day.volume "
            f"FROM daily_bars AS day WHERE day.session = '{DAY}' AND bar.session BETWEEN '{DAY}' AND '{SESSIONS[24]}'"
        ),
        f"UPDATE daily_bars SET volume = volume + 1 WHERE session = '{SESSIONS[23]}'",
    ),
    "off_calendar": (
        copied(date(2026, 9, 4), "2026-09-07"),
        None,  # the calendar itself has to change
    ),
    "adjusted_otherwise": (
        f"UPDATE daily_bars SET adjusted_close = CASE WHEN session < '{DAY}' THEN 0.9998 ELSE 1 END * close_price",
        "UPDATE daily_bars SET adjusted_close = close_price",
    ),
    "lost_session": (
        "INSERT INTO missing_sessions (exchange, session, missing, symbols) VALUES ('XNYS', '2026-09-04', 9, 99)",
        "UPDATE missing_sessions SET resolved_at = now()",
    ),
    "split_without_jump": (
        (
            "INSERT INTO corporate_actions (symbol, kind, ex_date, seq, numerator, denominator, provider_text) "
            f"VALUES ('IBM', 'split', '{DAY}', 0, 3, 2, '1.5')"
        ),
        "UPDATE corporate_actions SET withdrawn_at = now()",
    ),
    "large_dividend": (
        (
            "INSERT INTO corporate_actions (symbol, kind, ex_date, seq, amount, provider_text) "
            f"VALUES ('IBM', 'dividend', '{DAY}', 0, 40, '40')"
        ),
        "UPDATE corporate_actions SET amount = 0.4",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(name: str, store: Store, market: Market):
    """Of a sound series nothing is told; the fault is found by its check alone, and resolved when it is mended."""
    save_bars(store, sound())
    assert look(store) == []
    fault, mended = PLANTED[name]
    market.query(fault)
    found = look(store)
    assert names(found) == {name}
    assert {each.symbol for each in found} == {"XNYS" if name == "lost_session" else "IBM"}
    if mended:
        market.query(mended)
        assert names(look(store)) == set()


def test_each_check_has_its_fault():
    """Every check is among those that faults are planted for."""
    by_hand = {"factor_not_positive", "adjustment_finding", "quote_differs_from_bar", "restated", "stale"}
    assert {check.name for check in all_checks()} == PLANTED.keys() | by_hand


def test_a_factor_is_not_positive(store: Store, market: Market):
    """A factor, or a split's ratio, that is zero is found wherever it is."""
    save_bars(store, sound())
    market.query("ALTER TABLE adjustment_factors DROP CONSTRAINT adjustment_factors_factors")
    market.query("ALTER TABLE corporate_actions DROP CONSTRAINT corporate_actions_kind")
    store.save({corporate_actions.ACTIONS: [split(DAY, 1)]})
    market.query("UPDATE adjustment_factors SET split_factor = 0")
    market.query("UPDATE corporate_actions SET numerator = 0")
    found = look(store)
    assert names(found) == {"factor_not_positive"}
    assert {each.session for each in found} == {date(1900, 1, 1), DAY}


def test_the_adjustment_told_something(store: Store):
    """What the computation of factors found odd is a finding as long as it finds it."""
    save_bars(store, sound())
    store.save({corporate_actions.ACTIONS: [dividend(DAY, "500")]})
    (found,) = look(store)
    assert (found.check_name, found.session) == ("adjustment_finding", DAY)
    assert found.message.startswith("dividend_not_below_close: a dividend of 500")
    store.save({corporate_actions.ACTIONS: [dividend(DAY, "0.5")]})
    assert look(store) == []


@pytest.mark.parametrize(("price", "hour", "expected"), [("146", 21, True), ("145.6", 21, False), ("146", 19, False)])
def test_quote_and_bar_disagree(store: Store, price: str, hour: int, expected: bool):
    """Half a percent between a quote and its session's bar is told, unless the quote was taken before the close."""
    save_bars(store, sound())
    save_quotes(store, [last_quote(price=Decimal(price), data_timestamp=datetime(2026, 10, 5, hour, tzinfo=UTC))])
    assert names(look(store)) == ({"quote_differs_from_bar"} if expected else set())


@pytest.mark.parametrize(
    ("change", "hours", "expected"),
    [
        ("close_price * 1.0002", 40, True),
        ("close_price * 1.00005", 40, False),
        ("volume * 1.006", 40, True),
        ("volume * 1.004", 40, False),
        ("close_price * 1.0002", 30, False),
    ],
)
def test_a_final_bar_is_restated(store: Store, market: Market, change: str, hours: int, expected: bool):
    """What changes after a day was final is told, and forgotten when the former value comes back."""
    save_bars(store, sound(volume=1_000_000))
    column, factor = change.split(" * ")
    market.query(f"UPDATE daily_bars SET {column} = {change} {AT_DAY}")
    replaced_at = datetime.combine(DAY, datetime.min.time(), UTC) + timedelta(hours=hours)
    market.query("UPDATE bar_revisions SET replaced_at = %s", replaced_at)
    assert {each.check_name for each in look(store)} == ({"restated"} if expected else set())
    if hours == 40:
        market.query(f"UPDATE daily_bars SET {column} = {column} / {factor} {AT_DAY}")
        assert look(store) == []


def test_a_final_quote_is_restated(store: Store, market: Market):
    """A quote that changes after its day was final is told as a bar is."""
    save_quotes(store, [last_quote(data_timestamp=NOW)])
    save_quotes(store, [last_quote(volume=7_000_000, data_timestamp=NOW + timedelta(days=1))])
    market.query("UPDATE quote_revisions SET replaced_at = '2026-10-07'")
    (found,) = look(store)
    assert found.check_name == "restated"
    assert found.message.startswith("quote: close 145 and volume 6318079 became 145 and 7000000")


def test_a_symbol_goes_stale(store: Store):
    """With the third session that it lacks a symbol is stale, though no row of it changed, until it has a new one."""
    save_bars(store, sound())
    save_quotes(store, [last_quote()])
    assert look(store) == []

    def stale_at(moment: datetime) -> set[str]:
        store.quality.check_stale([Symbol("IBM"), Symbol("IBM.XYZ")], moment)
        return {f"{each.check_name}: {each.message}" for each in look(store, moment)}

    assert stale_at(NOW + timedelta(days=2)) == set()
    assert stale_at(NOW + timedelta(days=3)) == {
        f"stale: the newest bar and quote is of {SESSIONS[-1]}, three sessions of XNYS or more behind"
    }
    save_bars(store, [replace(sound()[-1], session=date(2026, 10, 8))])
    save_quotes(store, [last_quote(day=date(2026, 10, 8))])
    assert stale_at(NOW + timedelta(days=3)) == set()
