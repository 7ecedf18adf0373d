"""The lists of companies in PostgreSQL: the last one, and what those before it said."""

import threading
from dataclasses import replace
from datetime import date

import pytest

from common.errors import ListShrank
from common.store import Store
from common.universe.acceptance import Changes
from common.universe.listings import Listing
from common.values import Symbol
from tests.support.market import Market

OLD = Listing(Symbol("ULTI"), "The Ultimate Software Group Inc", "NASDAQ", "Stock", date(1998, 6, 17), None, "Active")
NEW = replace(OLD, name="Income ETF", ipo_date=date(2025, 10, 31))
IBM = Listing(Symbol("IBM"), "", "NYSE", "Stock", None, None, "Active")


def accept(*_: object) -> None:
    """Believe every list."""


def replaced(store: Store, *listings: Listing) -> Changes:
    return store.listings.replace(listings, "Active", accept)


def history(market: Market, symbol: str) -> list[tuple]:
    return market.query(
        "SELECT name, unlisted_at IS NULL, first_seen, last_seen FROM listings WHERE symbol = %s ORDER BY id", symbol
    )


def test_a_list_comes_back(store: Store):
    """What is stored is read as the same values, in the order of the symbols; none is there at first."""
    assert (store.listings.listed(), store.listings.seen_at()) == ([], None)
    assert replaced(store, OLD, IBM) == Changes(listed=2, new=2, gone=0, changed=0)
    assert store.listings.listed() == [IBM, OLD]
    assert store.listings.seen_at() is not None


def test_a_reused_ticker_keeps_its_history(store: Store, market: Market):
    """What a ticker stood for before stays, with the time until which it did; the same line again moves a time only."""
    replaced(store, OLD, IBM)
    assert replaced(store, NEW, IBM) == Changes(listed=2, new=0, gone=0, changed=1)
    assert store.listings.listed() == [IBM, NEW]
    (old, new), (ibm,) = history(market, "ULTI"), history(market, "IBM")
    assert [(old[0], old[1]), (new[0], new[1])] == [(OLD.name, False), (NEW.name, True)]
    assert old[2] == old[3] < new[2] == ibm[3]
    assert ibm[2] == old[2]


def test_symbol_comes_back_on_list(store: Store, market: Market):
    """One that was gone for a while has a row for each time."""
    for listings in ([OLD, IBM], [IBM], [OLD, IBM]):
        replaced(store, *listings)
    assert [current for _, current, *_ in history(market, "ULTI")] == [False, True]
    assert market.violations() == []
    assert len(store.listings.listed()) == 2


def test_a_refused_list_changes_nothing(store: Store, market: Market):
    """Where the check raises, the list before is as it was."""

    def refuse(before: object, after: object) -> None:
        assert (before, after) == ([IBM, OLD], [IBM])
        raise ListShrank("half of it is gone", had=2, has=1)

    replaced(store, OLD, IBM)
    before = market.query("SELECT *, xmin FROM listings ORDER BY id")
    with pytest.raises(ListShrank):
        store.listings.replace([IBM], "Active", refuse)
    assert market.query("SELECT *, xmin FROM listings ORDER BY id") == before


def test_the_delisted_are_a_list_apart(store: Store):
    """A list of the delisted takes nothing off the list of the active."""
    gone = replace(OLD, status="Delisted", delisting_date=date(2019, 5, 6))
    again = replace(gone, delisting_date=date(2021, 5, 6))
    replaced(store, NEW, IBM)
    store.listings.replace([gone, again], "Delisted", accept)
    assert store.listings.listed() == [IBM, NEW]
    assert store.listings.listed("Delisted") == [gone, again]


def test_two_lists_at_once(store: Store, market: Market):
    """Of two that are stored at once the second sees the first, and no line stands twice."""
    both = threading.Barrier(2)

    def store_one(*listings: Listing) -> None:
        both.wait()
        replaced(store, *listings)

    threads = [threading.Thread(target=store_one, args=(IBM, listing)) for listing in (OLD, NEW)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.listings.listed()) == 2
    assert market.query("SELECT count(*) FROM listings WHERE symbol = 'IBM'") == [(1,)]
    assert market.violations() == []
