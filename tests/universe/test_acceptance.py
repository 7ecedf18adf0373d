"""Which lists are believed, and what they change."""

from dataclasses import replace

import pytest

from common.errors import ListShrank
from common.universe.acceptance import Changes, compare, refuse_shrunk
from common.universe.listing_filter import ListingFilter
from common.universe.listings import Listing
from common.values import Symbol
from tests.universe.test_listing_filter import listing

NYSE = ListingFilter(("NYSE",))


def listed(count: int, exchange: str = "NASDAQ") -> list[Listing]:
    return [listing(f"{exchange}{number}", exchange) for number in range(count)]


@pytest.mark.parametrize(("before", "after"), [(0, 0), (0, 5), (100, 91), (100, 200), (13_411, 12_070)])
def test_a_list_is_believed(before: int, after: int):
    """A first list, a longer one, and one that lost less than a tenth."""
    refuse_shrunk(listed(before), listed(after), [ListingFilter()])


@pytest.mark.parametrize(("before", "after"), [(100, 90), (30, 27), (5, 4), (1, 0), (13_411, 12_069)])
def test_a_shrunk_list_is_refused(before: int, after: int):
    """One that lost a tenth or more is refused with both counts and the remedy."""
    with pytest.raises(ListShrank, match=rf"has {after} symbols for listing:all.* {before}: .*--accept") as raised:
        refuse_shrunk(listed(before), listed(after), [ListingFilter()])
    assert (raised.value.had, raised.value.has) == (before, after)


def test_the_chosen_universe_counts_too():
    """A list that is as long as ever, but for the exchange that is asked for, is refused for that."""
    before, after = listed(1000) + listed(20, "NYSE"), listed(1000) + listed(10, "NYSE")
    refuse_shrunk(before, after, [ListingFilter()])
    with pytest.raises(ListShrank, match=r"10 symbols for listing:NYSE, and the one before has 20: 50% fewer"):
        refuse_shrunk(before, after, [ListingFilter(), NYSE])


def test_what_a_list_changes():
    """A symbol is new, gone, or there with another line; two lines of one ticker are one symbol."""
    before = [listing("A"), listing("B"), listing("C"), replace(listing("C"), name="Older")]
    after = [listing("A"), replace(listing("B"), exchange="NYSE"), listing("C"), listing("D"), listing("E")]
    assert compare(before, after) == Changes(listed=5, new=2, gone=0, changed=2)
    assert compare(after, [listing("E")]) == Changes(listed=1, new=0, gone=4, changed=0)
    assert {each.symbol for each in before} == set(map(Symbol, "ABC"))
