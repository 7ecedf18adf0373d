"""Which session each exchange should have by now, and how far behind it a symbol is.

The calendars take seconds to import, so a thread builds them; until it has, nothing is known, and nobody waits.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from threading import Event, Thread
from time import monotonic
from typing import Final

from common.trading_calendar import EXCHANGES, NEW_YORK, Session, exchange_of, latest_session, sessions_after
from common.values import Symbol

log = logging.getLogger(__name__)

#: A symbol of each exchange, New York's without a suffix.
_SAMPLES: Final = {code: Symbol(f"A.{suffix}") for suffix, code in EXCHANGES.items()} | {NEW_YORK: Symbol("A")}
_HOLDS_S: Final = 10


@dataclass(frozen=True, slots=True)
class Freshness:
    """What is expected of a symbol. ``behind``: how many sessions its newest row is; None where nobody knows."""

    expected: date | None
    behind: int | None
    state: str  # fresh, stale, never, unknown


class Calendars:
    """The latest complete session of each exchange. ``grace``: how late after a close its data is expected."""

    def __init__(self, grace: timedelta) -> None:
        self._grace = grace
        self._warm = Event()
        self._known: dict[str, Session] = {}
        self._known_at = -float(_HOLDS_S)

    def warm_up(self) -> None:
        """Build the calendars in a thread; New York's is there first."""
        Thread(target=self._build, name="market-calendars", daemon=True).start()

    def expected(self) -> dict[str, Session]:
        """Return the latest complete session of each exchange, by its code; of none before the calendars are built."""
        if self._warm.is_set() and monotonic() - self._known_at >= _HOLDS_S:
            self._known = self._now()
            self._known_at = monotonic()
        return self._known

    def judge(self, symbol: Symbol, session: date | None) -> Freshness:
        """Say how fresh a symbol is whose newest row is of ``session``; None: it has no row."""
        latest = self.expected().get(exchange_of(symbol))
        if session is None:
            return Freshness(latest.day if latest else None, None, "never")
        if latest is None:
            return Freshness(None, None, "unknown")
        behind = _sessions_after(session, latest)
        return Freshness(latest.day, behind, "stale" if behind else "fresh")

    def _build(self) -> None:
        try:
            self._known = self._now()
        except Exception:  # nobody waits for this thread, and the page goes on without calendars
            log.exception("the exchanges' calendars cannot be built, so the Market page does not say what is stale")
        else:
            self._warm.set()

    def _now(self) -> dict[str, Session]:
        now = datetime.now(UTC)
        return {code: latest_session(symbol, now, self._grace) for code, symbol in _SAMPLES.items()}


@lru_cache(maxsize=4096)
def _sessions_after(day: date, latest: Session) -> int:
    return sessions_after(day, latest)
