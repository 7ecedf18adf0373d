"""Replies that were refused, with the reason: kept for a person to see, and for a replay without a call."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg2.extensions import cursor as Cursor

from common.database.pool import Connections
from common.database.queries import statement
from common.database.rows import MAX_REASON, MAX_SENTENCE, aware, storable, storable_payload
from common.ledger import OutcomeLedger
from common.values import Outcome, OutcomeStatus, Rejection, Symbol

#: How many different replies of a busy provider a run keeps, of each reason: they all say "not now".
_SAMPLES: Final = 3


@dataclass(frozen=True, slots=True)
class QuarantinedReply:
    """A refused reply as it is kept, for a replay: what was asked, why it was refused, and its redacted text."""

    id: int
    run_id: str
    dataset: str
    symbol: Symbol
    function: str
    reason: str
    message: str
    payload: str
    received_at: datetime


class Quarantine:
    """The rows of ``quarantine``. Thread-safe; each method is one transaction."""

    def __init__(self, connections: Connections, ledger: OutcomeLedger) -> None:
        self._connections = connections
        self._ledger = ledger

    def keep(
        self, outcome: Outcome, *, function: str, rejection: Rejection, payload: str, received_at: datetime
    ) -> int:
        """Keep a refused reply, its secrets redacted by the caller, with its ledger line; return its id.

        NUL and lone surrogates become U+FFFD, and the text ends at MAX_PAYLOAD bytes. The same reply again is
        the same row. Of what is not the symbol's (its outcome is ``failed``) a few samples of each reason are
        kept in a run: 0 stands for one that was not needed.
        """
        row = {
            "run_id": outcome.run_id,
            "dataset": self._ledger.dataset,
            "symbol": outcome.symbol,
            "function": function,
            "reason": storable(rejection.code, MAX_REASON),
            "message": storable(rejection.message, MAX_SENTENCE),
            "payload": storable_payload(payload),
            "received_at": aware(received_at),
            "samples": _SAMPLES if outcome.status is OutcomeStatus.FAILED else None,
        }

        def write(cursor: Cursor) -> int:
            cursor.execute(statement("insert_quarantine"), row)
            kept = cursor.fetchone()
            self._ledger.write(cursor, [outcome])
            return int(kept[0]) if kept else 0

        return self._connections.run(write)

    def waiting(self, limit: int = 100) -> list[QuarantinedReply]:
        """Return the refused replies that were not replayed yet, oldest first."""
        rows = self._connections.query("waiting_quarantine", {"row_limit": limit})
        return [
            QuarantinedReply(number, run_id, dataset, Symbol(symbol), *rest)
            for number, run_id, dataset, symbol, *rest in rows
        ]

    def mark_replayed(self, quarantine_id: int) -> None:
        """Note that a refused reply was taken up again."""
        self._connections.execute("mark_replayed", {"id": quarantine_id})
