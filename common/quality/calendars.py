"""What the checks know of exchanges: their sessions, when those of late closed, and when a symbol is stale."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final

from common.trading_calendar import UNKNOWN, known_sessions, sessions_of

#: The provider has no bar of an earlier session.
_BEGIN: Final = date(1999, 11, 1)
#: With the sessions around what is looked at, a calendar tells whether it knows these days at all.
_AROUND: Final = timedelta(days=31)
#: A symbol is stale when so many sessions came after its newest row.
_STALE: Final = 3


def calendar_rows(
    exchanges: Iterable[str], first: date, last: date, moment: datetime
) -> Iterator[dict[str, date | datetime | str | None]]:
    """Yield the rows of the relation ``calendar``: the exchanges' sessions between two days, and a month around."""
    for exchange in exchanges:
        closes = {session.day: session.closed_at for session in sessions_of(exchange, moment.astimezone(UTC).year)}
        for session in known_sessions(exchange, _BEGIN, date(moment.year, 12, 31)):
            if session - first >= -_AROUND and session - last <= _AROUND:
                yield {"exchange": exchange, "session": session, "closed_at": closes.get(session)}


def stale_before(exchange: str, moment: datetime, grace: timedelta) -> date | None:
    """Return the first session that is not stale yet at ``moment``; None where nobody knows the sessions."""
    if exchange == UNKNOWN:
        return None
    complete = [
        session.day
        for session in sessions_of(exchange, moment.astimezone(UTC).year)
        if session.closed_at + grace <= moment
    ]
    return complete[-_STALE]
