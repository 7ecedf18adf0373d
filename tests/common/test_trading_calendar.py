"""Which session is the latest completed one: exchanges, closes, half days, holidays, and what no calendar knows."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.trading_calendar import EXCHANGES, UNKNOWN, Session, exchange_of, known_sessions, latest_session
from common.values import Symbol
from sandbox import trading_days

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # between the library and pandas

HOUR = timedelta(hours=1)
ROOT = Path(__file__).resolve().parents[2]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def latest(symbol: str, moment: str, grace: timedelta = timedelta()) -> str:
    return latest_session(Symbol(symbol), at(moment), grace).day.isoformat()


@pytest.mark.parametrize(
    ("symbol", "exchange"),
    [
        ("IBM", "XNYS"),
        ("BRK-B", "XNYS"),
        ("BRK.B", "XNYS"),
        ("BF.A", "XNYS"),
        ("TSCO.LON", "XLON"),
        ("ERIC-B.STO", "XSTO"),
        ("SHOP.TRT", "XTSE"),
        ("GPV.TRV", "XTSE"),
        ("MBG.DEX", "XETR"),
        ("RELIANCE.BSE", "XBOM"),
        ("600104.SHH", "XSHG"),
        ("000002.SHZ", "XSHG"),
        ("X.QQQ", UNKNOWN),
        ("X.DE", UNKNOWN),
        ("RDS.A.LON", "XLON"),
    ],
)
def test_the_suffix_names_the_exchange(symbol: str, exchange: str):
    """No suffix, or a single letter for a class of shares, is the US; a suffix that nobody knows is no exchange."""
    assert exchange_of(Symbol(symbol)) == exchange


def test_every_exchange_has_a_calendar():
    """Each code of the table is one that the library knows, and its sessions are those of a real week."""
    for suffix in EXCHANGES:
        assert latest(f"X.{suffix}", "2026-11-14 12:00") == "2026-11-13", suffix


@pytest.mark.parametrize(
    ("symbol", "moment", "day"),
    [
        ("IBM", "2026-10-05 19:59:59", "2026-10-02"),
        ("IBM", "2026-10-05 20:00", "2026-10-05"),
        ("IBM", "2026-10-04 12:00", "2026-10-02"),
        ("TSCO.LON", "2026-10-05 15:29:59", "2026-10-02"),
        ("TSCO.LON", "2026-10-05 15:30", "2026-10-05"),
        ("T.TYO", "2026-10-05 06:30", "2026-10-05"),
        ("RELIANCE.BSE", "2026-10-05 09:59:59", "2026-10-01"),
    ],
)
def test_session_is_complete_at_its_close(symbol: str, moment: str, day: str):
    """Up to its exchange's close a session does not count, from there on it does; weekends have none."""
    assert latest(symbol, moment) == day


def test_a_late_publication_is_granted():
    """With a grace the session counts that much later, and the session still says when it closed."""
    assert latest("IBM", "2026-10-05 20:59:59", HOUR) == "2026-10-02"
    session = latest_session(Symbol("IBM"), at("2026-10-05 21:00"), HOUR)
    assert session == Session("XNYS", date(2026, 10, 5), at("2026-10-05 20:00"))


@pytest.mark.parametrize(
    ("symbol", "moment", "day"),
    [
        ("IBM", "2026-11-27 17:59:59", "2026-11-25"),  # Thanksgiving is none, the day after it ends at 13:00
        ("IBM", "2026-11-27 18:00", "2026-11-27"),
        ("TSCO.LON", "2026-12-24 12:30", "2026-12-24"),
        ("TSCO.LON", "2026-12-28 23:00", "2026-12-24"),  # Boxing Day is on a Saturday, and kept on Monday
        ("IBM", "2026-12-28 23:00", "2026-12-28"),
        ("600104.SHH", "2026-10-05 12:00", "2026-09-30"),  # the week of the National Day
        ("T.TYO", "2026-11-03 12:00", "2026-11-02"),  # Culture Day
        ("T.TYO", "2024-12-31 12:00", "2024-12-30"),  # the year's last day is none, and the last one that was asked for
    ],
)
def test_half_days_and_holidays(symbol: str, moment: str, day: str):
    """An early close completes the session early, and a holiday of one exchange is none of another's."""
    assert latest(symbol, moment) == day


