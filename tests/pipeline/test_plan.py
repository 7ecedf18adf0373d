"""The plan on real services: a scarce quota is spent on each symbol once, and never in vain."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from common.errors import UnknownSymbol
from common.quota.forecast import QuotaForecast
from common.quota.limiter import Limiter
from common.quota.quota import Quota
from common.values import Outcome, OutcomeStatus, Symbol
from sandbox.running import RunningSandbox
from tests.support.days import DAY, Days
from tests.support.limiter_clock import ClockedRedis
from tests.support.market import Market
from workers.pipeline.report import report_run
from workers.pipeline.run import plan_run

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # between exchange_calendars and pandas

STORED, SKIPPED, POSTPONED = OutcomeStatus.STORED, OutcomeStatus.SKIPPED, OutcomeStatus.POSTPONED
FREE = {"quota": "25/day"}


@pytest.fixture
def clock(redis_url: str) -> Iterator[ClockedRedis]:
    with ClockedRedis.from_url(redis_url) as client:
        client.advance(0)
        yield client


@pytest.fixture
def days(environment, market: Market, sandbox: RunningSandbox, clock: ClockedRedis) -> Iterator[Days]:
    opened = Days(environment | {"ALPHA_VANTAGE_QUOTA": "1/s,25/day"}, market, sandbox, clock, plan=FREE)
    with opened.wiring:
        yield opened


def test_four_days_cover_a_hundred_symbols(days: Days):
    """On the free plan 25 symbols a day are fetched, each once, until all are stored: 100 calls, none refused."""
    symbols = [f"S{number:02}" for number in range(100)]
    for day in range(4):
        plan = days.run(f"day-{day}", symbols)
        assert len(plan.fetch) == 25
        assert days.statuses(f"day-{day}") == {STORED: 25, POSTPONED: 75}
        days.next_day()
    assert days.calls == Counter(symbols)
    assert {quote.symbol for quote in days.wiring.store.quotes()} == set(symbols)
    assert days.market.violations() == []


def test_second_run_makes_no_call(days: Days):
    """What is stored is skipped, what was postponed stays so, and the sandbox hears nothing."""
    symbols = [f"S{number:02}" for number in range(30)]
    days.run("morning", symbols)
    calls = days.calls.total()
    days.later(timedelta(hours=3))
    assert days.run("noon", symbols).fetch == ()
    assert days.calls.total() == calls == 25
    assert days.statuses("noon") == {SKIPPED: 25, POSTPONED: 5}
    report = report_run(days.wiring, "noon")
    assert not report.failed_too_many
    assert [line.split()[1] for line in report.lines()][:30] == 25 * ["skipped"] + 5 * ["postponed"]
    assert "25 skipped" in report.summary


def test_postponed_symbols_come_first_in_time(days: Days):
    """The next day begins with those that were postponed, and they could go at the moment that they were told."""
    symbols = [f"S{number:02}" for number in range(30)]
    said = {left.symbol: left.retry_at for left in days.run("monday", symbols).postpone}
    assert list(said) == symbols[25:]
    days.next_day()
    plan = days.run("tuesday", symbols)
    assert plan.fetch[:5] == tuple(said)
    assert all(days.moment - DAY < moment <= days.moment + timedelta(seconds=10) for moment in said.values())


def test_earlier_run_has_its_calls(days: Days):
    """Calls that open within the hour are planned, so that a rolling day costs no whole day."""
    symbols = [f"S{number:02}" for number in range(50)]
    days.run("monday", symbols)
    days.next_day()
    days.clock.advance(-20)
    assert days.wiring.limiter.usage().windows[-1].left == 0
    plan = plan_run(days.wiring, "tuesday", symbols, force=False, moment=days.moment)
    assert plan.fetch == tuple(symbols[25:])


def test_force_fetches_all_the_same(days: Days):
    """With force the symbols that are stored are fetched again, and no row changes."""
    days.run("first", ["IBM", "AAPL"])
    rows = days.market.query("SELECT symbol, price, xmin::text FROM stock_quotes ORDER BY 1")
    assert days.run("again", ["IBM", "AAPL"], force=True).fetch == ("AAPL", "IBM")
    assert days.calls == {"IBM": 2, "AAPL": 2}
    assert days.market.query("SELECT symbol, price, xmin::text FROM stock_quotes ORDER BY 1") == rows


def test_refused_symbol_costs_one_call_week(days: Days):
    """An unknown symbol makes the run red each day, at the price of one call."""
    with pytest.raises(UnknownSymbol):
        days.run("day-0", ["NOSUCH1"])
    days.date("day-0")
    for day in range(1, 7):
        days.next_day()
        assert days.run(f"day-{day}", ["NOSUCH1"]).fetch == ()
        report = report_run(days.wiring, f"day-{day}")
        assert report.failed_too_many
        assert "2026-10-06" in report.summary
    assert len(days.sandbox.entries()) == 1
    days.next_day()
    with pytest.raises(UnknownSymbol):
        days.run("day-7", ["NOSUCH1"])


def test_planning_again_changes_nothing(days: Days):
    """The plan task may be retried: it returns the same symbols and writes the same lines."""
    symbols = [f"S{number:02}" for number in range(30)]
    days.run("before", symbols[:3])
    plan = plan_run(days.wiring, "run", symbols, force=False, moment=days.moment)
    lines = days.market.query("SELECT symbol, status, reason, detail, retry_at, planned_at FROM fetch_outcomes")
    again = plan_run(days.wiring, "run", symbols, force=False, moment=days.moment)
    assert (again.fetch, again.settled, len(again)) == (plan.fetch, 8, 30)
    assert days.market.query("SELECT symbol, status, reason, detail, retry_at, planned_at FROM fetch_outcomes") == lines


def test_settled_symbol_is_not_planned_again(days: Days):
    """In the middle of a run a new plan holds what is open, and nothing that is stored, even with force."""
    plan_run(days.wiring, "run", ["A", "B", "C"], force=True, moment=days.moment)
    days.wiring.job.run("run", Symbol("A"))
    again = plan_run(days.wiring, "run", ["A", "B", "C"], force=True, moment=days.moment)
    assert again.fetch == ("B", "C")
    assert days.statuses("run") == {STORED: 1, OutcomeStatus.PLANNED: 2}


def test_new_plan_overrules_the_old(days: Days):
    """A symbol that was planned, and that the quota no longer reaches, is postponed in the same run."""
    plan_run(days.wiring, "run", ["A", "B"], force=False, moment=days.moment)
    days.wiring.limiter.hold_back(7200, "day used up")
    plan = plan_run(days.wiring, "run", ["A", "B"], force=False, moment=days.moment)
    assert plan.fetch == ()
    assert days.statuses("run") == {POSTPONED: 2}


def test_who_waits_for_day_postpones_nothing(environment, market, sandbox, clock):
    """With ON_DAILY_QUOTA=wait every symbol is planned, whatever the day's quota says."""
    changes = {"ALPHA_VANTAGE_QUOTA": "1/s,25/day", "ON_DAILY_QUOTA": "wait"}
    days = Days(environment | changes, market, sandbox, clock, plan=FREE)
    with days.wiring as wiring:
        symbols = [f"S{number:02}" for number in range(30)]
        assert len(plan_run(wiring, "run", symbols, force=False, moment=days.moment).fetch) == 30


