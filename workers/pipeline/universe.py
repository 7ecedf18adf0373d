"""The universe of a run: the listed companies that STOCK_SYMBOLS chooses, and how the list of them is renewed.

A list is one call and has no symbol, so it is in no plan and in no ledger of outcomes: what became of it is returned,
and raised, here.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import uuid4

from common.errors import (
    ConfigurationError,
    ListShrank,
    PayloadRejected,
    PipelineError,
    ProviderBusy,
    QuotaWait,
    RunFailed,
)
from common.provider import Request
from common.replies import RawReply
from common.universe import listings
from common.universe.acceptance import Changes, refuse_shrunk
from common.universe.listing_filter import ListingFilter
from common.universe.listings import Listing, Status, read_listings
from common.values import Rejection, Reply, Symbol
from workers.pipeline.fetching import Fetcher, Named
from workers.wiring import Wiring

log = logging.getLogger(__name__)

#: How old a list may be before a plan that chooses from it renews it.
MAX_AGE: Final = timedelta(days=7)
#: How long a plan goes on with an old list after a call for a new one was in vain: each run would spend another.
ASKED_AGAIN_AFTER: Final = timedelta(days=1)
#: How many of the lines that cannot be read the summary shows.
_SHOWN: Final = 3


@dataclass(frozen=True)
class Renewed:
    """What became of a list that was stored: what it changed, and each line of it that is left out, with the reason."""

    changes: Changes
    findings: Sequence[Rejection]

    @property
    def summary(self) -> str:
        """One sentence or two."""
        if not self.findings:
            return f"{self.changes}."
        shown = "; ".join(finding.message for finding in self.findings[:_SHOWN])
        more = " …" if len(self.findings) > _SHOWN else ""
        return f"{self.changes}. {len(self.findings)} lines are left out ({shown}{more})."

    def as_dict(self) -> dict[str, Any]:
        """Return the counts, and of the lines that are left out those of each code."""
        changes = self.changes
        return {
            "listed": changes.listed,
            "new": changes.new,
            "gone": changes.gone,
            "changed": changes.changed,
            "findings": dict(Counter(finding.code for finding in self.findings)),
        }


def renew_listings(wiring: Wiring, status: Status = "Active", *, accept: bool = False, permit_id: str = "") -> Renewed:
    """Ask for the list of companies, with one call, and store it.

    A list by which the whole, or what STOCK_SYMBOLS chooses, shrinks by a tenth is refused with ListShrank, unless a
    person says ``accept``. ``permit_id`` is the permit that a caller comes back with after a QuotaWait; without one the
    place in the queue is given up then.

    Raises a PipelineError: then the list before stays as it was.
    """
    wiring.permits.prepare()
    reply = _ask(wiring, listings.request(status), permit_id)
    read = read_listings(reply.text, status)
    check = _believe if accept else partial(refuse_shrunk, universes=_universes(wiring, status))
    renewed = Renewed(wiring.store.listings.replace(read.listings, status, check), read.findings)
    log.info("%s", renewed.summary)
    return renewed


def _ask(wiring: Wiring, request: Request, permit_id: str) -> Reply:
    """Make the call within the quota, and keep what came, whatever it is."""
    call = _Call(request, permit_id or uuid4().hex)
    keep = wiring.store.replies.keep
    fetcher = Fetcher(wiring.client, wiring.permits, wiring.settings.quota_wait_in_place, confirm=lambda _: None)
    try:
        reply = fetcher.fetch(call)
    except QuotaWait:
        if not permit_id:
            wiring.permits.leave(call.permit_id)
        raise
    except (PayloadRejected, ProviderBusy) as refused:
        keep([RawReply(request, None, refused.payload, datetime.now(UTC), listings.NAME)])
        raise
    keep([RawReply(request, None, reply.text, reply.received_at, listings.NAME)])
    return reply


def renew_if_due(wiring: Wiring, moment: datetime) -> None:
    """Renew the list that STOCK_SYMBOLS chooses from where there is none, or it is a week old at ``moment``.

    Where that fails, and not because a person has to act first, an old list is gone on with, and where calls are scarce
    no other is asked for before the next day. Raises PipelineError.
    """
    seen_at = wiring.store.listings.seen_at()
    if seen_at and (moment - seen_at < MAX_AGE or _asked_lately(wiring)):
        return
    try:
        renew_listings(wiring)
    except PipelineError as error:
        if seen_at is None or (isinstance(error, RunFailed) and not isinstance(error, ListShrank)):
            raise
        log.warning("the list of companies of %s is gone on with: %s", seen_at.date(), error)


def _asked_lately(wiring: Wiring) -> bool:
    """Whether a list was asked for of late; only where calls are scarce does the ledger know of them."""
    seconds = ASKED_AGAIN_AFTER.total_seconds()
    return wiring.store.calls.count_since(wiring.limiter.key_digest, listings.NAME, seconds) > 0


def chooses_from_list(wiring: Wiring) -> bool:
    """Whether STOCK_SYMBOLS is ``listing:…``."""
    return isinstance(wiring.settings.stock_symbols, ListingFilter)


def awaits_list(wiring: Wiring) -> bool:
    """Whether STOCK_SYMBOLS chooses from a list that is not there yet: the first plan fetches it."""
    return chooses_from_list(wiring) and wiring.store.listings.seen_at() is None


def listed_symbols(wiring: Wiring, chosen: ListingFilter) -> tuple[Symbol, ...]:
    """Return the symbols that are chosen from the stored list. Raises ConfigurationError where there is none."""
    listed = wiring.store.listings.listed()
    if not listed:
        raise _nothing(chosen, "no list of companies is stored yet: run python -m workers.fetch_and_store --listings")
    chosen.require_known(listed)
    if symbols := chosen.symbols(listed):
        return symbols
    raise _nothing(chosen, "no listed company is of that type there: name another exchange or type")


@dataclass(frozen=True)
class _Lists:
    """What the calls for lists are noted under."""

    name: str = listings.NAME


@dataclass
class _Call:
    """One try at a list, and what it used."""

    request: Request
    permit_id: str
    symbols: Sequence[Symbol] = ()
    symbol: Symbol | None = None
    dataset: Named = field(default_factory=_Lists)
    api_calls: int = 0


def _universes(wiring: Wiring, status: Status) -> list[ListingFilter]:
    """Return what must not shrink: the whole, and what is chosen from those that are listed."""
    chosen, whole = wiring.settings.stock_symbols, ListingFilter()
    return [whole, chosen] if isinstance(chosen, ListingFilter) and status == "Active" else [whole]


def _believe(before: Sequence[Listing], after: Sequence[Listing]) -> None:
    """Check nothing: a person has accepted the list."""


def _nothing(chosen: ListingFilter, why: str) -> ConfigurationError:
    return ConfigurationError(f"STOCK_SYMBOLS={chosen} chooses no symbol: {why}.", variable="STOCK_SYMBOLS")
