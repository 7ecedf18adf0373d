"""What the symbols of a batch end with, written together: a transaction for all that came in meanwhile.

A reply is held here for a fraction of a second before it is written.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from typing import Final, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from common.datasets.dataset import Table
from common.errors import LimiterUnavailable, RowRefused, StoreUnavailable, reasons_of
from common.replies import RawReply
from common.values import Outcome, OutcomeStatus, Rejection, Symbol, UpsertCounts
from workers.pipeline.job import Job

log = logging.getLogger(__name__)

T = TypeVar("T")

#: How many symbols are taken up, and at most written, in one transaction.
WRITE_BATCH_SIZE: Final = 50
#: How many rows wait at most, three histories or so, before whoever has one more waits as well; and as many are written
#: in one transaction, unless one symbol has more.
MAX_ROWS: Final = 20_000
#: How often (s) what came in meanwhile is written.
WRITE_EVERY_S: Final = 0.2
#: How often (s) a thread that waits for room looks whether there is some.
_LOOK_AGAIN_S: Final = 0.01
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
    refused: tuple[Rejection, RawReply] | None = None

    @cached_property
    def row_count(self) -> int:
        """How many rows it has, in all tables."""
        return sum(map(len, self.rows.values()))


class BufferedLedger:
    """Store, ledger and quarantine as a job on a thread sees them: what it writes is handed over with ``put``."""

    def __init__(self, put: Callable[[Entry], None]) -> None:
        self._put = put

    def start(self, run_id: str, symbol: Symbol, worker: str, dataset: str) -> Outcome | None:
        """Nothing: the pass took the symbol up."""
        del run_id, symbol, worker, dataset
        return None

    def halted_by(self, run_id: str) -> Outcome | None:
        """Nothing: the pass looked, and is told of what its own symbols meet."""
        del run_id
        return None

    def save(
        self, rows: Mapping[Table, Sequence[object]], outcomes: Sequence[Outcome], replies: Sequence[RawReply] = ()
    ) -> UpsertCounts:
        """Hand over the rows of one symbol with its line; replies come by ``Writer.keep``."""
        del replies
        (outcome,) = outcomes
        self._put(Entry(outcome, rows))
        return UpsertCounts()

    def record_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        """Hand over lines, but for those that say nothing of their symbol."""
        for outcome in outcomes:
            if outcome.reason not in INFRASTRUCTURE_REASONS:
                self._put(Entry(outcome))

    def keep(self, outcome: Outcome, rejection: Rejection, reply: RawReply) -> int:
        """Hand over a refused reply with its line."""
        self._put(Entry(outcome, refused=(rejection, reply)))
        return 0


class Writer:
    """Writes what the threads ``put``. One thread writes; a result is kept until then, so no interruption loses it.

    ``job``: its store, ledger and quarantine are where things go.
    """

    def __init__(self, job: Job, total: int) -> None:
        self._job = job
        self._unwritten: list[Entry] = []
        self._writing = False
        # A bare lock: no Python runs while it is waited for, so no interruption can leave it half taken.
        self._woken = threading.Lock()
        self._replies: list[RawReply] = []
        self._progress = _Progress(total)

    def put(self, entry: Entry) -> None:
        """Hand over what a symbol ended with; for any thread. Returns once there is room for more."""
        self._unwritten.append(entry)
        if self._is_full():
            self._wake_up()
        while self._writing and self._is_full():
            time.sleep(_LOOK_AGAIN_S)

    def keep(self, replies: Sequence[RawReply]) -> None:
        """Hand over what the provider said, to be written with what becomes of it or before; for any thread."""
        self._replies.extend(replies)

    def write_all(self, workers: Collection[Future[None]] = ()) -> None:
        """Write until the workers have ended. Raises StoreUnavailable after a minute without the database."""
        for worker in workers:
            worker.add_done_callback(lambda _: self._wake_up() if _ended(workers) else None)
        working = True
        try:
            self._writing = True
            while working:
                self._woken.acquire(timeout=WRITE_EVERY_S)
                working = not _ended(workers)
                self._write_parts(len(self._unwritten))
        finally:
            self._writing = False

    def write_rest(self) -> None:
        """Write what an interruption would lose, without waiting for the database: its calls are paid for."""
        rest = self._unwritten.copy()
        self._write_at_once(rest)
        del self._unwritten[: len(rest)]

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Write lines of symbols that were not worked on."""
        retry_while_database_down(lambda: self._job.ledger.record_outcomes(outcomes))

    def _is_full(self) -> bool:
        return sum(entry.row_count for entry in self._unwritten.copy()) >= MAX_ROWS

    def _wake_up(self) -> None:
        with suppress(RuntimeError):  # it is awake already
            self._woken.release()

    def _write_parts(self, count: int) -> None:
        """Write the ``count`` oldest results, each part in a transaction of its own."""
        while count > 0:
            rows = accumulate(entry.row_count for entry in self._unwritten[: min(count, WRITE_BATCH_SIZE)])
            entries = self._unwritten[: max(1, sum(total <= MAX_ROWS for total in rows))]
            self._write(entries)
            del self._unwritten[: len(entries)]
            self._progress.add(entries)
            count -= len(entries)

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
        """Write the replies so far, rows and lines; the line of a refused reply goes with that."""
        replies = self._replies.copy()
        saved = [entry for entry in entries if entry.refused is None]
        rows: dict[Table, list[object]] = {}
        for entry in saved:
            for table, values in entry.rows.items():
                rows.setdefault(table, []).extend(values)
        if saved or replies:
            self._job.store.save(rows, [entry.outcome for entry in saved], replies)
            del self._replies[: len(replies)]

    def _quarantine(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.refused is not None:
                self._job.quarantine.keep(entry.outcome, *entry.refused)


def _ended(workers: Iterable[Future[None]]) -> bool:
    return all(worker.done() for worker in workers)


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
