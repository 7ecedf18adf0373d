"""The rows of ``quarantine``, each with its ledger line, and which of them a list or a replay means."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from psycopg2.extensions import cursor as Cursor

from common.database.pool import Connections
from common.database.queries import statement
from common.database.rows import MAX_REASON, MAX_SENTENCE, aware, storable
from common.ledger import OutcomeLedger
from common.replies import RawReply, Replies
from common.replies.raw_reply import unpack
from common.values import Outcome, OutcomeStatus, Rejection, Symbol

#: How many different replies of a busy provider a run keeps, of each reason: they all say "not now".
_SAMPLES: Final = 3
#: How many characters a person sees of a reply that is kept whole elsewhere.
_SHOWN: Final = 8_192
#: How many characters were kept at most before replies were kept whole.
_ONCE_KEPT: Final = 262_144
#: How many ids are asked for at once.
_STEP: Final = 500
#: The reasons with which what is kept is not what came, and what is kept instead.
NOT_WHOLE: Final[Mapping[str, str]] = {
    "too_large": "it was larger than such a reply can be, and only its beginning was kept",
    "not_decodable": "it could not be decoded, and only what stands before that was kept",
    "not_utf8": "its bytes are no UTF-8, and were kept as escapes",
}


@dataclass(frozen=True, slots=True)
class QuarantinedReply:
    """A refused reply as it is kept, for a replay: what was asked, why it was refused, and its redacted text.

    ``params`` are the request's, where the reply is among those that are kept whole (``reply_id``).
    """

    id: int
    run_id: str
    dataset: str
    symbol: Symbol
    payload: str
    function: str
    reason: str
    message: str
    received_at: datetime
    reply_id: int | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    replayed_at: datetime | None = None

    @property
    def not_whole(self) -> str:
        """Why the text is not what came; empty where it is."""
        return _not_whole(self.reason, None if self.reply_id else len(self.payload))


@dataclass(frozen=True, slots=True)
class Summary:
    """A refused reply in a list: all but its text."""

    id: int
    received_at: datetime
    dataset: str
    symbol: str
    reason: str
    message: str
    is_whole: bool
    replayed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which refused replies are meant; None stands for any."""

    dataset: str | None = None
    symbol: str | None = None
    reason: str | None = None
    since: datetime | None = None

    def values(self) -> dict[str, object]:
        """Return what the statements take."""
        return {"dataset": self.dataset, "symbol": self.symbol, "reason": self.reason, "since": self.since}


