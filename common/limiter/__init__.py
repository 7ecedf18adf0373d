"""One quota for all workers, exact at the provider's side. See docs/adr/0001-the-quota-limiter.md."""

from common.limiter.answers import (
    Answer,
    Denied,
    Granted,
    LedgerCall,
    LimiterHealth,
    Permit,
    Reserved,
    Usage,
    WindowUsage,
)
from common.limiter.limiter import Limiter

__all__ = [
    "Answer",
    "Denied",
    "Granted",
    "LedgerCall",
    "Limiter",
    "LimiterHealth",
    "Permit",
    "Reserved",
    "Usage",
    "WindowUsage",
]