def test_plan_rebuilds_a_lost_limiter(days: Days):
    """The plan needs no check before it: where Redis lost its data, the ledger of calls says what is left."""
    days.run("first", [f"S{number:02}" for number in range(20)])
    days.clock.flushdb()
    days.clock.set_clock(days.clock.microseconds)
    plan = plan_run(days.wiring, "second", [f"T{number:02}" for number in range(20)], force=False, moment=days.moment)
    assert (len(plan.fetch), len(plan.postpone)) == (5, 15)


def test_attempt_is_one_that_cost_call(days: Days):
    """A failure without a call, as in a halted run, leaves a postponed symbol its place in the line."""
    symbol = Symbol("IBM")
    store = days.wiring.store
    store.ledger.record_outcomes([Outcome("one", symbol, POSTPONED, "quota", retry_at=days.moment + DAY)])
    store.ledger.record_outcomes([Outcome("two", symbol, OutcomeStatus.FAILED, "run_halted")])
    attempt = store.ledger.last_attempts([symbol])[symbol]
    assert attempt.attempted_at is None
    assert attempt.postponed_at is not None


# The forecast: what the long windows leave

HOUR_S = 3600


def limiter_on(clock: ClockedRedis, quota: str) -> Limiter:
    clock.flushdb()
    clock.advance(0)
    limiter = Limiter(
        SecretStr(""), Quota.parse(quota), key=SecretStr("k"), cap_s=7, client=clock, monotonic=clock.monotonic
    )
    limiter.start_fresh()
    return limiter


