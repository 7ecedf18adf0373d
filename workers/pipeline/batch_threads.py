"""One pass over a batch: on BATCH_CONCURRENCY threads symbols, or those that share a call, are fetched; one writes.

A thread that cannot finish symbols for a reason which is not theirs (the quota is far, a server is away) puts them
back, so that whatever ends the pass, each symbol is either written or left.
"""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from typing import Final

from common.errors import (
    ClaimLost,
    LimiterUnavailable,
    PipelineError,
    QuotaWait,
    Retryable,
    RunFailed,
    RunHalted,
    StoreUnavailable,
)
from common.logs import bound
from common.values import Outcome, OutcomeStatus, Symbol
from workers.pipeline.batch_writer import PATIENCE_S, WRITE_BATCH_SIZE, BufferedLedger, Writer
from workers.pipeline.bulk import BulkJob, BulkRight
from workers.pipeline.claims import Claims
from workers.pipeline.job import Job
from workers.pipeline.shared_calls import share_calls
from workers.pipeline.work_queue import WorkQueue

log = logging.getLogger(__name__)

#: How long (s) a thread pauses while a server is away.
_PAUSE_S: Final = 1.0


class BatchThreads:
    """One pass over symbols of a run. ``permit_id`` is the permit that the first symbol has waited for.

    With a ``bulk`` right those that can share calls do.
    ``wait`` is what the pass ended with, if the quota ended it: the first of the permits that were far.
    """

    def __init__(
        self, job: Job, run_id: str, claims: Claims, permit_id: str, *, concurrency: int, bulk: BulkRight | None = None
    ) -> None:
        self.wait: QuotaWait | None = None
        symbols = claims.symbols
        self._writer = Writer(job, len(symbols))
        buffered = BufferedLedger(self._writer.put)
        self._job = replace(
            job, store=buffered, ledger=buffered, replies=self._writer, quarantine=buffered, confirm=claims.confirm
        )
        self._bulk = BulkJob(self._job, bulk, job.quarantine) if bulk else None
        self._claims = claims
        self._run_id = run_id
        self._threads = min(concurrency, len(symbols))
        self._permit_id = permit_id
        together = share_calls(claims.symbols_of(job.dataset.name), bulk.bulk) if bulk else []
        self._queue = WorkQueue(claims, together, WRITE_BATCH_SIZE)
        self._calls: dict[Symbol, int] = {}  # of symbols that a shared call did not serve
        self._shared_calls = 0  # are out
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._until = 0.0
        self._failed: RunFailed | Retryable | None = None
        self._trouble_since: float | None = None

    def work(self, budget_s: float) -> None:
        """Work until nothing is left, the quota is far, ``budget_s`` have passed or the run cannot go on.

        Raises StoreUnavailable or LimiterUnavailable after a minute without the server, ClaimLost once another pass
        has the batch, or the RunFailed of a symbol; then all that is left is written off as halted.
        """
        self._until = time.monotonic() + budget_s
        try:
            self._fetch_and_write()
            self._raise_what_failed()
        except BaseException:
            self._leave_the_queue()
            raise
        self._leave(self._permit_id)  # nobody took it up

    def halt(self, why: str) -> None:
        """Write off everything without a try."""
        self._write_off(why)
        self._leave_the_queue()

    def _fetch_and_write(self) -> None:
        if len(self._queue.left) <= 1:
            self._fetch_and_write_one()
            return
        try:
            with ThreadPoolExecutor(self._threads or 1, thread_name_prefix="symbol") as pool:
                workers = [
                    pool.submit(copy_context().run, self._fetch) for _ in range(self._threads)
                ]  # logs name the run
                try:
                    self._writer.write_all(workers)
                except BaseException:
                    self._stopped.set()
                    self._writer.write_rest()  # before the threads have ended: whoever interrupts us may not wait
                    raise
        finally:
            self._writer.write_rest()
        for worker in workers:
            worker.result()

    def _fetch_and_write_one(self) -> None:
        """The same for one symbol, without a thread: that would cost more than it brings."""
        try:
            self._fetch()
            self._writer.write_all()
        finally:
            self._writer.write_rest()

    # On the threads

    def _fetch(self) -> None:
        try:
            while self._step():
                pass
        except BaseException:
            self._stopped.set()  # a defect of ours: the others need not go on
            raise

    def _step(self) -> bool:
        """Work on one symbol, or on those that share a call; return whether to go on."""
        taken = None
        try:
            taken = self._take()
            if not taken:
                return False
            with bound(symbol=_in_words(taken[0])):
                self._work_on(*taken)
            self._trouble_since = None
        except (LimiterUnavailable, StoreUnavailable) as error:
            if taken:
                self._put_back(*taken)
            self._back_off_or_give_up(error)
        except ClaimLost as error:
            self._failed = error
            self._stopped.set()
        return True

    def _take(self) -> tuple[Sequence[Symbol], str] | None:
        """Return what the next call is for, with the permit that waits for it if one does; None if the pass is over."""
        with self._changed:
            while not self._stopped.is_set() and time.monotonic() <= self._until:
                proven = self._bulk is not None and self._bulk.right.is_proven
                if symbols := self._queue.take(share=proven or not self._shared_calls):
                    self._shared_calls += len(symbols) > 1
                    permit_id, self._permit_id = self._permit_id, ""
                    return symbols, permit_id
                if not self._shared_calls:
                    return None
                self._changed.wait(_PAUSE_S)  # what it does not serve goes on alone, and others may share once it does
        return None

    def _work_on(self, symbols: Sequence[Symbol], permit_id: str) -> None:
        try:
            if self._bulk and len(symbols) > 1:
                self._share_a_call(self._bulk, symbols, permit_id)
            else:
                self._ask_alone(symbols[0], permit_id)
        except QuotaWait as wait:
            self._put_back(symbols)
            self._wait_for(wait)
        except RunFailed as error:
            self._failed = error
            self._stopped.set()
        except (ClaimLost, LimiterUnavailable, StoreUnavailable):
            raise
        except PipelineError as error:  # the ledger has it, and the batch's end is judged by the ledger
            log.warning("%s", error)

    def _ask_alone(self, symbol: Symbol, permit_id: str) -> None:
        dataset, calls = self._claims.dataset_of(symbol), self._calls.get(symbol, 0)
        self._job.run(self._run_id, symbol, dataset=dataset, permit_id=permit_id, api_calls=calls)

    def _share_a_call(self, bulk: BulkJob, symbols: Sequence[Symbol], permit_id: str) -> None:
        """Work on symbols together; those that are not served go on alone, and where none was, so do all others."""
        alone: Mapping[Symbol, int] = {}
        try:
            alone = bulk.run(self._run_id, symbols, permit_id=permit_id)
        finally:
            with self._changed:
                self._calls.update(alone)
                self._queue.ask_alone(alone)
                if len(alone) == len(symbols):
                    self._queue.share_no_calls()
                self._shared_calls -= 1
                self._changed.notify_all()

    def _put_back(self, symbols: Sequence[Symbol], permit_id: str = "") -> None:
        with self._changed:
            self._queue.put_back(symbols)
            self._permit_id = permit_id or self._permit_id

    def _wait_for(self, wait: QuotaWait) -> None:
        """End the pass; of all the permits that are far the first is waited for."""
        self._stopped.set()
        with self._changed:
            last, self.wait = self.wait, min(wait, self.wait or wait, key=lambda each: each.retry_at)
        given_up = wait if self.wait is not wait else last
        if given_up:
            self._leave(given_up.permit_id)

    def _back_off_or_give_up(self, error: LimiterUnavailable | StoreUnavailable) -> None:
        """Pause while a server is away; end the pass after a minute of it."""
        now = time.monotonic()
        since = self._trouble_since = self._trouble_since or now
        if now - since < PATIENCE_S:
            log.warning("waiting: %s", error)
            self._stopped.wait(_PAUSE_S)
        else:
            self._failed = error
            self._stopped.set()

    # At the end

    def _raise_what_failed(self) -> None:
        if isinstance(self._failed, RunFailed):
            self._write_off(f"Not tried, because another symbol ended the run: {self._failed}")
        if self._failed:
            raise self._failed

    def _write_off(self, why: str) -> None:
        self._writer.record([self._halted(symbol, why) for symbol in self._queue.left])

    def _halted(self, symbol: Symbol, why: str) -> Outcome:
        return Outcome(
            self._run_id,
            symbol,
            OutcomeStatus.FAILED,
            RunHalted.reason,
            why,
            self._job.worker,
            dataset=self._claims.dataset_of(symbol),
        )

    def _leave_the_queue(self) -> None:
        """Give up the permits that nobody will come back for."""
        self._leave(self._permit_id)
        if self.wait:
            self._leave(self.wait.permit_id)
            self.wait = None

    def _leave(self, permit_id: str) -> None:
        if not permit_id:
            return
        try:
            self._job.permits.leave(permit_id)
        except LimiterUnavailable as error:
            log.warning("a place in the queue stays taken until it is handed on: %s", error)


def _in_words(symbols: Sequence[Symbol]) -> str:
    return symbols[0] if len(symbols) == 1 else f"{symbols[0]} and {len(symbols) - 1} more"
