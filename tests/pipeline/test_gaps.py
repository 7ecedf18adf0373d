"""Gaps in the bars, on a real PostgreSQL, and with a provider that leaves sessions out."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import count

import pytest

from common.datasets import daily_bars
from common.trading_calendar import known_sessions
from common.values import Outcome, Symbol
from sandbox.running import RunningSandbox
from tests.support.days import DAY, Days
from tests.support.limiter_clock import ClockedRedis
from tests.support.market import Market
from tests.support.rows import bar, outcome
from workers.pipeline.feeds import HISTORY
from workers.pipeline.gaps import GapCounts, find_gaps
from workers.wiring import Wiring

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # between exchange_calendars and pandas

GAPS = "SELECT symbol, first_session, last_session, state, answers FROM bar_gaps ORDER BY symbol, first_session"
#: Of New York: 300 sessions up to Monday.
SESSIONS = known_sessions("XNYS", date(2025, 7, 28), date(2026, 10, 5))
NOW = datetime(2026, 10, 6, tzinfo=UTC)
RUNS = count()
HOLE = "FAULT-HOLE"
#: The session that the provider leaves out, in August.
LEFT_OUT = date(2026, 8, 3)


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """A key that may ask for whole series."""
    plain = {name: value for name, value in environment.items() if name != "ALPHA_VANTAGE_QUOTA"}
    return plain | {"ALPHA_VANTAGE_PLAN": "premium75"}


def save(wiring: Wiring, symbol: str, sessions: Sequence[date], dataset: str = "full_history") -> None:
    """Store bars as the answer of a dataset."""
    line: Outcome = outcome(symbol, run_id=f"run {next(RUNS)}", dataset=dataset)
    wiring.store.save({daily_bars.TABLE: [bar(symbol, session=session) for session in sessions]}, [line])


def look(wiring: Wiring, *symbols: str) -> GapCounts:
    return find_gaps(wiring, map(Symbol, symbols), NOW)


def without(*places: int) -> list[date]:
    return [session for place, session in enumerate(SESSIONS) if place not in places]


def test_gaps_lie_between_two_bars(wiring, market):
    """Runs of missing sessions are gaps; weekends, holidays and what lies before the first bar are none."""
    save(wiring, "IBM", without(0, 1, 5, 6, 9, 299))
    save(wiring, "WHOLE", SESSIONS)
    assert look(wiring, "IBM", "WHOLE", "UNSEEN").states == {"open": 2}
    first, second = (SESSIONS[5], SESSIONS[6]), (SESSIONS[9], SESSIONS[9])
    assert market.query(GAPS) == [("IBM", *first, "open", 1), ("IBM", *second, "open", 1)]


def test_an_unknown_exchange_has_no_gaps(wiring):
    """Of a suffix that is not known nobody knows the sessions, and a text that is no symbol has none."""
    save(wiring, "IBM.XYZ", without(5, 6))
    assert look(wiring, "IBM.XYZ").looked_at == 0


def test_nothing_new_is_not_looked_at(wiring, market):
    """Without a new answer nothing is read, and no gap gets another answer, however often one looks."""
    save(wiring, "IBM", without(5, 299))
    assert look(wiring, "IBM").looked_at == 1
    rows = market.query("SELECT *, xmin FROM bar_gaps")
    assert look(wiring, "IBM") == GapCounts(0, {}, 0)
    save(wiring, "IBM", SESSIONS[-1:], "daily_bars")
    assert look(wiring, "IBM").looked_at == 1
    assert market.query("SELECT *, xmin FROM bar_gaps") == rows


def test_a_compact_answer_limits_the_look(wiring, market):
    """Where nothing was missing, the last hundred bars tell what a compact series brought; a gap in it is found."""
    save(wiring, "IBM", SESSIONS[:-5])
    look(wiring, "IBM")
    market.query("DELETE FROM daily_bars WHERE session = %s", SESSIONS[50])
    save(wiring, "IBM", SESSIONS[-3:], "daily_bars")
    assert look(wiring, "IBM").states == {"open": 1}
    assert market.query(GAPS) == [("IBM", SESSIONS[-5], SESSIONS[-4], "open", 1)]


def test_bars_that_come_repair(wiring, market):
    """A gap that is filled is repaired, and what is missing of it still is a gap of its own."""
    save(wiring, "IBM", without(5, 6, 7))
    look(wiring, "IBM")
    save(wiring, "IBM", SESSIONS[5:6])
    assert look(wiring, "IBM").states == {"open": 1, "repaired": 1}
    assert [row[1:4] for row in market.query(GAPS)] == [
        (SESSIONS[5], SESSIONS[5], "repaired"),
        (SESSIONS[6], SESSIONS[7], "open"),
    ]
    save(wiring, "IBM", SESSIONS[:9])
    assert look(wiring, "IBM").states == {"repaired": 1}
    assert market.query("SELECT count(*) FROM bar_gaps WHERE state = 'repaired' AND ask_again_at IS NULL") == [(2,)]


def test_a_list_of_companies_explains(wiring, market):
    """Where the last list says that a company was listed at the end of a gap, no call is worth it."""
    market.query(
        "INSERT INTO listings (symbol, name, exchange, asset_type, ipo_date, status, first_seen, last_seen) "
        "SELECT symbol, '', 'NYSE', 'Stock', %s, 'Active', now(), now() FROM (VALUES ('IBM'), ('OTHER')) AS s (symbol)",
        SESSIONS[8],
    )
    save(wiring, "IBM", without(5, 6, 7))
    assert look(wiring, "IBM").states == {"before_listing": 1}
    assert market.query("SELECT answers, asked_at, ask_again_at FROM bar_gaps") == [(0, None, None)]


def test_a_lost_day_is_one_finding(wiring, market, caplog):
    """A session that many symbols lack is one row and one warning, and no gap of theirs; it is resolved in time."""
    symbols = [f"S{number}" for number in range(20)]
    save(wiring, symbols[0], without(5))
    look(wiring, symbols[0])
    for number, symbol in enumerate(symbols[1:]):
        save(wiring, symbol, without(5, 9) if number == 0 else without(5) if number < 10 else SESSIONS)
    for symbol in symbols[:1]:
        save(wiring, symbol, SESSIONS[-2:], "daily_bars")
    counts = look(wiring, *symbols)
    assert (counts.states, counts.missing_sessions) == ({"open": 1}, 1)
    assert market.query(GAPS) == [("S1", SESSIONS[9], SESSIONS[9], "open", 1)]
    found = "SELECT exchange, session, missing, symbols, resolved_at IS NULL FROM missing_sessions"
    assert market.query(found) == [("XNYS", SESSIONS[5], 11, 20, True)]
    assert [record.message for record in caplog.records if "lack" in record.message] == [
        f"11 of 20 symbols of XNYS lack {SESSIONS[5]}"
    ]
    for symbol in symbols:
        save(wiring, symbol, SESSIONS[1:])
    assert look(wiring, *symbols).missing_sessions == 0
    assert market.query(found) == [("XNYS", SESSIONS[5], 0, 20, False)]


def test_symbols_with_gaps_judge_nothing(wiring, market):
    """Of old sessions only symbols with gaps are looked at again; what two of these lack is not the exchange's."""
    whole, lacking = [f"W{number}" for number in range(25)], [f"G{number}" for number in range(20)]
    for number, symbol in enumerate(lacking):
        save(wiring, symbol, without(5 if number < 2 else 10 + 2 * number))
    for symbol in whole:
        save(wiring, symbol, SESSIONS)
    first = look(wiring, *whole, *lacking)
    for symbol in (*whole, *lacking):
        save(wiring, symbol, SESSIONS[-2:], "daily_bars")
    again = look(wiring, *whole, *lacking)
    assert first == again == GapCounts(45, {"open": 20}, 0)


