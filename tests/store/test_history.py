"""Whole histories of bars: copied where a symbol has none, and told apart as any other rows where it has some."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from decimal import Decimal

import pytest

from common.datasets import daily_bars
from common.errors import RowRefused
from common.store import Store
from common.values import DailyBar, UpsertCounts
from tests.support.rows import MONDAY, RUN, bar, outcome, save_bars
from tests.support.servers import wait_until

ROWS = 1000


def history(symbol: str = "IBM", rows: int = ROWS, **changes) -> list[DailyBar]:
    """Bars as the provider sends them, newest first; the adjusted columns differ from row to row, or are null."""
    return [
        bar(
            symbol,
            session=MONDAY - timedelta(days=back),
            **{"dividend_amount": Decimal(back) if back % 2 else None, **changes},
        )
        for back in range(rows)
    ]


def stored(market):
    columns = ", ".join(daily_bars.TABLE.columns)
    return market.query(f"SELECT {columns} FROM daily_bars ORDER BY symbol, session DESC")


def test_a_new_history_is_copied(store, market):
    """Every value arrives as an upsert would have stored it, and the counts and the ledger say so."""
    assert store.save({daily_bars.TABLE: history()}, [outcome()]) == UpsertCounts(inserted=ROWS)
    copied = stored(market)
    assert [line.reason for line in store.ledger.outcomes(RUN)] == ["inserted"]
    market.query("TRUNCATE daily_bars")
    for start in range(0, ROWS, 100):
        save_bars(store, history()[start : start + 100])
    assert stored(market) == copied
    assert market.query("SELECT count(*) FROM daily_bars WHERE updated_at IS NULL") == [(0,)]
    assert market.violations() == []


def test_a_known_history_is_compared(store, market):
    """What is stored already is left as it is, and of a symbol with one bar the others are inserted."""
    save_bars(store, history())
    before = market.query("SELECT ctid::text, xmin::text FROM daily_bars ORDER BY session")
    assert save_bars(store, history()) == UpsertCounts(unchanged=ROWS)
    assert market.query("SELECT ctid::text, xmin::text FROM daily_bars ORDER BY session") == before
    save_bars(store, [bar("AAPL", volume=1)])
    mixed = [*history("AAPL"), *history("NEW"), *history(volume=7), *history("FEW", 3)]
    counts = UpsertCounts(inserted=2 * ROWS - 1 + 3, updated=1 + ROWS)
    assert store.save({daily_bars.TABLE: mixed}, [outcome("AAPL"), outcome("NEW"), outcome(), outcome("FEW")]) == counts
    reasons = {line.symbol: line.reason for line in store.ledger.outcomes(RUN)}
    assert reasons == {"AAPL": "inserted", "NEW": "inserted", "IBM": "updated", "FEW": "inserted"}


def test_two_workers_with_one_history(market_dsn, market):
    """Both store it at once, in opposite orders of their symbols: each row is stored once, and one of them says so."""
    barrier = threading.Barrier(2)

    def write(order: int) -> UpsertCounts:
        counts = UpsertCounts()
        with Store(market_dsn, pool_size=1) as store:
            for number in range(5):
                mine = [*history(f"A{number}"), *history(f"B{number}")][::order]
                barrier.wait()
                saved = store.save({daily_bars.TABLE: mine}, [outcome(f"A{number}", run_id=f"run{order}")])
                counts = UpsertCounts(counts.inserted + saved.inserted, 0, counts.unchanged + saved.unchanged)
        return counts

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(write, (1, -1))
    assert (first.inserted + second.inserted, first.unchanged + second.unchanged) == (10 * ROWS, 10 * ROWS)
    assert market.query("SELECT count(*), count(DISTINCT symbol) FROM daily_bars") == [(10 * ROWS, 10)]
    assert market.query("SELECT deadlocks FROM pg_stat_database WHERE datname = %s", market.database) == [(0,)]
    assert market.violations() == []


def test_row_that_comes_during_copy(store, market):
    """A bar that another transaction stores in the same moment is waited for, and then told apart by an upsert."""
    with closing(market.connect(market.admin)) as other, other.cursor() as cursor, ThreadPoolExecutor(1) as thread:
        cursor.execute("BEGIN")
        cursor.execute(
            "INSERT INTO daily_bars (symbol, session, open_price, high_price, low_price, close_price, volume) "
            "VALUES ('IBM', %s, 1, 1, 1, 1, 1)",
            [MONDAY - timedelta(days=500)],
        )
        saving = thread.submit(store.save, {daily_bars.TABLE: history()}, [outcome()])
        blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
        wait_until(lambda: market.query(blocked, market.database) == [(1,)], "the copy waits for the other's end", 5)
        cursor.execute("COMMIT")
        assert saving.result(30) == UpsertCounts(inserted=ROWS - 1, updated=1)
    assert len(stored(market)) == ROWS
    assert market.query("SELECT min(volume) FROM daily_bars") == [(bar().volume,)]


def test_refused_row_takes_its_history_along(store, market):
    """A copy that the table refuses leaves nothing, no ledger line either, and names the constraint."""
    with pytest.raises(RowRefused) as refused:
        store.save({daily_bars.TABLE: [*history(), bar("AAPL", volume=-1), *history("AAPL")[1:]]}, [outcome()])
    assert refused.value.constraint == "daily_bars_volume"
    assert stored(market) == []
    assert store.ledger.outcomes(RUN) == []
