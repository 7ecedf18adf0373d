"""What the runs did: the outcome of each symbol, and each call of the key."""

from common.ledger.calls import CallLedger
from common.ledger.outcomes import LastAttempt, OutcomeLedger

__all__ = ["CallLedger", "LastAttempt", "OutcomeLedger"]
