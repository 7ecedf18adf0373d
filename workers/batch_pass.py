"""One pass over a batch: each symbol goes through the job on one of a few threads, and the rows are written together.

A reply is held here for a fraction of a second before it is written, with whatever else came in meanwhile.
"""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from common.errors import (
    LimiterUnavailable,
    PipelineError,
    QuotaWait,
    RowRefused,
    RunFailed,
    RunHalted,
    StoreUnavailable,
)
from common.models import Outcome, OutcomeStatus, Quote, Rejection, Symbol, UpsertCounts
from workers.job import Job
from workers.job import Ledger as JobLedger

log = logging.getLogger(__name__)

T = TypeVar("T")

#: How many symbols are taken up, and at most written, in one transaction.
TOGETHER: Final = 50
#: How long (s) what came in waits for more, before all of it is written.
LINGER_S: Final = 0.2
#: How long (s) a batch waits for a database that restarts; meanwhile it makes no further call.
STORE_PATIENCE_S: Final = 60.0
#: How often (s) a batch says how far it is.
PROGRESS_S: Final = 10.0


class Ledger(JobLedger, Protocol):
    """Where rows and outcomes go, and where a batch finds what it holds."""

    def batch_symbols(self, run_id: str, batch: int, *, again: bool) -> Sequence[Symbol]: ...  # noqa: D102  the store's

    def start_all(self, run_id: str, symbols: Sequence[Symbol], worker: str) -> Sequence[Symbol]: ...  # noqa: D102  the store's

    def outcomes(self, run_id: str, batch: int | None = None) -> Sequence[Outcome]: ...  # noqa: D102  the store's


@dataclass(frozen=True)
class _Entry:
    """What one symbol ended with: its ledger line, and the quote or the refused reply that belongs to it."""

    outcome: Outcome
    quote: Quote | None = None
    refused: dict[str, Any] | None = None


class _Collector:
    """The ledger as a job on a thread sees it: what the job writes is handed to the pass."""

    def __init__(self, put: Callable[[_Entry], None]) -> None:
        self._put = put

    def start(self, run_id: str, symbol: Symbol, worker: str) -> Outcome | None:
        """Nothing: the pass took the symbol up."""
        del run_id, symbol, worker
        return None

    def halted_by(self, run_id: str) -> Outcome | None:
        """Nothing: the pass looked, and is told of what its own symbols meet."""
        del run_id
        return None

    def save_quotes(self, quotes: Sequence[Quote], outcomes: Sequence[Outcome]) -> UpsertCounts:
        for quote, outcome in zip(quotes, outcomes, strict=True):
            self._put(_Entry(outcome, quote=quote))
        return UpsertCounts()

    def record_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            self._put(_Entry(outcome))

    def quarantine(
        self, outcome: Outcome, *, function: str, rejection: Rejection, payload: str, received_at: datetime
    ) -> int:
        refused = {"function": function, "rejection": rejection, "payload": payload, "received_at": received_at}
        self._put(_Entry(outcome, refused=refused))
        return 0


