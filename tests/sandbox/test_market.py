"""The sandbox's calendar and prices."""

from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise

import exchange_calendars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox import holidays
from sandbox.market import SPLITTING_PREFIX, Bar, Market, Stock, adjusted_closes
from sandbox.trading_days import LONDON, NEW_YORK, SESSION_COUNT, Exchange

SYMBOLS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-", min_size=1, max_size=12)
SESSIONS = st.integers(1, SESSION_COUNT - 200)
timeless = settings(deadline=None)


def day(exchange: Exchange, moment: datetime) -> str:
    return exchange.sessions[exchange.latest_session(moment)].isoformat()


@pytest.mark.parametrize(("exchange", "code"), [(NEW_YORK, "XNYS"), (LONDON, "XLON")], ids=["New York", "London"])
def test_the_sessions_are_the_exchanges(exchange: Exchange, code: str):
    """From 1999 to the last year it knows, an independent calendar names the same trading days."""
    calendar = exchange_calendars.get_calendar(code, start="1999-11-01")
    last = calendar.last_session.date()
    assert [session for session in exchange.sessions if session <= last] == list(calendar.sessions.date)


@pytest.mark.parametrize(
    ("moment", "session"),
    [
        (datetime(2026, 10, 5, 20, 14, tzinfo=UTC), "2026-10-02"),
        (datetime(2026, 10, 5, 20, 15, tzinfo=UTC), "2026-10-05"),
        (datetime(2026, 1, 5, 21, 14, tzinfo=UTC), "2026-01-02"),
        (datetime(2026, 1, 5, 21, 15, tzinfo=UTC), "2026-01-05"),
        (datetime(2026, 10, 6, 3, 0, tzinfo=UTC), "2026-10-05"),
        (datetime(2026, 7, 5, 12, 0, tzinfo=UTC), "2026-07-02"),
    ],
)
def test_today_begins_after_new_yorks_close(moment, session):
    """The latest session changes at 16:15 New York time, in summer and in winter, and skips a holiday's weekend."""
    assert day(NEW_YORK, moment) == session


@pytest.mark.parametrize(
    ("moment", "session"),
    [
        (datetime(2026, 10, 5, 15, 59, tzinfo=UTC), "2026-10-02"),
        (datetime(2026, 10, 5, 16, 0, tzinfo=UTC), "2026-10-05"),
        (datetime(2026, 1, 5, 16, 59, tzinfo=UTC), "2026-01-02"),
        (datetime(2026, 1, 5, 17, 0, tzinfo=UTC), "2026-01-05"),
        (datetime(2026, 12, 28, 18, 0, tzinfo=UTC), "2026-12-24"),
        (datetime(2026, 7, 3, 18, 0, tzinfo=UTC), "2026-07-03"),
    ],
)
def test_london_counts_from_its_five_oclock(moment, session):
    """London's latest session changes at 17:00 there, and its days are not New York's."""
    assert day(LONDON, moment) == session


def test_saturday_new_year_closes_nothing_else():
    """A year's holidays lie in that year: 2021 keeps its last Friday."""
    assert all(day.year == year for year in range(1999, 2066) for day in holidays.new_york(year))


@pytest.mark.parametrize("exchange", [NEW_YORK, LONDON], ids=["New York", "London"])
@pytest.mark.parametrize("unknown", [date(1999, 10, 29), date(1999, 11, 1), date(2065, 2, 1)])
def test_day_outside_known_years_is_named(unknown, exchange):
    """A date without a session before it is refused by name."""
    with pytest.raises(ValueError, match=str(unknown)):
        exchange.session_on_or_before(unknown)


@timeless
@given(SYMBOLS, SESSIONS)
def test_bar_is_same_whoever_asks(symbol, session):
    """One session alone, and within a series, gives the same bar, from two objects that share nothing."""
    alone = Stock(7, symbol).bar(session)
    assert Stock(7, symbol).bars(session - 1, session + 3)[1] == alone
    assert Stock(8, symbol).bars(session, session + 5) != Stock(7, symbol).bars(session, session + 5)


@timeless
@given(SYMBOLS, SESSIONS)
def test_a_bar_is_consistent(symbol, session):
    """High and low bound open and close, everything is positive, and a cent is the unit from 1.00 on."""
    bar = Stock(1, symbol).bar(session)
    assert 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
    assert bar.volume > 0
    assert all(price < 10_000 or price % 100 == 0 for price in (bar.open, bar.high, bar.low, bar.close))


@timeless
@given(SYMBOLS)
def test_prices_walk_like_prices(symbol):
    """Over two years no day moves by a quarter but for a split, and most days move."""
    bars = Stock(1, symbol).bars(3000, 3500)
    pairs = list(pairwise(bars))
    assert all(abs(after.close * after.split / before.close - 1) < 0.25 for before, after in pairs if before.close > 5)
    assert sum(after.close != before.close for before, after in pairs) > len(pairs) * 0.4


def test_symbols_differ():
    """A thousand symbols have about a thousand prices."""
    market = Market(1)
    assert len({market.stock(f"S{number}").bar(5000).close for number in range(1000)}) > 800


def test_some_companies_pay_and_some_split():
    """Dividends come each quarter to some companies, splits are rare, and both kinds of company exist."""
    histories = [Stock(1, f"S{number}").bars(0, 4000) for number in range(25)]
    paying = [sum(bar.dividend > 0 for bar in bars) for bars in histories]
    splits = [sum(bar.split != 1 for bar in bars) for bars in histories]
    assert {count for count in paying if count} <= {63, 64}
    assert 0 in paying
    assert 0 < sum(splits) / len(splits) < 6
    assert all(bar.dividend < bar.close * 0.02 + 100 for bars in histories for bar in bars)


@timeless
@given(st.integers(200, 6000))
def test_only_raw_prices_jump_at_splits(last):
    """Every compact series of a splitting symbol holds a split, seen in the raw closes only."""
    bars = Stock(1, f"{SPLITTING_PREFIX}1").bars(last - 99, last)
    adjusted = adjusted_closes(bars)
    at = [number for number, bar in enumerate(bars) if bar.split != 1 and number]
    assert at
    for number in at:
        split = bars[number].split
        assert not 0.85 < bars[number].close / bars[number - 1].close < 1.15
        assert bars[number].close / bars[number - 1].close == pytest.approx(1 / split, rel=0.15)
        assert adjusted[number] / adjusted[number - 1] == pytest.approx(1, abs=0.15)


def bar(close: str, dividend: str = "0", split: float = 1.0) -> Bar:
    ticks = int(Decimal(close) * 10_000)
    return Bar(1, NEW_YORK.sessions[1], ticks, ticks, ticks, ticks, 1, int(Decimal(dividend) * 10_000), split)


def test_adjusted_closes_by_hand():
    """A dividend of 2 on a day that closes at 98 scales what was before by 0.98; a 4-for-1 split by a quarter more."""
    assert adjusted_closes([bar("100"), bar("98", "2"), bar("25", split=4)]) == pytest.approx([24.5, 24.5, 25])
    assert adjusted_closes([bar("100"), bar("24.5", "0.5", split=4)]) == pytest.approx([24.5, 24.5])
    assert adjusted_closes([bar("7")]) == [7]
