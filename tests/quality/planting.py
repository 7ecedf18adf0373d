"""A sound series of bars, and what the checks find in it once something is planted."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

from common.quality import FindingFilter, QualityFinding
from common.store import Store
from common.trading_calendar import known_sessions
from common.values import DailyBar
from tests.support.rows import bar

#: Two months of New York.
SESSIONS: Final = known_sessions("XNYS", date(2026, 8, 3), date(2026, 10, 5))
#: The session that something is planted in, with more than five on both sides.
DAY: Final = SESSIONS[20]
NOW: Final = datetime(2026, 10, 6, tzinfo=UTC)


def sound(symbol: str = "IBM", sessions: Sequence[date] = SESSIONS, **changes) -> list[DailyBar]:
    """Bars that rise a little each day, from 100 on."""
    return [
        bar(
            symbol,
            session=session,
            **{
                "open_price": Decimal(100) + number,
                "high_price": Decimal(102) + number,
                "low_price": Decimal(99) + number,
                "close_price": Decimal(101) + number,
                "volume": 1_000 + number,
                **changes,
            },
        )
        for number, session in enumerate(sessions)
    ]


def look(store: Store, moment: datetime = NOW) -> list[QualityFinding]:
    """Look at what changed; return what is open."""
    store.quality.check_changed(moment)
    return store.findings.list(FindingFilter(), 1_000)


def names(findings: Sequence[QualityFinding]) -> set[str]:
    """Which checks found something; that a planted row differs from what it was is no surprise."""
    return {finding.check_name for finding in findings} - {"restated"}
