"""Daily bars day after day, on real services: no session is missed, and no call is made in vain."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta

import pytest

from common.errors import Retryable, SymbolFailed
from common.values import OutcomeStatus, Symbol
from sandbox.running import RunningSandbox
from sandbox.trading_days import exchange_of
from tests.support.days import Days
from tests.support.limiter_clock import ClockedRedis
from tests.support.market import Market
from workers.pipeline.feeds import FIRST, HISTORY

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # between exchange_calendars and pandas

START = datetime(2026, 8, 27, 0, 0, 5, tzinfo=UTC)
LONDON_RESTS, NEW_YORK_RESTS = date(2026, 8, 31), date(2026, 9, 7)
#: Sunday: a weekend's quota has brought what waited on Friday.
LAST_DAY = date(2026, 9, 13)
LONG_AGO = datetime(2026, 3, 3, 0, 0, 5, tzinfo=UTC)
DEFAULT = ["AAPL", "GOOGL", "IBM", "MSFT"]
FREE, PREMIUM = {"quota": "25/day"}, {"plan": "premium75"}

Pipeline = Callable[..., Days]


@pytest.fixture
def pipeline(
    environment: dict[str, str], market: Market, sandbox: RunningSandbox, clocked: ClockedRedis
) -> Iterator[Pipeline]:
    """Open pipelines: on a plan that the sandbox enforces, and that the pipeline goes by, from a moment on."""
    with ExitStack() as stack:

        def opened(plan: dict[str, str], start: datetime = START, **changes: str) -> Days:
            quota = {"ALPHA_VANTAGE_QUOTA": f"100/s,{plan['quota']}"} if "quota" in plan else {}
            plain = {name: value for name, value in environment.items() if name != "ALPHA_VANTAGE_QUOTA"}
            days = Days(plain | quota | changes, market, sandbox, clocked, plan=plan, start=start)
            stack.enter_context(days.wiring)
            return days

        yield opened


def missing(days: Days, symbols: Sequence[str], since: date) -> list[tuple[str, date]]:
    """Return what is not stored of the sessions that each symbol's exchange had since then, by the sandbox's rules."""
    stored = set(days.market.query("SELECT symbol, session FROM daily_bars"))
    return [
        (symbol, session)
        for symbol in symbols
        for session in exchange_of(symbol).sessions
        if since <= session <= days.yesterday and (symbol, session) not in stored
    ]


def asked_for(days: Days) -> Counter[str]:
    """Count what was answered of daily bars by how much was asked for."""
    asked = "SELECT params ->> 'outputsize', count(*) FROM raw_replies WHERE function = 'TIME_SERIES_DAILY' GROUP BY 1"
    return Counter(dict(days.market.query(asked)))


@pytest.mark.parametrize(("quotes_from", "calls"), [("bars", 4), ("quote", 8)])
def test_four_symbols_cost_few_calls(pipeline: Pipeline, quotes_from: str, calls: int):
    """The default symbols cost four calls a day, or eight where each quote is asked for; a second run costs none."""
    days = pipeline(FREE, QUOTES_FROM=quotes_from)
    for day in ("thursday", "friday", "saturday"):
        before = days.calls.total()
        for run in (day, f"{day} again"):
            for feed in (FIRST, HISTORY):
                days.run(run, feed=feed)
            assert days.calls.total() - before == calls
        days.next_day()
    assert {quote.symbol for quote in days.wiring.store.quotes()} == set(DEFAULT)
    assert missing(days, DEFAULT, date(2026, 6, 1)) == []
    days.next_day()
    assert days.run("monday").fetch == days.run("monday", feed=HISTORY).fetch == ()
    assert days.market.violations() == []


class Expected:
    """What a universe is behind with, told by the sandbox's calendar and what was fetched."""

    def __init__(self, symbols: Sequence[str]) -> None:
        self.symbols = [Symbol(symbol) for symbol in symbols]
        self.newest: dict[Symbol, date] = {}
        self.calls: dict[date, set[Symbol]] = {}

    def behind(self, day: date) -> set[Symbol]:
        """Return the symbols whose exchange has had a session by that day that is not fetched."""
        return {symbol for symbol in self.symbols if self.newest.get(symbol) != newest_session(symbol, day)}

    def fetched(self, symbols: Iterable[Symbol], day: date) -> None:
        self.calls[day] = set(symbols)
        self.newest |= {symbol: newest_session(symbol, day) for symbol in symbols}


