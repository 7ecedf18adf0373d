"""Symbols that share a call: one permit, one request, and what the reply holds of each of them.

It saves calls, and no symbol depends on it: one that it does not serve is asked for alone. docs/adr/0021-bulk-quotes.md
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final
from uuid import uuid4

from common.datasets.dataset import Bulk, Parsed
from common.errors import PayloadRejected, PremiumRequired, RowRefused, StoreUnavailable, UnknownFunction, UnknownSymbol
from common.replies import RawReply
from common.values import Outcome, OutcomeStatus, Rejection, Reply, Symbol
from workers.pipeline.batch_writer import retry_while_database_down
from workers.pipeline.fetching import Attempt
from workers.pipeline.job import Entitlements, Job, Quarantine, remember

log = logging.getLogger(__name__)

#: How many refused rows of a reply a warning names.
_NAMED: Final = 5


class BulkRight:
    """Whether this process may ask in bulk. Thread-safe.

    Until it ``is_proven`` by a call that was served, one goes out at a time: a key without the right costs a process
    one call, however many threads it has.
    """

    def __init__(self, bulk: Bulk, entitlements: Entitlements) -> None:
        self.bulk = bulk
        self.is_proven = False
        self._entitlements = entitlements

    def may_ask(self) -> bool:
        """Whether a pass should ask in bulk. Raises StoreUnavailable."""
        return self._entitlements.may_ask(self.bulk.feature)

    def serve(self) -> None:
        """Note that the provider serves the key."""
        if not self.is_proven:
            self.is_proven = True
            remember(lambda: self._entitlements.allow(self.bulk.feature), self.bulk.feature)

    def refuse(self, message: str) -> None:
        """Note that the provider refuses it to the key."""
        self.is_proven = False
        remember(lambda: self._entitlements.refuse(self.bulk.feature, message), self.bulk.feature)


@dataclass(frozen=True)
class BulkJob:
    """The work on symbols that share a call, as ``job`` does it for one. Thread-safe as that is.

    ``quarantine`` writes at once: a refused row stands there before its symbol is asked for alone.
    """

    job: Job
    right: BulkRight
    quarantine: Quarantine

    def run(self, run_id: str, symbols: Sequence[Symbol], *, permit_id: str = "") -> Mapping[Symbol, int]:
        """Fetch, validate and store; return the symbols to be asked for alone, each with the calls that it has cost.

        The call counts with the first symbol that it served, or with the first of all where it served none. Raises what
        ends the try of all of them, as ``Job.run`` does; then their lines are written.
        """
        request = self.right.bulk.request(symbols)
        attempt = Attempt(run_id, self.job.dataset, symbols, request, permit_id or uuid4().hex)
        ended = {outcome.symbol for outcome in self.job.attempt(attempt, self._fetch_and_store)}
        alone = {symbol: 0 for symbol in symbols if symbol not in ended}
        if not ended and attempt.api_calls:
            alone[symbols[0]] = attempt.api_calls
            self.job.ledger.record_outcomes(attempt.outcomes(OutcomeStatus.PLANNED, "", "", worker=self.job.worker)[:1])
        return alone

    def _fetch_and_store(self, attempt: Attempt) -> Sequence[Outcome]:
        """Return the lines of the symbols that were served."""
        try:
            reply = self._fetch(attempt)
            return self._store(attempt, reply, self.right.bulk.parse(attempt.symbols, reply)) if reply else []
        except UnknownSymbol as error:
            log.warning("they are asked for one by one: %s", error)
        except PayloadRejected as error:
            said = attempt.said(error.payload, datetime.now(UTC))
            self._keep(attempt, {attempt.symbols[0]: Rejection(error.code, str(error))}, said)
        return []

    def _fetch(self, attempt: Attempt) -> Reply | None:
        """Return the reply, or None where the key may not ask so."""
        try:
            reply = self.job.fetch(attempt)
        except (PremiumRequired, UnknownFunction) as refusal:
            self.right.refuse(str(refusal))
            return None
        self.right.serve()
        return reply

    def _store(self, attempt: Attempt, reply: Reply, found: Mapping[Symbol, Parsed | Rejection]) -> Sequence[Outcome]:
        served = {symbol: rows for symbol, rows in found.items() if isinstance(rows, Parsed)}
        lines = replace(attempt, symbols=list(served)).outcomes(
            OutcomeStatus.STORED, "stored", "", worker=self.job.worker
        )
        for line in lines:
            rows = served[line.symbol]
            self.job.store.save(rows.rows, [replace(line, detail=rows.detail)])
        refused = {symbol: why for symbol, why in found.items() if isinstance(why, Rejection)}
        if refused:
            self._keep(attempt, refused, attempt.said(reply.text, reply.received_at))
        return lines

    def _keep(self, attempt: Attempt, refused: Mapping[Symbol, Rejection], said: RawReply) -> None:
        """Keep what is refused; the symbols' lines stay open. They are asked for alone even where that fails."""
        messages = [f"{symbol}: {rejection.message}" for symbol, rejection in refused.items()]
        log.warning("asked for alone, because %d rows are refused: %s", len(refused), "; ".join(messages[:_NAMED]))
        lines = replace(attempt, symbols=list(refused), api_calls=0).outcomes(
            OutcomeStatus.PLANNED, "", "", worker=self.job.worker
        )
        try:
            for line in lines:
                why = refused[line.symbol]
                told = replace(line, reason=why.code, detail=why.message)
                retry_while_database_down(partial(self.quarantine.keep, told, why, said))
        except (StoreUnavailable, RowRefused) as lost:
            log.warning("not all that is refused of %s is kept: %s", attempt.request.subject, lost)