class Quarantine:
    """The rows of ``quarantine``. Thread-safe; each method is one transaction."""

    def __init__(self, connections: Connections, ledger: OutcomeLedger, replies: Replies) -> None:
        self._connections = connections
        self._ledger = ledger
        self._replies = replies

    def keep(self, outcome: Outcome, rejection: Rejection, reply: RawReply) -> int:
        """Keep a refused reply with its ledger line; return its id.

        It stands here as it began and whole among the replies; whole here where those are not kept, with U+FFFD for NUL
        and lone surrogates. The same reply again is the same row. Of what is not the symbol's (its outcome is
        ``failed``) a few samples of each reason are kept in a run, here alone: 0 stands for one that was not needed.
        """
        sampled = outcome.status is OutcomeStatus.FAILED
        row = {
            "run_id": outcome.run_id,
            "dataset": outcome.dataset,
            "symbol": outcome.symbol,
            "function": reply.request.function,
            "reason": storable(rejection.code, MAX_REASON),
            "message": storable(rejection.message, MAX_SENTENCE),
            "received_at": aware(reply.received_at),
            "samples": _SAMPLES if sampled else None,
        }

        def write(cursor: Cursor) -> int:
            reply_ids = [] if sampled else self._replies.write(cursor, [reply])
            payload = storable(reply.text, _SHOWN if reply_ids else None)
            where = {"payload": payload, "reply_id": reply_ids[0] if reply_ids else None}
            cursor.execute(statement("insert_quarantine"), row | where)
            kept = cursor.fetchone()
            self._ledger.write(cursor, [outcome])
            return int(kept[0]) if kept else 0

        return self._connections.run(write)

    def waiting(self, limit: int = 100) -> list[QuarantinedReply]:
        """Return the refused replies that were not replayed yet, oldest first."""
        asked = {"id": None, "after": 0, "is_replayed": False, "row_limit": limit}
        return list(map(_read, self._connections.query("quarantine_rows", asked | Filter().values())))

    def get(self, quarantine_id: int) -> QuarantinedReply | None:
        """Return one refused reply, or None if it is not kept."""
        asked = {"id": quarantine_id, "after": 0, "is_replayed": None, "row_limit": 1}
        rows = self._connections.query("quarantine_rows", asked | Filter().values())
        return _read(rows[0]) if rows else None

    def summaries(self, which: Filter, limit: int) -> list[Summary]:
        """Return what there is, replayed or not, the newest first."""
        rows = self._connections.query("quarantine_summaries", {**which.values(), "row_limit": limit})
        return list(map(_summary, rows))

    def waiting_ids(self, dataset: str | None = None, reason: str | None = None) -> Iterator[int]:
        """Yield the ids of what waits, oldest first, each once."""
        after = 0
        while True:
            asked = {"after": after, "dataset": dataset, "reason": reason, "row_limit": _STEP}
            ids = [number for (number,) in self._connections.query("waiting_ids", asked)]
            yield from ids
            if len(ids) < _STEP:
                return
            after = ids[-1]

    def drop(self, ids: Sequence[int] | None, reason: str | None = None) -> int:
        """Delete what waits: these, or all with the reason; return how many. What was replayed stays."""
        return self._connections.execute(
            "drop_quarantine", {"ids": None if ids is None else list(ids), "reason": reason}
        )

    def claim(self, cursor: Cursor, quarantine_id: int) -> QuarantinedReply | None:
        """Take a refused reply in hand within a transaction of the caller's; None where it does not wait for that."""
        cursor.execute(statement("claim_quarantine"), {"id": quarantine_id})
        row = cursor.fetchone()
        return _read(row) if row else None

    def note(self, cursor: Cursor, quarantine_id: int, rejection: Rejection | None, *, stored: bool = False) -> None:
        """Note within a transaction of the caller's what is refused still; None lets it leave quarantine."""
        reason = rejection and storable(rejection.code, MAX_REASON)
        message = rejection and storable(rejection.message, MAX_SENTENCE)
        cursor.execute(
            statement("note_replay"), {"id": quarantine_id, "reason": reason, "message": message, "stored": stored}
        )


def _not_whole(reason: str, alone: int | None) -> str:
    """Return why what is kept is not what came. ``alone``: its length, where it is kept in quarantine alone."""
    cut = "only its beginning was kept, as it once was of long replies" if alone == _ONCE_KEPT else ""
    return NOT_WHOLE.get(reason, cut)


def _summary(row: tuple[Any, ...]) -> Summary:
    """Build what a list shows from a row of ``quarantine_summaries``."""
    number, received_at, dataset, symbol, reason, message, replayed_at, alone = row
    is_whole = not _not_whole(reason, alone)
    return Summary(number, received_at, dataset, symbol, reason, message, is_whole, replayed_at)


def _read(row: tuple[Any, ...]) -> QuarantinedReply:
    """Build a refused reply from a row of ``quarantine_rows``."""
    number, run_id, dataset, symbol, function, reason, message, *rest = row
    received_at, reply_id, params, replayed_at, payload, body = rest
    return QuarantinedReply(
        id=number,
        run_id=run_id,
        dataset=dataset,
        symbol=Symbol(symbol),
        payload=payload if body is None else unpack(body),
        function=function,
        reason=reason,
        message=message,
        received_at=received_at,
        reply_id=reply_id,
        params=params or {},
        replayed_at=replayed_at,
    )