def newest_session(symbol: Symbol, day: date) -> date:
    exchange = exchange_of(symbol)
    return exchange.sessions[exchange.session_on_or_before(day)]


def run_day(days: Days, expected: Expected, limit: int, waiting: set[Symbol]) -> set[Symbol]:
    """Run both feeds; return who waits. Each call brings a new session, and whoever waited is asked for first."""
    behind = expected.behind(days.yesterday)
    [(now,)] = days.market.query("SELECT clock_timestamp()")
    made = days.calls.copy()
    plan = days.run(str(days.yesterday))
    fetched = set(plan.fetch)
    assert fetched <= behind
    assert len(fetched) == min(limit, len(behind))
    assert set(plan.fetch[: len(waiting)]) <= waiting
    assert {left.symbol for left in plan.postpone} == behind - fetched
    assert days.run(str(days.yesterday), feed=HISTORY).fetch == ()
    assert days.calls - made == Counter(plan.fetch)
    brought = days.market.query("SELECT DISTINCT symbol FROM daily_bars WHERE created_at >= %s", now)
    assert {symbol for (symbol,) in brought} == fetched
    expected.fetched(fetched, days.yesterday)
    return behind - fetched


@pytest.mark.timeout(400)  # 1,500 calls
def test_two_hundred_symbols_of_two_exchanges(pipeline: Pipeline):
    """Where a day reaches 90 of them, each call brings a new session, a holiday costs none, and none is missed."""
    symbols = [f"S{number:03}{suffix}" for number in range(100) for suffix in ("", ".LON")]
    days = pipeline({"quota": "90/day"}, QUOTES_FROM="bars", STOCK_SYMBOLS=",".join(symbols))
    expected = Expected(symbols)
    waiting = run_day(days, expected, 90, set())
    while days.yesterday < LAST_DAY:
        days.next_day()
        waiting = run_day(days, expected, 90, waiting)
    assert waiting == set()
    assert missing(days, symbols, START.date()) == []
    for day, london in ((LONDON_RESTS, False), (NEW_YORK_RESTS, True)):
        assert [symbol.endswith(".LON") for symbol in expected.calls[day]] == [london] * 90
    assert days.market.violations() == []


@pytest.mark.parametrize("faults", ["", "http503:1"], ids=["no run", "the provider is down"])
def test_week_of_outage_loses_no_session(pipeline: Pipeline, faults: str):
    """After a week without a run, or of failures alone, one call a symbol brings all the sessions of that week."""
    symbols = [*DEFAULT, "TSCO.LON", "BP.LON"]
    days = pipeline(FREE, QUOTES_FROM="bars", API_ATTEMPTS="1", QUOTA_WAIT_IN_PLACE="0")
    days.run("before", symbols)
    days.sandbox.change("faults", faults=faults)
    for day in range(7):
        days.next_day()
        if faults:
            days.run(f"day {day}", symbols, expected=(Retryable,))
    days.sandbox.change("faults", faults="")
    days.next_day()
    before = days.calls.copy()
    days.run("after", symbols)
    assert days.calls - before == Counter(symbols)
    assert days.statuses("after") == {OutcomeStatus.STORED: len(symbols)}
    assert missing(days, symbols, START.date()) == []


def test_the_quotes_find_their_calls(pipeline: Pipeline):
    """However early or late the history runs, it leaves the next run of the quotes a call for each symbol."""
    symbols = [f"S{number:02}" for number in range(20)]
    days = pipeline(FREE, STOCK_SYMBOLS=",".join(symbols))
    assert len(days.run("before the quotes", feed=HISTORY).fetch) == 5
    assert len(days.run("day 0").fetch) == 20
    for day in (1, 2):
        days.next_day()
        assert len(days.run(f"day {day}").fetch) == 20
        days.later(timedelta(hours=9))
        plan = days.run(f"day {day}", feed=HISTORY)
        assert (len(plan.fetch), len(plan.postpone)) == (5, 20 - 5)
    assert days.calls.total() == 3 * 25