@pytest.fixture
def days(environment: dict[str, str], market: Market, sandbox: RunningSandbox, clocked: ClockedRedis) -> Iterator[Days]:
    """A pipeline on a premium plan, from a Thursday in August on."""
    start = datetime(2026, 8, 27, 0, 0, 5, tzinfo=UTC)
    opened = Days(environment, market, sandbox, clocked, plan={"plan": "premium75"}, start=start)
    with opened.wiring:
        yield opened


def run(days: Days, name: str, *symbols: str) -> int:
    """Run the history and look for gaps, as the DAG does; return the number of calls."""
    before = days.calls.total()
    days.run(name, symbols, feed=HISTORY)
    find_gaps(days.wiring, map(Symbol, symbols), days.moment)
    return days.calls.total() - before


def test_a_session_that_never_comes(days):
    """What two answers a day apart leave out is absent, and asking for it again costs no call before a month."""
    assert run(days, "thursday", HOLE) == 1
    assert days.market.query(GAPS) == [(HOLE, LEFT_OUT, LEFT_OUT, "open", 1)]
    days.next_day()
    assert run(days, "friday", HOLE) == 1
    assert days.market.query(GAPS) == [(HOLE, LEFT_OUT, LEFT_OUT, "absent", 2)]
    again = "SELECT ask_again_at FROM bar_gaps"
    assert days.market.query(again) == [(days.moment + timedelta(days=30),)]
    assert run(days, "again", HOLE) == 0
    assert days.moment + 29 * DAY < days.market.query(again)[0][0]


def test_an_old_gap_is_repaired(days):
    """Sessions that are missing years ago bring the whole series once more, a day after the answer without them."""
    assert run(days, "thursday", "IBM", "MSFT") == 2
    days.market.query("TRUNCATE bar_gap_checks")
    days.market.query("DELETE FROM daily_bars WHERE symbol = 'IBM' AND session BETWEEN '2010-05-03' AND '2010-05-07'")
    assert run(days, "thursday again", "IBM", "MSFT") == 0
    assert days.market.query(GAPS) == [("IBM", date(2010, 5, 3), date(2010, 5, 7), "open", 1)]
    days.next_day()
    assert run(days, "friday", "IBM", "MSFT") == 2
    asked = "SELECT symbol, dataset FROM fetch_outcomes WHERE run_id = 'history:friday' ORDER BY 1"
    assert days.market.query(asked) == [("IBM", "full_history"), ("MSFT", "daily_bars")]
    assert days.market.query(GAPS) == [("IBM", date(2010, 5, 3), date(2010, 5, 7), "repaired", 1)]
    days.next_day()
    assert run(days, "saturday", "IBM", "MSFT") == 2
    assert days.market.query(asked.replace("friday", "saturday"))[0] == ("IBM", "daily_bars")


def test_a_hole_is_asked_for_alone(days):
    """On a day without a new session an open gap alone is worth a call, and one that is absent is not."""
    days.next_day()
    assert run(days, "friday", HOLE) == 1
    days.next_day()
    assert run(days, "saturday", HOLE) == 1
    days.market.query("UPDATE bar_gaps SET answers = 1, state = 'open'")
    days.market.query("UPDATE bar_gaps SET ask_again_at = %s", days.moment + DAY)
    days.next_day()
    assert run(days, "sunday", HOLE, "IBM") == 2
    assert days.market.query(GAPS) == [(HOLE, LEFT_OUT, LEFT_OUT, "absent", 2)]
    days.next_day()
    assert run(days, "monday", HOLE, "IBM") == 0