class Pass:
    """One pass over symbols of a run: threads that fetch, and the calling thread, which writes.

    ``permit_id`` is the permit that the first symbol has waited for. ``wait`` is what ended the pass, if the quota did.
    """

    def __init__(
        self, job: Job, ledger: Ledger, run_id: str, symbols: Sequence[Symbol], permit_id: str, *, concurrency: int
    ) -> None:
        self.wait: QuotaWait | None = None
        self._ledger = ledger
        self._run_id = run_id
        self._threads = min(concurrency, len(symbols))
        self._todo = deque(symbols)
        self._taken: deque[Symbol] = deque()
        self._permit_id = permit_id
        self._ended: SimpleQueue[_Entry | None] = SimpleQueue()
        self._job = replace(job, ledger=_Collector(self._ended.put))
        self._failed: RunFailed | None = None
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._storing = threading.Event()
        self._storing.set()
        self._until = 0.0
        self._in_hand: list[_Entry] = []
        self._progress = _Progress(len(symbols))

    def work(self, budget_s: float) -> None:
        """Work until nothing is left, the quota is far, ``budget_s`` have passed or the run cannot go on.

        Raises StoreUnavailable, or the RunFailed of a symbol; then all that is left is written off as halted.
        """
        self._until = time.monotonic() + budget_s
        try:
            with ThreadPoolExecutor(self._threads or 1, thread_name_prefix="symbol") as pool, self._stopping():
                workers = [pool.submit(self._fetch) for _ in range(self._threads)]
                self._write_all(self._threads)
        finally:
            self._write_rest()
        for worker in workers:
            worker.result()
        if self._failed:
            self.halt(f"Not tried, because another symbol ended the run: {self._failed}")
            raise self._failed

    def halt(self, why: str) -> None:
        """Write off what is left."""
        left = [*self._taken, *self._todo]
        halted = [
            Outcome(self._run_id, symbol, OutcomeStatus.FAILED, RunHalted.reason, why, self._job.worker)
            for symbol in left
        ]
        self._patiently(lambda: self._ledger.record_outcomes(halted))

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        """Let the threads end after the symbol that they are at, however the block ends."""
        try:
            yield
        finally:
            self._stopped.set()

    # On the threads

    def _fetch(self) -> None:
        try:
            while taken := self._take():
                self._one(*taken)
        finally:
            self._ended.put(None)

    def _one(self, symbol: Symbol, permit_id: str) -> None:
        try:
            self._job.run(self._run_id, symbol, permit_id=permit_id)
        except QuotaWait as wait:
            self._come_back(wait)
        except RunFailed as error:
            self._failed = error
            self._stopped.set()
        except PipelineError as error:  # the ledger has it, and the batch's end is judged by the ledger
            log.warning("%s: %s", symbol, error)

    def _take(self) -> tuple[Symbol, str] | None:
        """Return the next symbol, with the permit that it waits for if there is one; None if the pass is over."""
        self._storing.wait()
        with self._lock:
            if self._stopped.is_set() or time.monotonic() > self._until:
                return None
            if not self._taken:
                following = [self._todo.popleft() for _ in range(min(TOGETHER, len(self._todo)))]
                self._taken.extend(self._start(following) if following else ())
            if not self._taken:
                return None
            permit_id, self._permit_id = self._permit_id, ""
            return self._taken.popleft(), permit_id

    def _start(self, symbols: Sequence[Symbol]) -> Sequence[Symbol]:
        return self._patiently(lambda: self._ledger.start_all(self._run_id, symbols, self._job.worker))

    def _come_back(self, wait: QuotaWait) -> None:
        """End the pass; of all the permits that are far the first is waited for."""
        self._stopped.set()
        with self._lock:
            last, self.wait = self.wait, min(wait, self.wait or wait, key=lambda each: each.retry_at)
        given_up = wait if self.wait is not wait else last
        if given_up:
            self._leave(given_up)

    def _leave(self, wait: QuotaWait) -> None:
        try:
            self._job.permits.leave(wait.permit_id)
        except LimiterUnavailable as error:
            log.warning("a place in the queue stays taken until it is handed on: %s", error)

    # On the calling thread

    def _write_all(self, active: int) -> None:
        while active:
            active -= self._gather(active)
            if self._in_hand:
                self._write(self._in_hand)
                self._progress.add(self._in_hand)
                self._in_hand = []

    def _gather(self, active: int) -> int:
        """Take in hand what came in, once something has and a moment has passed; return how many threads ended."""
        ended, until = 0, float("inf")
        while ended < active and len(self._in_hand) < TOGETHER:
            try:
                entry = self._ended.get(timeout=max(0.0, until - time.monotonic()) if self._in_hand else None)
            except Empty:
                break
            if entry is None:
                ended += 1
            else:
                until = min(until, time.monotonic() + LINGER_S)
                self._in_hand.append(entry)
        return ended

    def _write_rest(self) -> None:
        """Write what a time-out would lose, once: its calls are paid for."""
        came = [self._ended.get() for _ in range(self._ended.qsize())]
        rest = [entry for entry in (*self._in_hand, *came) if entry and not entry.refused]
        try:
            self._save(rest)
        except (StoreUnavailable, RowRefused) as error:
            log.warning("%d replies are not stored and will be asked for again: %s", len(rest), error)

    def _write(self, entries: Sequence[_Entry]) -> None:
        """Write what came in, in one transaction; a row that PostgreSQL refuses fails alone."""
        try:
            self._patiently(lambda: self._save([entry for entry in entries if entry.refused is None]))
        except RowRefused as error:
            if len(entries) > 1:
                for entry in entries:
                    self._write([entry])
                return
            failed = replace(entries[0].outcome, status=OutcomeStatus.FAILED, reason=error.reason, detail=str(error))
            self._patiently(lambda: self._ledger.record_outcomes([failed]))
        for entry in entries:
            if entry.refused is not None:
                self._quarantine(entry.outcome, entry.refused)

    def _save(self, entries: Sequence[_Entry]) -> None:
        if entries:
            quotes = [entry.quote for entry in entries if entry.quote]
            self._ledger.save_quotes(quotes, [entry.outcome for entry in entries])

    def _quarantine(self, outcome: Outcome, refused: dict[str, Any]) -> None:
        self._patiently(lambda: self._ledger.quarantine(outcome, **refused))

    def _patiently(self, write: Callable[[], T]) -> T:
        """Bear a restart of the database: what was fetched is kept, and no further symbol is taken up meanwhile."""
        retrying = Retrying(
            retry=retry_if_exception_type(StoreUnavailable),
            stop=stop_after_delay(STORE_PATIENCE_S),
            wait=wait_random_exponential(multiplier=0.5, max=5),
            before_sleep=self._pause,
            reraise=True,
        )
        try:
            return retrying(write)
        finally:
            self._storing.set()

    def _pause(self, state: RetryCallState) -> None:
        self._storing.clear()
        log.warning("waiting for the database: %s", state.outcome and state.outcome.exception())


class _Progress:
    """Says now and then how far a batch is."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._counts: Counter[str] = Counter()
        self._next = time.monotonic() + PROGRESS_S

    def add(self, entries: Sequence[_Entry]) -> None:
        self._counts.update(str(entry.outcome.status) for entry in entries)
        if time.monotonic() > self._next:
            self._next = time.monotonic() + PROGRESS_S
            counts = ", ".join(f"{count} {status}" for status, count in sorted(self._counts.items()))
            log.info("%d of %d: %s", self._counts.total(), self._total, counts)
