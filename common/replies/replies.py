"""The table ``raw_replies``: the same bytes in answer to the same request are one row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from psycopg2.extensions import cursor as Cursor

from common.database.pool import Connections
from common.database.queries import statement
from common.database.rows import aware
from common.replies.raw_reply import RawReply, pack, unpack
from common.values import Symbol


@dataclass(frozen=True, slots=True)
class KeptReply:
    """A reply that was kept. ``received_at`` is when it first came, ``last_seen_at`` when it last did; both aware."""

    id: int
    dataset: str
    function: str
    params: Mapping[str, str]
    symbol: Symbol | None
    received_at: datetime
    last_seen_at: datetime
    text: str


class Replies:
    """The rows of ``raw_replies``. Thread-safe; each method is one transaction.

    ``kept``: whether replies are written at all.
    """

    def __init__(self, connections: Connections, *, kept: bool) -> None:
        self._connections = connections
        self._kept = kept

    def keep(self, replies: Sequence[RawReply]) -> None:
        """Keep replies; of one that is there already only the time moves.

        This does not wait for the disk: whatever is stored after it does, and makes it durable, too.
        """

        def write(cursor: Cursor) -> None:
            cursor.execute(statement("commit_at_once"))
            self.write(cursor, replies)

        if self._kept and replies:
            self._connections.run(write)

    def write(self, cursor: Cursor, replies: Sequence[RawReply]) -> list[int]:
        """Keep replies within a transaction of the caller's; return their ids, none where none is kept."""
        if not (self._kept and replies):
            return []
        rows = {(row["function"], row["params"], row["sha256"]): row for row in map(_row_of, replies)}
        columns = {name: [row[name] for row in rows.values()] for name in next(iter(rows.values()))}
        cursor.execute(statement("keep_replies"), columns)
        return [number for (number,) in cursor.fetchall()]

    def of(self, dataset: str, symbol: Symbol, limit: int = 10) -> list[KeptReply]:
        """Return the replies to requests for this symbol alone, the newest first."""
        asked = {"dataset": dataset, "symbol": symbol, "row_limit": limit}
        return list(map(_read, self._connections.query("replies_of", asked)))

    def get(self, reply_id: int) -> KeptReply | None:
        """Return one reply, or None if it is not kept any more."""
        rows = self._connections.query("reply", {"id": reply_id})
        return _read(rows[0]) if rows else None

    def groups(self, datasets: Sequence[str]) -> list[Symbol | None]:
        """Return the symbols that replies of the datasets are about; None stands for what many symbols share."""
        rows = self._connections.query("groups_of_replies", {"datasets": list(datasets)})
        return [None if symbol is None else Symbol(symbol) for (symbol,) in rows]

    def ids(
        self,
        datasets: Sequence[str],
        symbol: Symbol | None,
        *,
        since: datetime | None,
        without: Sequence[str],
    ) -> list[int]:
        """Return which replies of the datasets are about the symbol, or about many (None), the last to come first.

        Without those that came last before ``since``, and those that quarantine has with one of these reasons.
        """
        asked = {"datasets": list(datasets), "symbol": symbol, "since": since, "without": list(without)}
        return [number for (number,) in self._connections.query("ids_of_replies", asked)]


def _row_of(reply: RawReply) -> dict[str, Any]:
    data = reply.data
    return {
        "dataset": reply.dataset,
        "function": reply.request.function,
        "params": reply.params,
        "symbol": reply.symbol,
        "received_at": aware(reply.received_at),
        "sha256": sha256(data).digest(),
        "size": len(data),
        "body": pack(data),
    }


def _read(row: tuple[Any, ...]) -> KeptReply:
    """Build a kept reply from a row of ``reply``."""
    number, dataset, function, params, symbol, received_at, last_seen_at, body = row
    known = None if symbol is None else Symbol(symbol)
    return KeptReply(number, dataset, function, params, known, received_at, last_seen_at, unpack(body))
