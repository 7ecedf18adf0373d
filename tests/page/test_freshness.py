"""Which session is expected, and how far behind a symbol is: as the pipeline's own calendar has it."""

from datetime import UTC, date, datetime, timedelta
from threading import Event

import pytest

from common.trading_calendar import EXCHANGES as SUFFIXES
from common.trading_calendar import NEW_YORK, exchange_of, latest_session, sessions_after
from common.values import Symbol
from local.temporary import wait_until
from plugins.market.calendars import Sessions, read_sessions
from plugins.market.exchanges import EXCHANGES
from plugins.market.freshness import Calendars, Freshness

GRACE = timedelta(hours=1)
SYMBOLS = [Symbol("IBM"), Symbol("TSCO.LON"), Symbol("7203.TYO"), Symbol("0700.HKG")]


@pytest.fixture(scope="module")
def sessions() -> Sessions:
    """What the program says, in a process of its own."""
    return read_sessions(2026)


def known(sessions: Sessions, moment: datetime) -> Calendars:
    calendars = Calendars(GRACE, read=lambda year: sessions, clock=lambda: moment)
    calendars.warm_up()
    wait_until(calendars.expected, "the calendars are there")
    return calendars


@pytest.mark.parametrize("moment", ["2026-01-01T00:00", "2026-07-03T21:30", "2026-11-27T18:30", "2026-11-28T12:00"])
def test_as_the_pipeline_has_it(sessions, moment):
    """Expected and behind are what the runs go by, on holidays, half days and weekends too."""
    now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    calendars = known(sessions, now)
    for symbol in SYMBOLS:
        latest = latest_session(symbol, now, GRACE)
        assert calendars.expected()[exchange_of(symbol)] == latest
        for days in (0, 1, 5, 40, 300):
            day = latest.day - timedelta(days=days)
            assert calendars.judge(symbol, day).behind == sessions_after(day, latest)


def test_freshness_of_a_symbol(sessions):
    """A symbol without a row, of a strange exchange, at its session, ahead of it, and behind."""
    calendars = known(sessions, datetime(2026, 11, 28, 12, tzinfo=UTC))
    friday = date(2026, 11, 27)
    assert calendars.judge(Symbol("IBM"), None) == Freshness(friday, None, "never")
    assert calendars.judge(Symbol("A.XX"), friday) == Freshness(None, None, "unknown")
    assert calendars.judge(Symbol("IBM"), friday) == Freshness(friday, 0, "fresh")
    assert calendars.judge(Symbol("IBM"), date(2026, 11, 30)).state == "fresh"
    assert calendars.judge(Symbol("IBM"), date(2026, 11, 25)) == Freshness(friday, 1, "stale")  # over Thanksgiving


def test_nobody_waits_for_calendars(caplog):
    """Before they are there, and where they never come, nothing is expected, and the log says why."""
    hold = Event()

    def never(year: int) -> Sessions:
        hold.wait(30)
        raise OSError("no process")

    calendars = Calendars(GRACE, read=never)
    calendars.warm_up()
    assert calendars.judge(Symbol("IBM"), date(2026, 11, 27)) == Freshness(None, None, "unknown")
    hold.set()
    wait_until(lambda: "does not say what is stale" in caplog.text, "the log says why")
    assert calendars.expected() == {}


def test_a_failure_is_no_end(caplog):
    """Calendars that could not be read once are read again, by whoever asks after a while."""
    closed = (date(2026, 11, 27), datetime(2026, 11, 27, 18, tzinfo=UTC))
    answers = iter([OSError("no process"), {"XNYS": [closed]}])

    def read(year: int) -> Sessions:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    calendars = Calendars(GRACE, read=read, clock=lambda: datetime(2026, 11, 28, tzinfo=UTC), retry_s=0)
    calendars.warm_up()
    wait_until(lambda: "they are read again in 0 s" in caplog.text, "the log says what follows")
    wait_until(calendars.expected, "the calendars are there after all")
    assert calendars.judge(Symbol("IBM"), date(2026, 11, 27)).state == "fresh"


def test_every_exchange_has_a_name():
    """Each exchange that a symbol can have is shown with a name, a time zone and a unit."""
    assert set(EXCHANGES) == {NEW_YORK, *SUFFIXES.values()}
