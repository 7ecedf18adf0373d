"""Whether a new list is believed, and what it changes: pure.

A list that was cut, or a mistake of the provider's, would silently end the history of thousands of symbols.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from common.errors import ListShrank
from common.universe.listing_filter import ListingFilter
from common.universe.listings import Listing

#: A universe that lost this share of its symbols since the last list is not believed. In half a year a recorded list
#: lost 4 %.
MOST_LOST: Final = Fraction(1, 10)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a list changed, in symbols: how many are on it, new on it, gone from it, and there with another line."""

    listed: int
    new: int
    gone: int
    changed: int

    def __str__(self) -> str:
        return f"{self.listed:,} symbols are listed: {self.new:,} new, {self.gone:,} gone, {self.changed:,} changed"


def refuse_shrunk(before: Sequence[Listing], after: Sequence[Listing], universes: Iterable[ListingFilter]) -> None:
    """Raise ListShrank where one of the universes is a tenth smaller, or more, by the list ``after``."""
    for universe in universes:
        had, has = len(universe.symbols(before)), len(universe.symbols(after))
        if had and had - has >= had * MOST_LOST:
            raise ListShrank(
                f"The new list has {has} symbols for {universe}, and the one before has {had}: {1 - has / had:.0%} "
                "fewer, which looks like a mistake, so nothing is changed. If it is right, accept it: run "
                "python -m workers.fetch_and_store --listings --accept, or trigger stock_universe with accept.",
                had=had,
                has=has,
            )


def compare(before: Iterable[Listing], after: Iterable[Listing]) -> Changes:
    """Return what becomes different, by symbol."""
    old, new = set(before), set(after)
    had, has = {each.symbol for each in old}, {each.symbol for each in new}
    differ = {each.symbol for each in old ^ new}
    return Changes(listed=len(has), new=len(has - had), gone=len(had - has), changed=len(differ & had & has))
