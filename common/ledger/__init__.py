"""What the runs did: the outcome of each symbol, each call of the key, and what the provider refuses to it."""

from common.ledger.calls import CallLedger
from common.ledger.entitlements import Entitlements
from common.ledger.outcomes import Claim, LastAttempt, OutcomeLedger

__all__ = ["CallLedger", "Claim", "Entitlements", "LastAttempt", "OutcomeLedger"]
