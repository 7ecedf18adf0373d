"""What only the store can tell: frozen values beside those of ``common.values``."""

from dataclasses import dataclass
from datetime import datetime

from common.errors import StoreNotReady
from common.values import OutcomeStatus, Symbol


@dataclass(frozen=True, slots=True)
class LastAttempt:
    """When a symbol was last worked on and what came of it: the order of a plan that spends a scarce quota.

    ``attempted_at``: the last time that a call was spent on it, with ``status`` and ``reason`` of then; None if
    never. ``postponed_at``: since when it waits for its turn, None if it was not postponed since the last attempt.
    """

    symbol: Symbol
    attempted_at: datetime | None = None
    status: OutcomeStatus | None = None
    reason: str = ""
    postponed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """One call in the durable ledger. Ages are in seconds on the database's clock, so no two clocks are compared.

    ``settled_age_s`` is None while nobody knows when the provider counted the call.
    """

    permit_id: str
    cost: int
    sent_age_s: float
    settled_age_s: float | None


@dataclass(frozen=True, slots=True)
class QuarantinedReply:
    """A refused reply as it is kept, for a replay: what was asked, why it was refused, and its redacted text."""

    id: int
    run_id: str
    symbol: Symbol
    function: str
    reason: str
    message: str
    payload: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """The database's state. ``latency_s`` is one query's round trip, the connection already open."""

    server_version: str
    revision: str | None
    expected_revision: str
    latency_s: float

    @property
    def at_head(self) -> bool:
        """Whether the schema is the one that this version was written for."""
        return self.revision == self.expected_revision

    def __str__(self) -> str:
        state = f"revision {self.revision}" if self.revision else "no tables"
        wanted = "" if self.at_head else f", but this version needs revision {self.expected_revision}"
        return f"PostgreSQL {self.server_version}, {state}{wanted}"

    def require_head(self) -> None:
        """Raise StoreNotReady unless the schema is the one that this version was written for."""
        if not self.at_head:
            raise StoreNotReady(f"{self}: run python -m common.migrate of this version.")
