"""What a run is asked for, and whether it can begin: settings, database, schema, Redis, limiter. Before any call."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from common.errors import SessionGone
from common.trading_calendar import latest_session
from common.universe.listing_filter import ListingFilter
from common.values import Symbol, parse_symbols
from workers.pipeline.universe import awaits_list, listed_symbols, renew_if_due
from workers.wiring import Wiring

log = logging.getLogger(__name__)


def requested_symbols(
    wiring: Wiring, asked: Iterable[str] | None, *, renew_at: datetime | None = None
) -> tuple[Symbol, ...]:
    """Return the symbols of the trigger form, or those of STOCK_SYMBOLS where none were given.

    Where these are chosen from the list of companies, one that is not there, or is old at ``renew_at``, is fetched.

    Raises ConfigurationError where symbols were given and none of them can be one, or where none is chosen.
    """
    if symbols := _typed(asked):
        return symbols
    chosen = wiring.settings.stock_symbols
    if not isinstance(chosen, ListingFilter):
        return chosen
    if renew_at:
        renew_if_due(wiring, renew_at)
    return listed_symbols(wiring, chosen)


def _typed(asked: Iterable[str] | None) -> tuple[Symbol, ...]:
    return parse_symbols(text for text in asked if text.strip()) if asked else ()


def validate_environment(
    wiring: Wiring, asked: Iterable[str] | None, *, wanted: datetime | None = None, moment: datetime | None = None
) -> None:
    """Check settings, symbols, database, schema, Redis and limiter before a call is spent.

    ``wanted``: the time whose latest session the run is for, where that is not now, which is ``moment``.

    Raises the error of what is wrong: ConfigurationError, SessionGone, StoreUnavailable or LimiterUnavailable.
    """
    symbols = _typed(asked)
    if not symbols and awaits_list(wiring):
        log.warning("no list of companies is stored yet: the plan fetches it, with one call")
    else:
        symbols = requested_symbols(wiring, asked)
    if wanted and symbols:
        grace = timedelta(seconds=wiring.settings.session_grace)
        _refuse_past(symbols, wanted, moment or datetime.now(UTC), grace)
    if wiring.settings.uses_sandbox:
        log.warning("ALPHA_VANTAGE_API_KEY is empty: prices are INVENTED by the sandbox and kept in a database apart")
    store = wiring.store.check()
    store.require_head()
    wiring.permits.prepare()
    health = wiring.limiter.check()
    log.info("%d symbols, quota %s; %s; Redis %s", len(symbols), wiring.settings.quota, store, health.redis_version)


def _refuse_past(symbols: Iterable[Symbol], wanted: datetime, moment: datetime, grace: timedelta) -> None:
    """Raise SessionGone where no symbol's latest session at ``moment`` is the one that was the latest then."""
    sessions = [(latest_session(symbol, wanted, grace), latest_session(symbol, moment, grace)) for symbol in symbols]
    if all(then.day < now.day for then, now in sessions):
        raise SessionGone(
            f"This run is for {wanted:%Y-%m-%d %H:%M} UTC, of the session {sessions[0][0].day}, and a quote is always "
            f"the latest one, of {sessions[0][1].day} now: nothing can be fetched for a day gone by. Trigger a run "
            "without a logical date for the latest session."
        )
