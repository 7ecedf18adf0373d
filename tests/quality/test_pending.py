"""What changes is noted for the checks, by the database itself."""

from datetime import date, timedelta

from common.datasets import corporate_actions
from common.store import Store
from tests.support.actions import split
from tests.support.market import Market
from tests.support.rows import MONDAY, bar, quote, save_bars, save_quotes

PENDING = "SELECT symbol, first_session, last_session FROM quality_pending ORDER BY symbol"


def test_every_change_is_noted(store: Store, market: Market):
    """Bars, quotes and actions widen what is to be looked at of their symbol; an equal row notes nothing."""
    rows = [bar(session=MONDAY - timedelta(days=days)) for days in (3, 1)]
    save_bars(store, [*rows, bar("MSFT")])
    save_quotes(store, [quote()])
    store.save({corporate_actions.ACTIONS: [split(date(2020, 1, 2), 2)]})
    assert market.query(PENDING) == [("IBM", date(2020, 1, 2), MONDAY), ("MSFT", MONDAY, MONDAY)]
    market.query("TRUNCATE quality_pending")
    save_bars(store, rows)
    assert market.query(PENDING) == []
    save_bars(store, [bar(session=MONDAY - timedelta(days=3), volume=1)])
    assert market.query(PENDING) == [("IBM", MONDAY - timedelta(days=3), MONDAY - timedelta(days=3))]


def test_what_is_taken_back_is_not(store: Store, market: Market):
    """A transaction that fails notes nothing."""
    session = market.connect(market.dsn())
    session.autocommit = False
    with session.cursor() as cursor:
        cursor.execute("INSERT INTO daily_bars VALUES ('IBM', '2026-10-05', 1, 1, 1, 1, 1)")
    session.rollback()
    session.close()
    assert market.query(PENDING) == []
