"""The log of every request, in memory and, if wished, appended to a file of JSON lines.

An entry names the key by a digest, never the key itself. Memory holds the newest entries only; the file holds all.
"""

import asyncio
import json
from collections import deque
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple, TextIO

#: How many entries are kept in memory: about 40 MB.
CAPACITY: Final = 200_000
FLUSH_EVERY_S: Final = 0.25


class Entry(NamedTuple):
    """One request. ``at`` is the arrival in monotonic seconds, ``wall`` in seconds since the epoch.

    ``verdict`` is ``served``, ``refused:<why>`` or ``fault:<which>``; ``counted`` says that it used the quota.
    """

    id: int
    at: float
    wall: float
    key: str
    function: str
    symbol: str
    verdict: str
    counted: bool


@lru_cache(maxsize=10_000)
def digest(key: str) -> str:
    """Return a short name for a key that does not tell it; '' for no key."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:12] if key else ""


class RequestLog:
    """The entries, numbered from 1. Writing costs an append; the file is written by ``keep_flushing``."""

    def __init__(self, path: Path | None = None, capacity: int = CAPACITY) -> None:
        self._entries: deque[Entry] = deque(maxlen=capacity)
        self._unwritten: list[Entry] = []
        self._file: TextIO | None = path.open("a", encoding="utf-8") if path else None
        self.last_id = 0

    def add(self, at: float, wall: float, *, key: str, function: str, symbol: str, verdict: str, counted: bool) -> None:
        """Record a request that arrived at ``at`` on the monotonic clock and at ``wall`` on the wall's."""
        self.last_id += 1
        entry = Entry(self.last_id, at, wall, digest(key), function[:64], symbol[:64], verdict, counted)
        self._entries.append(entry)
        if self._file:
            self._unwritten.append(entry)

    def since(self, last_id: int = 0, limit: int | None = None) -> list[Entry]:
        """Return the entries after ``last_id``, oldest first, that memory still holds."""
        first = self._entries[0].id if self._entries else 1
        return list(islice(self._entries, max(0, last_id + 1 - first), None))[:limit]

    @property
    def dropped(self) -> int:
        """How many entries memory no longer holds."""
        return self._entries[0].id - 1 if self._entries else self.last_id

    def forget(self) -> None:
        """Empty the memory; the numbers go on, so that a reader's ``since`` stays good."""
        self._entries.clear()

    def flush(self) -> None:
        """Write what the file lacks."""
        if self._file and self._unwritten:
            lines, self._unwritten = self._unwritten, []
            self._file.writelines(f"{json.dumps(entry._asdict())}\n" for entry in lines)
            self._file.flush()

    async def keep_flushing(self) -> None:
        """Flush again and again until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            self.flush()

    def close(self) -> None:
        """Write the rest and close the file."""
        self.flush()
        if self._file:
            self._file.close()
            self._file = None


def read_log(lines: Iterable[str]) -> Iterator[Entry]:
    """Read a log file's lines back."""
    return (Entry(**json.loads(line)) for line in lines)
