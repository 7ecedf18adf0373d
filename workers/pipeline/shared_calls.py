"""Which symbols share a call, and how many calls that makes."""

from collections.abc import Sequence

from common.datasets.dataset import Bulk
from common.values import Symbol


def share_calls(symbols: Sequence[Symbol], bulk: Bulk | None) -> list[Sequence[Symbol]]:
    """Return those of the symbols that can share calls, as many for each as it takes, in their order.

    One that would be alone in it is left out: a call for it alone says more.
    """
    if bulk is None:
        return []
    covered = [symbol for symbol in symbols if bulk.covers(symbol)]
    chunks = [covered[first : first + bulk.size] for first in range(0, len(covered), bulk.size)]
    return [chunk for chunk in chunks if len(chunk) > 1]


def calls_up_to(symbols: Sequence[Symbol], bulk: Bulk | None) -> list[int]:
    """Return for each of the symbols, asked for in this order, how many calls it takes until it is reached."""
    calls, in_bulk = 0, 0
    reached = []
    for symbol in symbols:
        shares = bulk is not None and bulk.covers(symbol)
        calls += not (bulk and shares and in_bulk % bulk.size)
        in_bulk += shares
        reached.append(calls)
    return reached


def calls_of(symbols: Sequence[Symbol], batch_size: int, bulk: Bulk | None) -> int:
    """Return how many calls the symbols cost if each is served at once: in batches of that size, which share none."""
    batches = (symbols[first : first + batch_size] for first in range(0, len(symbols), batch_size))
    shared = [chunk for batch in batches for chunk in share_calls(batch, bulk)]
    return len(symbols) - sum(map(len, shared)) + len(shared)
