"""The page's data, over ASGI from a real PostgreSQL."""

from datetime import date
from decimal import Decimal

from common.values import OutcomeStatus
from tests.page.conftest import get
from tests.support.rows import MONDAY, bar, outcome, quote, save_bars, save_quotes

FRIDAY = date(2026, 10, 2)


def test_the_list_of_symbols(browser, store):
    """A row for each symbol that has a quote, a bar or a plan: the newest price, and what became of it last."""
    for run in ("scheduled__1", "scheduled__2"):
        save_quotes(store, [quote("IBM")], [outcome("IBM", run_id=run)])
    save_bars(
        store, [bar("TSCO.LON", session=FRIDAY, close_price=Decimal(221)), bar("TSCO.LON", close_price=Decimal(222))]
    )
    store.save({}, [outcome("NOPE", OutcomeStatus.FAILED, reason="unknown_symbol")])
    listed = get(browser, "/api/symbols")
    rows = {row[0]: dict(zip(listed["columns"], row, strict=True)) for row in listed["rows"]}
    assert list(rows) == ["IBM", "NOPE", "TSCO.LON"]
    assert (rows["IBM"]["price"], rows["IBM"]["change_percent"], rows["IBM"]["state"]) == (221.58, -0.4761, "unchanged")
    assert (rows["NOPE"]["price"], rows["NOPE"]["reason"], rows["NOPE"]["freshness"]) == (
        None,
        "unknown_symbol",
        "never",
    )
    assert (rows["TSCO.LON"]["exchange"], rows["TSCO.LON"]["change"]) == ("XLON", 1)


def test_bars_of_a_symbol(browser, store):
    """Columns of the range, oldest first; the newest quote stands in for a bar that is not there yet."""
    save_bars(store, [bar(session=FRIDAY)])
    save_quotes(store, [quote(day=MONDAY)])
    chart = get(browser, "/api/bars/IBM", range="1m", mode="split")
    assert (chart["t"], chart["c"], chart["v"]) == (["2026-10-02", "2026-10-05"], [221.58, 221.58], [6_318_079] * 2)
    assert (chart["unit"], chart["quote"]["session"], chart["adjusted"]) == ("USD", "2026-10-05", True)


def test_sparks(browser, store):
    """The newest closes of the symbols that have bars."""
    save_bars(store, [bar(session=FRIDAY), bar()])
    sparks = get(browser, "/api/sparks", symbols="IBM,AAPL")["sparks"]
    assert sparks == {"IBM": {"first": "2026-10-02", "last": "2026-10-05", "closes": [221.58, 221.58]}}
    assert get(browser, "/api/meta")["symbols"] == 1


def test_the_shell(browser):
    """A page is a shell without data, under a strict policy."""
    answer = browser.get("/s/BC/PB?range=5y")
    assert 'data-symbol="BC/PB"' in answer.text
    assert "script-src 'self'" in answer.headers["content-security-policy"]
