"""What a pass has still to do, in the plan's order: first the symbols that share calls, then those that are alone.

A permit that brings a hundred symbols comes before one that brings one. Not thread-safe: its owner locks.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice

from common.values import Symbol
from workers.pipeline.claims import Claims


class WorkQueue:
    """The symbols of ``claims``: each is taken up once it is sure that it is still due.

    ``together``: those that share calls. ``size`` of the others are looked up at once.
    """

    def __init__(self, claims: Claims, together: Iterable[Sequence[Symbol]], size: int) -> None:
        self._claims = claims
        self._size = size
        self._together = deque(together)
        shared = {symbol for symbols in self._together for symbol in symbols}
        self._waiting = deque(symbol for symbol in claims.symbols if symbol not in shared)
        self._started: deque[Symbol] = deque()  # they are still to be done, and no thread has them yet

    def take(self, *, share: bool) -> Sequence[Symbol]:
        """Return what the next call is for, if it may be shared one that is; nothing if there is none.

        Raises ClaimLost or StoreUnavailable.
        """
        while share and self._together:
            due = self._claims.still_due(self._together[0])
            self._together.popleft()
            if due:
                return due
        while self._waiting and not self._started:
            following = list(islice(self._waiting, self._size))
            self._started.extend(self._claims.still_due(following))
            for _ in following:
                self._waiting.popleft()
        return [self._started.popleft()] if self._started else []

    def put_back(self, symbols: Sequence[Symbol]) -> None:
        """Let what was taken be the next again."""
        if len(symbols) > 1:
            self._together.appendleft(symbols)
        else:
            self._started.extendleft(symbols)

    def ask_alone(self, symbols: Iterable[Symbol]) -> None:
        """Let symbols that were taken together go on each alone."""
        self._started.extend(symbols)

    def share_no_calls(self) -> None:
        """Let every symbol go on alone."""
        self._waiting.extendleft(reversed([symbol for symbols in self._together for symbol in symbols]))
        self._together.clear()

    @property
    def left(self) -> list[Symbol]:
        """What nobody has taken."""
        return [*(symbol for symbols in self._together for symbol in symbols), *self._started, *self._waiting]
