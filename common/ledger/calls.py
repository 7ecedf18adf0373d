"""The ledger of calls: each one that is sent, so that a day's quota can be rebuilt. Each method is one transaction."""

from common.database.pool import Connections
from common.values import RecordedCall, Symbol


class CallLedger:
    """The lines of ``api_calls``. Thread-safe; raises what ``Connections`` raises."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def record_call(self, permit_id: str, key_digest: str, *, dataset: str, symbol: Symbol | None = None) -> None:
        """Note that a call is about to be sent. The same permit again changes nothing."""
        row = {"permit_id": permit_id, "key_digest": key_digest, "dataset": dataset, "symbol": symbol}
        self._connections.execute("record_call", row)

    def settle_call(self, permit_id: str) -> None:
        """Note that the call's reply, or its failure, was seen."""
        self._connections.execute("settle_call", {"permit_id": permit_id})

    def forget_call(self, permit_id: str) -> None:
        """Take back the note of a call that was never sent. One that was settled stays."""
        self._connections.execute("forget_call", {"permit_id": permit_id})

    def calls_since(self, key_digest: str, seconds: float) -> list[RecordedCall]:
        """Return the key's calls that were settled, or sent and never settled, in the last ``seconds``."""
        rows = self._connections.query("calls_since", {"key_digest": key_digest, "seconds": seconds})
        return [RecordedCall(*row) for row in rows]

    def count_since(self, key_digest: str, dataset: str, seconds: float) -> int:
        """Return how many of the key's calls of the last ``seconds`` were for a dataset."""
        asked = {"key_digest": key_digest, "dataset": dataset, "seconds": seconds}
        return int(self._connections.query("count_calls", asked)[0][0])

    def ever_called(self) -> bool:
        """Whether any call was ever made: if not, this is a fresh installation."""
        return bool(self._connections.query("ever_called", {})[0][0])