def test_a_weekend_reserves_nothing(pipeline: Pipeline):
    """While no session ends within a day the quotes need no call, and the history has all; by Monday it has not."""
    symbols = [f"S{number:02}" for number in range(20)]
    days = pipeline(FREE, STOCK_SYMBOLS=",".join(symbols))
    days.next_day(2)
    assert len(days.run("saturday").fetch) == 20
    days.next_day()
    assert days.run("sunday").fetch == ()
    assert len(days.run("sunday", feed=HISTORY).fetch) == 20
    days.next_day()
    others = [f"T{number:02}" for number in range(20)]
    assert len(days.run("monday", others, feed=HISTORY).fetch) == 5


def test_universe_of_whole_day_keeps_it(pipeline: Pipeline):
    """Where the quotes use the whole day the history gets no call, and it says when it could."""
    symbols = [f"S{number:02}" for number in range(30)]
    days = pipeline(FREE, STOCK_SYMBOLS=",".join(symbols))
    for day in ("thursday", "friday"):
        plan = days.run(f"{day} early", feed=HISTORY)
        assert (plan.fetch, len(plan.postpone)) == ((), 30)
        assert all(left.retry_at and left.retry_at > days.moment for left in plan.postpone)
        assert len(days.run(day).fetch) == 25
        assert days.run(day, feed=HISTORY).fetch == ()
        days.next_day()


def test_all_bars_are_asked_for_once(pipeline: Pipeline):
    """On a premium plan a symbol's first reply is the whole series; afterwards the last hundred sessions are enough."""
    days = pipeline(PREMIUM, ALPHA_VANTAGE_PLAN="premium75")
    symbols = ["IBM", "TSCO.LON"]
    assert days.run("first", symbols, feed=HISTORY).instead == {}
    assert asked_for(days) == {"full": 2}
    assert missing(days, symbols, date(1999, 11, 1)) == []
    days.next_day()
    assert set(days.run("second", symbols, feed=HISTORY).instead.values()) == {"daily_bars"}
    assert days.run("second again", symbols, feed=HISTORY).fetch == ()
    assert asked_for(days) == {"full": 2, "compact": 2}
    assert days.calls.total() == 4
    assert missing(days, symbols, date(1999, 11, 1)) == []


@pytest.mark.parametrize(("pause", "size"), [(140, "compact"), (150, "full")])
def test_a_long_gap_is_filled(pipeline: Pipeline, pause: int, size: str):
    """After a pause of more than a hundred sessions the whole series is asked for again, after a shorter one not."""
    days = pipeline(PREMIUM, ALPHA_VANTAGE_PLAN="premium75", start=LONG_AGO)
    days.run("first", ["IBM"], feed=HISTORY)
    days.next_day(pause)
    days.run("after", ["IBM"], feed=HISTORY)
    assert asked_for(days) == Counter(["full", size])
    assert missing(days, ["IBM"], date(1999, 11, 1)) == []


def test_an_unknown_symbol_costs_one_call(pipeline: Pipeline):
    """What the provider does not know it knows no part of either: it is not asked for the last sessions instead."""
    days = pipeline(PREMIUM, ALPHA_VANTAGE_PLAN="premium75")
    for day in range(7):
        days.run(f"day {day}", ["NOSUCH1"], feed=HISTORY, expected=(SymbolFailed,))
        assert days.statuses(f"history:day {day}") == {OutcomeStatus.FAILED: 1}
        days.next_day()
    assert days.calls == {"NOSUCH1": 1}


def test_key_without_right_is_told_once(pipeline: Pipeline, caplog: pytest.LogCaptureFixture):
    """Refused whole series cost one call: the same run turns to the last hundred sessions, and no symbol fails."""
    days = pipeline({"quota": "500/day"}, FULL_HISTORY="on")
    days.run("first", feed=HISTORY)
    assert days.statuses("history:first") == {OutcomeStatus.STORED: len(DEFAULT)}
    assert days.calls.total() == len(DEFAULT) + 1
    assert [record.levelname for record in caplog.records if "does not cover" in record.message] == ["WARNING"]
    assert missing(days, DEFAULT, date(2026, 6, 1)) == []
    assert days.run("first again", feed=HISTORY).fetch == ()
    days.next_day()
    days.run("second", feed=HISTORY)
    assert days.calls.total() == 2 * len(DEFAULT) + 1
    days.next_day(7)
    days.run("after a week", feed=HISTORY)
    assert days.calls.total() == 3 * len(DEFAULT) + 2
    assert days.statuses("history:after a week") == {OutcomeStatus.STORED: len(DEFAULT)}
