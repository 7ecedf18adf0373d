"""A reply within the quota: permit, call, and for how long all workers hold back where the provider refuses or fails.

Knows nothing of what the reply holds, nor of the ledger; of one symbol or of many that share a call.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol
from uuid import uuid4

from common.datasets.dataset import Dataset
from common.errors import (
    DailyQuotaUsedUp,
    DeadlineExceeded,
    NetworkFailed,
    PipelineError,
    ProviderBusy,
    ProviderUnavailable,
    QuotaWait,
    RateLimited,
)
from common.provider import Gate, Request
from common.quota.durable import day_reopens_in_s
from common.quota.results import Permit
from common.replies import RawReply
from common.values import Outcome, OutcomeStatus, Reply, Symbol

#: How often the provider may say "too fast" in one try before that is a failure: somebody else uses the key.
MAX_REFUSALS: Final = 3
#: How long to hold back (s) when the provider says "too fast" without saying for how long.
DEFAULT_HOLD_S: Final = 2.0
#: How long to hold back (s) when the provider gives no data and nobody knows why: it is busy, or away behind a page.
BUSY_HOLD_S: Final = 30.0


class Provider(Protocol):
    """Where replies come from."""

    def fetch(self, request: Request, *, gate: Gate) -> Reply: ...


class Permits(Protocol):
    """The quota over all workers."""

    def permit(
        self, permit_id: str, *, max_wait_s: float, dataset: str, symbol: Symbol | None
    ) -> AbstractContextManager[Permit]: ...

    def hold_back(self, seconds: float, reason: str) -> None: ...

    def outage(self) -> QuotaWait | None: ...

    def leave(self, permit_id: str) -> None: ...


class Named(Protocol):
    """What calls are noted under: a dataset, or the lists of companies, which are none."""

    @property
    def name(self) -> str: ...


class Call(Protocol):
    """What a fetcher has to know of a try; ``Attempt`` says what each is."""

    request: Request
    permit_id: str
    api_calls: int

    @property
    def dataset(self) -> Named: ...

    @property
    def symbols(self) -> Sequence[Symbol]: ...

    @property
    def symbol(self) -> Symbol | None: ...


@dataclass
class Attempt:
    """One try at a symbol of a dataset, or at several that share the ``request``, and what it used.

    ``permit_id`` is the permit that waits, or the next one to ask for; ``api_calls`` were sent.
    """

    run_id: str
    dataset: Dataset
    symbols: Sequence[Symbol]
    request: Request
    permit_id: str = field(default_factory=lambda: uuid4().hex)
    api_calls: int = 0

    @property
    def symbol(self) -> Symbol | None:
        """The symbol that the call is for; None where several share it."""
        return self.symbols[0] if len(self.symbols) == 1 else None

    def said(self, text: str, received_at: datetime) -> RawReply:
        """Return what the provider said to it, as it is kept."""
        return RawReply(self.request, self.symbol, text, received_at, self.dataset.name)

    def turn_to(self, dataset: Dataset) -> None:
        """Ask for another dataset of the one symbol."""
        (symbol,) = self.symbols
        self.dataset, self.request = dataset, dataset.request(symbol)

    def outcomes(self, status: OutcomeStatus, reason: str, detail: str, *, worker: str) -> list[Outcome]:
        """Return a ledger line for each symbol. The first one carries the calls, so that they add up."""
        name = self.dataset.name
        return [
            Outcome(self.run_id, symbol, status, reason, detail, worker, 0 if nth else self.api_calls, dataset=name)
            for nth, symbol in enumerate(self.symbols)
        ]


@dataclass(frozen=True)
class Fetcher:
    """The calls of one worker. ``max_wait_s`` is how long a permit is waited for in place.

    ``confirm`` is asked before each call, and raises ClaimLost if the symbols are another worker's by now.
    """

    provider: Provider
    permits: Permits
    max_wait_s: float
    confirm: Callable[[Sequence[Symbol]], None]

    def fetch(self, attempt: Call) -> Reply:
        """Fetch within the quota; when the provider says "too fast", the limiter learns it and we queue again."""
        refusals = 0
        while True:
            try:
                return self.provider.fetch(attempt.request, gate=lambda: self._gate(attempt))
            except (RateLimited, DailyQuotaUsedUp) as refusal:
                self.permits.hold_back(_hold_s(refusal), refusal.reason)
                refusals += 1
                if refusals == MAX_REFUSALS:
                    raise
            except ProviderBusy as busy:
                self.permits.hold_back(BUSY_HOLD_S, busy.reason)
                raise
            except (NetworkFailed, DeadlineExceeded, ProviderUnavailable) as failure:
                raise self.permits.outage() or failure from None  # an outage is not the symbol's failure

    @contextmanager
    def _gate(self, attempt: Call) -> Iterator[Permit]:
        """Hold a permit while one request is out. Each request has a permit of its own, and counts if it was sent."""
        with self.permits.permit(
            attempt.permit_id, max_wait_s=self.max_wait_s, dataset=attempt.dataset.name, symbol=attempt.symbol
        ) as permit:
            attempt.permit_id = uuid4().hex
            self._confirm(attempt, permit)
            attempt.api_calls += 1
            try:
                yield permit
            except (NetworkFailed, DeadlineExceeded) as error:
                attempt.api_calls -= not error.request_sent
                raise

    def _confirm(self, attempt: Call, permit: Permit) -> None:
        """See that the symbols are still ours; else, or where that cannot be known, the permit goes back."""
        try:
            self.confirm(attempt.symbols)
        except PipelineError:
            permit.give_back()
            raise


def _hold_s(refusal: RateLimited | DailyQuotaUsedUp) -> float:
    """Return for how long (s) the provider's refusal holds back every worker."""
    if refusal.retry_after_s is not None:
        return refusal.retry_after_s
    return day_reopens_in_s(datetime.now(UTC)) if isinstance(refusal, DailyQuotaUsedUp) else DEFAULT_HOLD_S
