"""What a pass has taken up of its batch, and whether that is still its own.

A worker that stands still for long is taken for dead, and its batch is given to another one. When it goes on it must
not repeat what the other one has done: where time has passed since it last knew, it asks the ledger before each call.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from common.clock import boot_clock
from common.ledger import Claim
from common.values import Symbol

#: How long (s) a claim is taken to hold. Far below the time after which Airflow gives up a worker without heartbeats.
FRESH_S: Final = 10.0


class ClaimLedger(Protocol):
    """Where claims are kept: the store."""

    def claim_batch(self, run_id: str, batch: int, worker: str) -> Mapping[Symbol, Claim]:
        """Take up what is to be done of a batch; return each symbol's claim."""

    def still_claimed(self, run_id: str, claims: Mapping[Symbol, Claim]) -> Sequence[Symbol]:
        """Return what is still to be done. Raises ClaimLost."""


class Claims:
    """The claims of one pass. Thread-safe; each method may raise ClaimLost, or StoreUnavailable."""

    def __init__(self, ledger: ClaimLedger, run_id: str, batch: int, worker: str) -> None:
        self._ledger = ledger
        self._run_id = run_id
        known_at = boot_clock()
        self._claims = ledger.claim_batch(run_id, batch, worker)
        self._known_at = dict.fromkeys(self._claims, known_at)

    @property
    def symbols(self) -> list[Symbol]:
        """What was to be done when it was taken up, in the plan's order."""
        return list(self._claims)

    def dataset_of(self, symbol: Symbol) -> str:
        """Return what the plan asks of the symbol."""
        return self._claims[symbol].dataset

    def symbols_of(self, dataset: str) -> list[Symbol]:
        """Return those of the symbols of which the plan asks the dataset of that name."""
        return [symbol for symbol, claim in self._claims.items() if claim.dataset == dataset]

    def still_due(self, symbols: Sequence[Symbol]) -> Sequence[Symbol]:
        """Return those of the symbols that are still to be done; asks the ledger only where time has passed."""
        now = boot_clock()
        if all(now - self._known_at[symbol] <= FRESH_S for symbol in symbols):
            return symbols
        due = self._ledger.still_claimed(self._run_id, {symbol: self._claims[symbol] for symbol in symbols})
        self._known_at.update(dict.fromkeys(symbols, now))
        return due

    def confirm(self, symbols: Sequence[Symbol]) -> None:
        """See that the symbols are still ours: right before a call. What was asked once is asked again next time."""
        if boot_clock() - min(self._known_at[symbol] for symbol in symbols) > FRESH_S:
            self._ledger.still_claimed(self._run_id, {symbol: self._claims[symbol] for symbol in symbols})
