"""What the tests of batches share."""

from collections import Counter
from datetime import datetime

from common.values import Symbol
from sandbox.running import RunningSandbox
from workers.pipeline.batch import Batch, BatchEnd
from workers.wiring import Wiring

RUN = "manual__1"


def symbols(count: int) -> list[Symbol]:
    return [Symbol(f"S{number:03}") for number in range(count)]


def planned(wiring: Wiring, *names: Symbol | str, budget_s: float = 60) -> Batch:
    """Plan the names as one batch of the run; return the work on it."""
    wiring.store.ledger.plan_run(RUN, [Symbol(name) for name in names], batch_size=len(names))
    return wiring.batch(budget_s=budget_s)


def by_symbol(end: BatchEnd) -> dict[str, str]:
    return {str(outcome.symbol): outcome.reason for outcome in end.outcomes}


def due(wiring: Wiring, moment: datetime) -> bool:
    return wiring.limiter.usage().at >= moment


def calls(sandbox: RunningSandbox) -> Counter[str]:
    return Counter(entry.symbol for entry in sandbox.entries())
