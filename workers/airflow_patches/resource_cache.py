"""What a process lends to its tasks: made for one task, or kept for the next ones where the process is kept."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """Anything that holds connections."""

    def close(self) -> None:
        """Close them; the object is not used again."""


T = TypeVar("T", bound=Closable)


class ResourceCache(Generic[T]):
    """Lends what ``make`` makes. Not for several threads: a process runs one task at a time.

    ``clean_exits``: exceptions by which a task ends, and that leave no connection in the middle of an exchange.
    """

    def __init__(self, make: Callable[[], T], *, clean_exits: tuple[type[BaseException], ...] = ()) -> None:
        self._make = make
        self._clean_exits = clean_exits
        self._keeps = False
        self._kept: T | None = None

    def keep(self) -> None:
        """From now on keep what a task gives back, for the next one: this process runs many."""
        self._keeps = True

    @contextmanager
    def lend(self) -> Iterator[T]:
        """Lend it to one task. After an error it is closed: a connection may be in the middle of an exchange."""
        lent, self._kept = self._kept or self._make(), None
        well = False
        try:
            yield lent
            well = True
        except self._clean_exits:
            well = True
            raise
        finally:
            if well and self._keeps:
                self._kept = lent
            else:
                lent.close()

    def close_idle(self) -> None:
        """Close what is kept; the next task gets a new one."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()
