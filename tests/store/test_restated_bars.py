"""Restated bars: the former values are kept, with the time and the reply, and can be asked for as they stood."""

from contextlib import closing
from datetime import timedelta
from decimal import Decimal

import psycopg2
import pytest

from common.datasets import DATASETS
from common.provider import Request
from common.replies import RawReply
from common.store import Store
from common.values import Symbol
from tests.support.actions import day
from tests.support.market import Market
from tests.support.rows import NOON, bar, save_bars

REVISIONS = "SELECT session, close_price, volume FROM bar_revisions ORDER BY symbol, session, replaced_at"


def close_of(market: Market, at: object) -> list[tuple]:
    return market.query("SELECT close_price FROM daily_bars_as_of(%s) WHERE symbol = 'IBM' ORDER BY session", at)


def now(market: Market) -> object:
    ((moment,),) = market.query("SELECT clock_timestamp()")
    return moment


def test_a_restated_bar_is_kept(store: Store, market: Market):
    """Each time that price or volume changes, what was there is kept; the bar holds the newest values."""
    save_bars(store, [bar(), bar(session=day(1))])
    save_bars(store, [bar(close_price=Decimal("221.59")), bar(session=day(1))])
    save_bars(store, [bar(close_price=Decimal("221.59"), volume=7)])
    first = bar()
    assert market.query(REVISIONS) == [
        (first.session, first.close_price, first.volume),
        (first.session, Decimal("221.59"), first.volume),
    ]
    assert market.query("SELECT close_price, volume FROM daily_bars ORDER BY session LIMIT 1") == [
        (Decimal("221.59"), 7)
    ]


def test_what_is_no_restatement(store: Store, market: Market):
    """The same bar again, and another adjusted close, which each dividend changes, leave no revision."""
    adjusted = {"dividend_amount": Decimal(0), "split_coefficient": Decimal(1)}
    save_bars(store, [bar(adjusted_close=Decimal(110), **adjusted)])
    save_bars(store, [bar(adjusted_close=Decimal(110), **adjusted)])
    save_bars(store, [bar(adjusted_close=Decimal(109), **adjusted)])
    assert market.query(REVISIONS) == []


def test_a_statement_restates_some(store: Store, market: Market):
    """Of the bars that a statement changes, those with another price or volume are kept, each as it was."""
    adjusted = {"dividend_amount": Decimal(0), "split_coefficient": Decimal(1)}
    names = [f"S{number}" for number in range(9)]
    save_bars(store, [bar(name, adjusted_close=Decimal(110), **adjusted) for name in names])
    save_bars(store, [bar(names[0], volume=7)])  # the plan of the session's first is kept for those that follow
    changed = [bar(name, adjusted_close=Decimal(109), **adjusted) for name in names[1:5]]
    changed += [bar(name, close_price=Decimal("221.590")) for name in names[5:]]
    save_bars(store, [*changed, bar("NEW")])
    kept = market.query("SELECT symbol, close_price, volume FROM bar_revisions ORDER BY symbol")
    assert kept == [(name, bar().close_price, bar().volume) for name in (names[0], *names[5:])]


def test_bars_as_they_stood(store: Store, market: Market):
    """Asked for a time, bars have the values of then, and those that came later are not there."""
    before = now(market)
    save_bars(store, [bar()])
    first = now(market)
    save_bars(store, [bar(close_price=Decimal("221.59")), bar(session=day(1))])
    second = now(market)
    save_bars(store, [bar(close_price=Decimal("221.60"))])
    assert close_of(market, before) == []
    assert close_of(market, first) == [(bar().close_price,)]
    assert close_of(market, second) == [(Decimal("221.59"),), (bar().close_price,)]
    assert close_of(market, now(market)) == [(Decimal("221.60"),), (bar().close_price,)]


def test_the_reply_that_restated_it(market_dsn, market: Market):
    """A revision names the daily series that came last for the symbol, and no other reply."""
    series, quotes = (DATASETS[name].request(Symbol("IBM")) for name in ("daily_bars", "quotes"))
    with Store(market_dsn) as store:
        save_bars(store, [bar()])
        store.replies.keep([reply(series, 0, "first"), reply(series, 1, "second"), reply(quotes, 2, "quote")])
        save_bars(store, [bar(volume=7)])
    found = market.query("SELECT received_at FROM raw_replies WHERE id IN (SELECT reply_id FROM bar_revisions)")
    assert found == [(NOON + timedelta(seconds=1),)]


def reply(request: Request, seconds: int, text: str) -> RawReply:
    return RawReply(request, Symbol("IBM"), text, NOON + timedelta(seconds=seconds), "daily_bars")


@pytest.mark.parametrize("statement", ["UPDATE bar_revisions SET volume = 1", "DELETE FROM bar_revisions"])
def test_nobody_rewrites_the_past(store: Store, market: Market, statement: str):
    """Workers add revisions and change none; a reader may ask for bars as they stood."""
    save_bars(store, [bar()])
    save_bars(store, [bar(volume=7)])
    with (
        closing(market.connect(market.dsn())) as session,
        session.cursor() as cursor,
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
    ):
        cursor.execute(statement)
    with closing(market.connect(market.reader)) as session, session.cursor() as cursor:
        cursor.execute("SELECT volume FROM daily_bars_as_of(now())")
        assert cursor.fetchall() == [(7,)]


def test_as_of_asks_by_key(market: Market):
    """For one symbol the bars and their revisions are found by their keys."""
    market.query("SET enable_seqscan = off")  # the tables are empty here
    plan = "\n".join(
        line for (line,) in market.query("EXPLAIN SELECT * FROM daily_bars_as_of(now()) WHERE symbol = 'IBM'")
    )
    assert "Function Scan" not in plan
    assert "(symbol)::text = 'IBM'" in plan.partition("daily_bars_pkey")[2].partition("Index Cond")[2]
    assert "bar_revisions_pkey" in plan
