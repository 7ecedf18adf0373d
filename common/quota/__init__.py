"""One quota for all workers, exact at the provider's side. See docs/adr/0001-the-quota-limiter.md."""

from common.quota.limiter import Limiter
from common.quota.results import (
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
