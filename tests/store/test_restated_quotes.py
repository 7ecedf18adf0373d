"""Restated quotes: the values of a day that was over are kept with the reply, and can be asked for as they stood."""

from contextlib import closing
from dataclasses import replace
from datetime import datetime, time, timedelta
from decimal import Decimal

import psycopg2
import pytest

from common.datasets import DATASETS
from common.datasets.bulk_quotes import BULK
from common.provider import Request
from common.replies import RawReply
from common.store import Store
from common.values import Quote, Symbol
from tests.support.market import Market
from tests.support.rows import MONDAY, NOON, quote, save_quotes

REVISIONS = "SELECT symbol, latest_trading_day, price, volume FROM quote_revisions ORDER BY replaced_at"
CLOSED = datetime.combine(MONDAY, time(21), NOON.tzinfo)


def said(at: datetime, price: str = "221.58", volume: int = 6_318_079, **changes) -> Quote:
    """A quote whose reply came at that time."""
    return replace(quote(**changes), data_timestamp=at, price=Decimal(price), volume=volume)


def prices(market: Market, at: object) -> list[tuple]:
    return market.query("SELECT symbol, price FROM latest_quotes_as_of(%s) ORDER BY symbol", at)


def now(market: Market) -> object:
    ((moment,),) = market.query("SELECT clock_timestamp()")
    return moment


def test_a_restated_quote_is_kept(store: Store, market: Market):
    """Each time that a quote of a day that was over changes, what was there is kept; the row holds the newest."""
    save_quotes(store, [said(CLOSED), said(CLOSED, symbol="AAPL")])
    save_quotes(store, [said(CLOSED + timedelta(hours=1), "221.60"), said(CLOSED + timedelta(hours=1), symbol="AAPL")])
    save_quotes(store, [said(CLOSED + timedelta(days=2), "221.59", 7)])
    assert market.query(REVISIONS) == [
        ("IBM", MONDAY, Decimal("221.58"), 6_318_079),
        ("IBM", MONDAY, Decimal("221.60"), 6_318_079),
    ]
    assert market.query("SELECT price, volume FROM latest_quotes WHERE symbol = 'IBM'") == [(Decimal("221.59"), 7)]


def test_running_session_leaves_no_revision(store: Store, market: Market):
    """What replaces a noon's quote, then or after the close, restates nothing: the day was not over."""
    for minutes in range(0, 60, 5):
        save_quotes(store, [said(NOON + timedelta(minutes=minutes), f"221.{minutes:02}")])
    save_quotes(store, [said(CLOSED - timedelta(seconds=1), "222")])
    save_quotes(store, [said(CLOSED + timedelta(days=1), "223")])
    assert market.query(REVISIONS) == []


def test_quotes_as_they_stood(store: Store, market: Market):
    """Asked for a time, quotes are the newest of then with the values of then, and none that came later."""
    before = now(market)
    friday = MONDAY - timedelta(days=3)
    save_quotes(store, [said(CLOSED - timedelta(days=3), "200", day=friday)])
    first = now(market)
    save_quotes(store, [said(NOON, "210")])
    running = now(market)
    save_quotes(store, [said(CLOSED, "220"), said(CLOSED, "9", symbol="AAPL")])
    second = now(market)
    save_quotes(store, [said(CLOSED + timedelta(days=2), "221")])
    assert prices(market, before) == []
    assert prices(market, first) == [("IBM", Decimal(200))]
    assert prices(market, running) == [("IBM", Decimal(200))]  # the noon's is not kept, and the evening's came later
    assert prices(market, second) == [("AAPL", Decimal(9)), ("IBM", Decimal(220))]
    assert prices(market, now(market)) == [("AAPL", Decimal(9)), ("IBM", Decimal(221))]


@pytest.mark.parametrize("shared", [False, True])
def test_the_reply_that_restated_it(store: Store, market: Market, shared: bool):
    """A revision names the very reply whose values replaced it, be it of the symbol alone or of many."""
    later = CLOSED + timedelta(hours=1)
    alone = DATASETS["quotes"].request(Symbol("IBM"))
    bulk = BULK["quotes"].request([Symbol("IBM"), Symbol("AAPL")])
    save_quotes(store, [said(CLOSED)])
    store.replies.keep([reply(alone, CLOSED, "first"), reply(bulk if shared else alone, later, "second")])
    save_quotes(store, [said(later, "221.60")])
    found = "SELECT received_at, symbol FROM raw_replies WHERE id IN (SELECT reply_id FROM quote_revisions)"
    assert market.query(found) == [(later, None if shared else "IBM")]


def reply(request: Request, at: datetime, text: str) -> RawReply:
    return RawReply(request, None if "BULK" in request.function else Symbol("IBM"), text, at, "quotes")


def test_workers_change_no_revision(store: Store, market: Market):
    """Workers add revisions and change none; a reader may ask for quotes as they stood."""
    save_quotes(store, [said(CLOSED)])
    save_quotes(store, [said(CLOSED + timedelta(hours=1), "221.60")])
    with (
        closing(market.connect(market.dsn())) as session,
        session.cursor() as cursor,
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
    ):
        cursor.execute("UPDATE quote_revisions SET volume = 1")
    with closing(market.connect(market.reader)) as session, session.cursor() as cursor:
        cursor.execute("SELECT price FROM latest_quotes_as_of(now())")
        assert cursor.fetchall() == [(Decimal("221.60"),)]


def test_as_of_finds_by_key(market: Market):
    """Each symbol's quote and revision of a time are found by their keys."""
    market.query("SET enable_seqscan = off")  # the tables are empty here
    plan = "\n".join(line for (line,) in market.query("EXPLAIN SELECT * FROM latest_quotes_as_of(now())"))
    assert "Function Scan" not in plan
    assert plan.count("stock_quotes_key") >= 2
    assert "quote_revisions_pkey" in plan
