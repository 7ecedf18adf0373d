"""What the symbols of a batch end with, written together: one transaction for all that came in meanwhile.

A reply is held here for a fraction of a second before it is written.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from common.datasets.dataset import Table
from common.errors import LimiterUnavailable, RowRefused, StoreUnavailable, reasons_of
from common.values import Outcome, OutcomeStatus, Rejection, Symbol, UpsertCounts
from workers.pipeline.job import Job

log = logging.getLogger(__name__)

T = TypeVar("T")

#: How many symbols are taken up, and at most written, in one transaction.
WRITE_BATCH_SIZE: Final = 50
#: How long (s) what came in waits for more, before all of it is written.
LINGER_S: Final = 0.2
#: How long (s) a batch bears the absence of the database or of the limiter; meanwhile it makes no further call.
PATIENCE_S: Final = 60.0
#: How often (s) a batch says how far it is.
PROGRESS_S: Final = 10.0
#: With these a symbol has not failed: a server that restarts is waited for, and the symbol is tried then.
INFRASTRUCTURE_REASONS: Final = reasons_of(LimiterUnavailable) | reasons_of(StoreUnavailable)


@dataclass(frozen=True)
class Entry:
    """What one symbol ended with: its ledger line, and the rows or the refused reply that belongs to it."""

    outcome: Outcome
    rows: Mapping[Table, Sequence[object]] = field(default_factory=dict)
    refused: dict[str, Any] | None = None


class Results:
    """What the threads hand over. A result stays here until it is written, so that no interruption loses it."""

    def __init__(self) -> None:
        self._unwritten: list[Entry] = []
        self._signals: SimpleQueue[bool] = SimpleQueue()  # for each that was put, whether it is a result

    def put(self, entry: Entry | None) -> None:
        """Hand over a result, or None when a thread has ended."""
        if entry:
            self._unwritten.append(entry)
        self._signals.put(entry is not None)

    def wait(self, timeout_s: float | None) -> bool:
        """Wait for one more to be put; return whether it is a result. Raises queue.Empty after ``timeout_s``."""
        return self._signals.get(timeout=timeout_s)

    def oldest(self, limit: int | None = None) -> list[Entry]:
        """Return the oldest results, by default all."""
        return self._unwritten[:limit]

    def forget(self, count: int) -> None:
        """Let go of the ``count`` oldest, which are written."""
        del self._unwritten[:count]


class BufferedLedger:
    """Store, ledger and quarantine as a job on a thread sees them: what it writes goes into ``results``."""

    def __init__(self, results: Results) -> None:
        self._put = results.put

    def start(self, run_id: str, symbol: Symbol, worker: str) -> Outcome | None:
        """Nothing: the pass took the symbol up."""
        del run_id, symbol, worker
        return None

    def halted_by(self, run_id: str) -> Outcome | None:
        """Nothing: the pass looked, and is told of what its own symbols meet."""
        del run_id
        return None

    def save(self, rows: Mapping[Table, Sequence[object]], outcomes: Sequence[Outcome]) -> UpsertCounts:
        """Hand over the rows of one symbol with its line."""
        (outcome,) = outcomes
        self._put(Entry(outcome, rows))
        return UpsertCounts()

    def record_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        """Hand over lines, but for those that say nothing of their symbol."""
        for outcome in outcomes:
            if outcome.reason not in INFRASTRUCTURE_REASONS:
                self._put(Entry(outcome))

    def keep(
        self, outcome: Outcome, *, function: str, rejection: Rejection, payload: str, received_at: datetime
    ) -> int:
        """Hand over a refused reply with its line."""
        refused = {"function": function, "rejection": rejection, "payload": payload, "received_at": received_at}
        self._put(Entry(outcome, refused=refused))
        return 0


class Writer:
    """Writes what the threads put into ``results``, where None says that a thread has ended. For one thread's use.

    ``job``: its store, ledger and quarantine are where things go.
    """

    def __init__(self, job: Job, total: int) -> None:
        self.results = Results()
        self._job = job
        self._progress = _Progress(total)

    def write_all(self, threads: int) -> None:
        """Write until so many threads have ended. Raises StoreUnavailable after a minute without the database."""
        while threads:
            threads -= self._gather(threads)
            entries = self.results.oldest(WRITE_BATCH_SIZE)
            if entries:
                self._write(entries)
                self.results.forget(len(entries))
                self._progress.add(entries)

    def write_rest(self) -> None:
        """Write what an interruption would lose, without waiting for the database: its calls are paid for."""
        rest = self.results.oldest()
        self._write_at_once(rest)
        self.results.forget(len(rest))

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Write lines of symbols that were not worked on."""
        retry_while_database_down(lambda: self._job.ledger.record_outcomes(outcomes))

    def _gather(self, threads: int) -> int:
        """Wait until results came in, and a little longer for more to come; return how many threads ended."""
        ended, came, until = 0, 0, float("inf")
        while ended < threads and came < WRITE_BATCH_SIZE:
            try:
                is_result = self.results.wait(max(0.0, until - time.monotonic()) if came else None)
            except Empty:
                break
            if is_result:
                until = min(until, time.monotonic() + LINGER_S)
                came += 1
            else:
                ended += 1
        return ended

    def _write(self, entries: Sequence[Entry]) -> None:
        """Write what came in, in one transaction; a row that PostgreSQL refuses fails alone."""
        try:
            retry_while_database_down(lambda: self._save(entries))
        except RowRefused as error:
            if len(entries) > 1:
                for entry in entries:
                    self._write([entry])
                return
            self.record(
                [replace(entries[0].outcome, status=OutcomeStatus.FAILED, reason=error.reason, detail=str(error))]
            )
        retry_while_database_down(lambda: self._quarantine(entries))

    def _write_at_once(self, entries: Sequence[Entry]) -> None:
        """Write what came in if the database is there; a row that PostgreSQL refuses is left alone."""
        try:
            self._save(entries)
            self._quarantine(entries)
        except (StoreUnavailable, RowRefused) as error:
            if isinstance(error, RowRefused) and len(entries) > 1:
                for entry in entries:
                    self._write_at_once([entry])
            else:
                log.warning("%d replies are not stored and will be asked for again: %s", len(entries), error)

    def _save(self, entries: Sequence[Entry]) -> None:
        """Write rows and lines; the line of a refused reply goes with that."""
        saved = [entry for entry in entries if entry.refused is None]
        rows: dict[Table, list[object]] = {}
        for entry in saved:
            for table, values in entry.rows.items():
                rows.setdefault(table, []).extend(values)
        if saved:
            self._job.store.save(rows, [entry.outcome for entry in saved])

    def _quarantine(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.refused is not None:
                self._job.quarantine.keep(entry.outcome, **entry.refused)


def retry_while_database_down(ask: Callable[[], T]) -> T:
    """Ask the database, and bear its absence for a minute."""
    retrying = Retrying(
        retry=retry_if_exception_type(StoreUnavailable),
        stop=stop_after_delay(PATIENCE_S),
        wait=wait_random_exponential(multiplier=0.5, max=5),
        before_sleep=_log_retry,
        reraise=True,
    )
    return retrying(ask)


def _log_retry(state: RetryCallState) -> None:
    log.warning("waiting for the database: %s", state.outcome and state.outcome.exception())


class _Progress:
    """Says now and then how far a batch is."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._counts: Counter[str] = Counter()
        self._next = time.monotonic() + PROGRESS_S

    def add(self, entries: Sequence[Entry]) -> None:
        self._counts.update(str(entry.outcome.status) for entry in entries)
        if time.monotonic() > self._next:
            self._next = time.monotonic() + PROGRESS_S
            counts = ", ".join(f"{count} {status}" for status, count in sorted(self._counts.items()))
            log.info("%d of %d: %s", self._counts.total(), self._total, counts)
