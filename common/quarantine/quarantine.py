"""The rows of ``quarantine``, each with its ledger line."""

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class QuarantinedReply:
    """A refused reply as it is kept, for a replay: what was asked, why it was refused, and its redacted text."""

    id: int
    run_id: str
    dataset: str
    symbol: Symbol
    payload: str
    function: str
    reason: str
    message: str
    received_at: datetime


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
        return list(map(_read, self._connections.query("waiting_quarantine", {"row_limit": limit})))

    def mark_replayed(self, quarantine_id: int) -> None:
        """Note that a refused reply was taken up again."""
        self._connections.execute("mark_replayed", {"id": quarantine_id})


def _read(row: tuple[Any, ...]) -> QuarantinedReply:
    """Build a refused reply from a row of ``waiting_quarantine``."""
    number, run_id, dataset, symbol, *why, payload, body = row
    return QuarantinedReply(number, run_id, dataset, Symbol(symbol), payload if body is None else unpack(body), *why)