def call(limiter: Limiter, clock: ClockedRedis, number: int) -> None:
    limiter.acquire(f"call-{number}")
    limiter.settle(f"call-{number}")
    clock.advance(1)


@pytest.mark.parametrize(
    ("quota", "made", "reach"),
    [
        ("1/s,25/day", 0, 25),
        ("1/s,25/day", 20, 5),
        ("1/s,25/day", 25, 0),
        ("2/s,75/min", 0, 10_000),  # a minute's window postpones nothing, however many wait
        ("1/min,5000/day", 0, 5000),  # nor does it where a day's window stands beside it
        ("1/s,30/hour", 30, 10_000),  # an hour is waited for
        ("1/s,10/2hour,25/day", 8, 2),
    ],
)
def test_only_long_windows_limit_a_plan(clock: ClockedRedis, quota: str, made: int, reach: int):
    """The long windows' calls are what can go in this run; short windows only slow it down."""
    limiter = limiter_on(clock, quota)
    for number in range(made):
        call(limiter, clock, number)
        clock.advance(5)
    assert QuotaForecast(limiter.usage).affordable(10_000) == reach


def test_a_hold_postpones_all(clock: ClockedRedis):
    """When the provider said that the day is used up, nothing is in reach until then, on any plan."""
    limiter = limiter_on(clock, "2/s,75/min")
    limiter.hold_back(2 * HOUR_S, "daily_quota")
    forecast = QuotaForecast(limiter.usage)
    assert forecast.affordable(10) == 0
    assert forecast.opens_at(10) == limiter.usage().hold_until
    limiter.hold_back(2 * HOUR_S, "daily_quota")
    clock.advance(1.5 * HOUR_S)
    assert QuotaForecast(limiter.usage).affordable(10) == 10


def test_who_waits_already_goes_first(clock: ClockedRedis):
    """Calls that others have a place for are not planned again."""
    limiter = limiter_on(clock, "1/s,25/day")
    limiter.acquire("out")
    for number in range(3):
        limiter.acquire(f"waiter-{number}")
    assert limiter.usage().waiting == 3
    assert QuotaForecast(limiter.usage).affordable(100) == 21


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 30_000), max_size=20), st.integers(1, 40))
def test_the_moments_are_the_limiters_own(clock: ClockedRedis, pauses: list[int], nth: int):
    """After any history each moment is what the limiter would answer, and asked once for each slot of a period."""
    limiter = limiter_on(clock, "1/s,4/2hour,9/day")
    for number, pause in enumerate(pauses):
        call(limiter, clock, number)
        clock.advance(pause)
    asked = []

    def usage(place: int):
        asked.append(place)
        return limiter.usage(place)

    forecast = QuotaForecast(usage)
    exact = limiter.usage(limiter.usage().waiting + nth)
    assert forecast.opens_at(nth) == max([exact.at, *(window.next_at for window in exact.windows[1:])])
    moments = [forecast.opens_at(each) for each in range(1, 60)]
    assert moments == sorted(moments)
    assert len(asked) <= 1 + 9
