"""What the tests of calls that symbols share have in common."""

from collections import Counter
from typing import Final

from common.values import Outcome
from sandbox.running import RunningSandbox

BULK: Final = "REALTIME_BULK_QUOTES"
ALONE: Final = "GLOBAL_QUOTE"
#: A plan on which calls are shared, without the limits of one.
PREMIUM: Final = {"ALPHA_VANTAGE_PLAN": "premium1200", "ALPHA_VANTAGE_QUOTA": "10000/s", "BATCH_CONCURRENCY": "4"}


def functions(sandbox: RunningSandbox) -> Counter[str]:
    return Counter(entry.function for entry in sandbox.entries())


def spent(outcomes: list[Outcome]) -> int:
    """The calls that the ledger's lines add up to."""
    return sum(outcome.api_calls for outcome in outcomes)