@pytest.mark.parametrize(
    ("symbol", "moment", "day"),
    [
        ("IBM", "2026-03-06 20:30", "2026-03-05"),
        ("IBM", "2026-03-09 20:30", "2026-03-09"),
        ("TSCO.LON", "2026-10-23 15:45", "2026-10-23"),
        ("TSCO.LON", "2026-10-26 15:45", "2026-10-23"),
    ],
)
def test_summer_time_moves_the_close(symbol: str, moment: str, day: str):
    """The close is local: an hour earlier or later in UTC when the clocks change."""
    assert latest(symbol, moment) == day


def test_new_year_has_last_years_session():
    """Before the year's first close the latest session is the last one of the year before."""
    assert latest("IBM", "2027-01-01 12:00") == "2026-12-31"
    assert latest("600104.SHH", "2026-12-31 23:59") == "2026-12-31"


def test_unknown_years_count_each_weekday():
    """Where the holidays of a year are not recorded, weekdays are taken for sessions, with the usual close."""
    assert latest("RELIANCE.BSE", "2031-03-21 09:59") == "2031-03-20"
    assert latest("RELIANCE.BSE", "2031-03-21 10:00") == "2031-03-21"
    assert latest("RELIANCE.BSE", "2031-03-23 12:00") == "2031-03-21"


def test_unknown_exchange_is_never_closed():
    """With a strange suffix every day counts as soon as it begins, so no session can be missed."""
    assert latest("X.QQQ", "2026-10-04 00:00") == "2026-10-04"
    assert latest("X.QQQ", "2026-10-04 00:00", HOUR) == "2026-10-03"


def test_moment_without_zone_is_refused():
    """A naive moment is an error and not a guess."""
    with pytest.raises(TypeError, match="no time zone"):
        latest_session(Symbol("IBM"), datetime(2026, 10, 5))  # noqa: DTZ001  the case in question


moments = st.datetimes(
    datetime(2025, 1, 1),  # noqa: DTZ001  the strategy adds the zone
    datetime(2027, 12, 31),  # noqa: DTZ001  the strategy adds the zone
    timezones=st.sampled_from([UTC, ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata")]),
)
symbols = st.sampled_from([Symbol(f"X.{suffix}") for suffix in ("LON", "BSE", "SHH", "TYO", "QQQ")] + [Symbol("X")])
graces = st.timedeltas(timedelta(), timedelta(hours=30))


@settings(max_examples=400, deadline=None)
@given(symbols, moments, moments, graces)
def test_never_in_future_and_never_back(symbol: Symbol, one: datetime, other: datetime, grace: timedelta):
    """A completed session closed before the moment, and a later moment never has an earlier session."""
    earlier, later = sorted((one, other))
    before, after = (latest_session(symbol, moment, grace) for moment in (earlier, later))
    assert before.closed_at <= earlier - grace
    assert after.closed_at <= later - grace
    assert before.day <= after.day
    assert before.closed_at <= after.closed_at
    assert earlier - grace - before.closed_at < timedelta(days=13)  # the longest closure of these years


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["IBM", "TSCO.LON"]), st.dates(date(2024, 1, 1), date(2027, 12, 31)))
def test_sessions_as_another_source_has_them(symbol: str, day: date):
    """Late in the evening the session is the one that the sandbox's own rules, written apart, say."""
    moment = datetime(day.year, day.month, day.day, 22, 30, tzinfo=UTC)
    exchange = trading_days.exchange_of(symbol)
    assert latest_session(Symbol(symbol), moment).day == exchange.sessions[exchange.latest_session(moment)]


@pytest.mark.parametrize("symbol", ["IBM", "TSCO.LON"])
def test_all_sessions_as_another_source(symbol: str):
    """From 1999 on the sessions of an exchange are those that the sandbox's own rules say."""
    first, last = date(1999, 11, 1), date(2026, 10, 5)
    expected = [day for day in trading_days.exchange_of(symbol).sessions if first <= day <= last]
    assert list(known_sessions(exchange_of(Symbol(symbol)), first, last)) == expected


@pytest.mark.parametrize("exchange", EXCHANGES.values())
def test_no_session_beyond_the_calendar(exchange: str):
    """Each calendar says its sessions from its first day on, and those of a year as far as it knows them."""
    sessions = known_sessions(exchange, date(1999, 11, 1), date(2027, 12, 31))
    assert sessions[0] < date(1999, 11, 3)
    assert date(2026, 12, 20) < sessions[-1] <= date(2027, 12, 31)


def test_library_is_imported_lazily():
    """Importing the module, and naming an exchange, costs no import of pandas."""
    code = (
        "import sys; from common.values import Symbol; from common.trading_calendar import exchange_of; "
        "exchange_of(Symbol('IBM')); print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "False\n"
