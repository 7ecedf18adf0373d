"""A symbol's chart and comparisons: what is adjusted, marked, missing, open, and how far back a range goes."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from common.datasets.corporate_actions import ACTIONS
from common.values import Symbol
from plugins.market.freshness import Calendars
from tests.page.conftest import get
from tests.support.actions import dividend, split
from tests.support.rows import MONDAY, bar, outcome, quote, save_bars, save_quotes

THURSDAY, FRIDAY = date(2026, 10, 1), date(2026, 10, 2)


def close(day: date, price: int | Decimal, symbol: str = "IBM"):
    """A bar whose four prices are the same."""
    same = dict.fromkeys(("open_price", "high_price", "low_price", "close_price"), Decimal(price))
    return bar(symbol, session=day, volume=100, **same)


@pytest.fixture
def halved(store):
    """A share of 100, halved on Friday, which pays 5 on Monday."""
    save_bars(store, [close(THURSDAY, 100), close(FRIDAY, 50), close(MONDAY, 45)])
    store.save({ACTIONS: [split(FRIDAY, 2), dividend(MONDAY, "5")]})


@pytest.mark.parametrize(
    ("mode", "closes", "volumes"),
    [
        ("raw", [100, 50, 45], [100] * 3),
        ("split", [50, 50, 45], [200, 100, 100]),
        ("total", [45, 45, 45], [200, 100, 100]),
    ],
)
def test_each_mode(browser, halved, mode, closes, volumes):
    """As traded, in today's shares, and as if the dividend had been put back."""
    chart = get(browser, "/api/bars/IBM", mode=mode)
    assert (chart["c"], chart["v"], chart["adjusted"]) == (closes, volumes, True)


def test_splits_and_dividends_are_marked(browser, halved):
    """Each at its day, with what it was."""
    events = get(browser, "/api/bars/ibm")["events"]
    assert events == [
        {"t": "2026-10-02", "type": "split", "text": "2:1", "value": 2},
        {"t": "2026-10-05", "type": "dividend", "text": "5", "value": 5},
    ]


def test_small_charts_know_splits(browser, halved):
    """The closes of a small chart are in today's shares."""
    assert get(browser, "/api/sparks", symbols="IBM")["sparks"]["IBM"]["closes"] == [50, 50, 45]


def test_ranges_end_with_the_newest(browser, store):
    """A delisted symbol has its last year too."""
    days = [date(2015, 1, 5) + timedelta(days=30 * number) for number in range(30)]
    save_bars(store, [close(day, 10) for day in days])
    counts = {
        span: len(get(browser, "/api/bars/IBM", range=span)["t"]) for span in ("1m", "3m", "ytd", "1y", "5y", "all")
    }
    assert counts == {"1m": 2, "3m": 4, "ytd": 5, "1y": 13, "5y": 30, "all": 30}


def test_gaps_and_a_name(browser, store, market, halved):
    """Gaps that reach into the range, each with its state, and the company's name, of any length, as text."""
    market.query("INSERT INTO bar_gaps VALUES ('IBM', '2026-09-29', '2026-09-30', 2, 'open', 0, NULL, now())")
    market.query(
        "INSERT INTO listings (symbol, name, exchange, asset_type, status, first_seen, last_seen) "
        "VALUES ('IBM', %s, 'NYSE', 'Stock', 'Active', now(), now())",
        "<b>" + "x" * 190,
    )
    chart = get(browser, "/api/bars/IBM")
    assert chart["gaps"] == [{"first": "2026-09-29", "last": "2026-09-30", "sessions": 2, "state": "open"}]
    assert chart["name"].startswith("<b>xx")


def test_a_day_that_is_open(browser, page, store, halved):
    """A quote of a session that is not complete stands at the end, and is said to be open."""
    tuesday = MONDAY + timedelta(days=1)
    closed = [(day, day_close(day)) for day in (FRIDAY, MONDAY)]
    page.calendars = Calendars(timedelta(), read=lambda year: {"XNYS": closed})
    page.calendars._sessions = {"XNYS": closed}
    save_quotes(store, [quote(day=tuesday)])
    chart = get(browser, "/api/bars/IBM")
    assert (chart["t"][-1], chart["open_day"], chart["expected"]) == ("2026-10-06", "2026-10-06", "2026-10-05")
    listed = get(browser, "/api/symbols")
    assert dict(zip(listed["columns"], listed["rows"][0], strict=True))["freshness"] == "fresh"


def day_close(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 20, tzinfo=UTC)


def test_comparing(browser, store, halved):
    """Gains since the first session that all have; who has none is named."""
    save_bars(store, [close(FRIDAY, 10, "AAPL"), close(MONDAY, 11, "AAPL")])
    compared = get(browser, "/api/compare", symbols="IBM,AAPL", mode="split")
    assert compared["from"] == "2026-10-02"
    assert [(series["symbol"], series["percent"]) for series in compared["series"]] == [
        ("IBM", [0, -10]),
        ("AAPL", [0, 10]),
    ]
    with_none = get(browser, "/api/compare", symbols="IBM,NOPE")
    assert [missing["symbol"] for missing in with_none["missing"]] == ["NOPE"]


def test_a_close_of_almost_nothing(browser, store):
    """Splits can make an old close nothing: its symbol alone is left out of a comparison, with a sentence."""
    save_bars(store, [close(day, Decimal("0.0001")) for day in (THURSDAY, FRIDAY, MONDAY)])
    save_bars(store, [close(THURSDAY, 10, "AAPL"), close(MONDAY, 11, "AAPL")])
    store.save({ACTIONS: [split(FRIDAY, 10_000), split(MONDAY, 10_000)]})
    compared = get(browser, "/api/compare", symbols="IBM,AAPL", mode="split")
    assert [(series["symbol"], series["percent"]) for series in compared["series"]] == [("AAPL", [0, 10])]
    ((symbol, why),) = [missing.values() for missing in compared["missing"]]
    assert (symbol, "its adjusted close of 2026-10-01 rounds to 0" in why) == ("IBM", True)
    listed = get(browser, "/api/symbols", q="IBM")
    row = dict(zip(listed["columns"], listed["rows"][0], strict=True))
    assert (row["price"], row["change_percent"]) == (0.0001, None)


def test_no_session_in_common(browser, store):
    """Where two symbols were never traded on the same day, both are named with the reason."""
    save_bars(store, [close(FRIDAY, 10, "AAPL"), close(MONDAY, 11, "IBM")])
    compared = get(browser, "/api/compare", symbols="IBM,AAPL")
    assert (compared["from"], compared["series"]) == (None, [])
    assert {missing["why"] for missing in compared["missing"]} == {
        "the symbols have no session in common in this range"
    }


def test_a_symbol_without_bars(browser, store):
    """A symbol that a run knows and nothing is stored of has an empty chart; one that nobody knows has none."""
    store.save({}, [outcome("NEW")])
    assert get(browser, "/api/bars/NEW")["t"] == []
    assert browser.get(f"/api/bars/{Symbol('UNHEARD')}").status_code == 404
