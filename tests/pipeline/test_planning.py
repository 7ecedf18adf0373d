"""A plan: who gets a call, in which order, who is skipped, postponed or known to be refused."""

import re
from dataclasses import FrozenInstanceError, dataclass, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.datasets.bulk_quotes import BULK
from common.datasets.dataset import Backfill, Every
from common.ledger import LastAttempt
from common.trading_calendar import latest_session
from common.values import OutcomeStatus, Symbol
from workers.pipeline.planning import (
    FINAL_AFTER,
    NOT_DUE,
    NOTHING_NEWER,
    REFUSED_FOR,
    UP_TO_DATE,
    Plan,
    StoredState,
    make_plan,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # between exchange_calendars and pandas

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
#: Tuesday, just after midnight UTC: New York closed on Monday the 5th at 20:00.
NOW = datetime(2026, 10, 6, 0, 0, 5, tzinfo=UTC)
CLOSED = datetime(2026, 10, 5, 20, tzinfo=UTC)
MONDAY, FRIDAY = date(2026, 10, 5), date(2026, 10, 2)
STORED, FAILED = OutcomeStatus.STORED, OutcomeStatus.FAILED
IBM = Symbol("IBM")


@dataclass
class Calls:
    """A budget of ``left`` calls now, and as many as ``a_day`` on each day after."""

    left: int
    a_day: int = 25

    def affordable(self, wanted: int) -> int:
        return min(self.left, wanted)

    def opens_at(self, nth: int) -> datetime:
        return NOW if nth <= self.left else NOW + (1 + (nth - self.left - 1) // self.a_day) * DAY


def attempt(symbol: str, at: datetime | None = None, status=STORED, reason="", postponed_at=None) -> LastAttempt:
    return LastAttempt(Symbol(symbol), at, status if at else None, reason, postponed_at)


def known(*attempts: LastAttempt, **days: date) -> StoredState:
    newest = {Symbol(name): day for name, day in days.items()}
    return StoredState(newest, {each.symbol: each for each in attempts}, "quotes")


def plan(symbols: str, what: StoredState, left: int | None = None, moment: datetime = NOW, **options) -> Plan:
    budget = None if left is None else Calls(left)
    asked = [Symbol(text) for text in symbols.split()]
    return make_plan(asked, what, budget, moment=moment, grace=HOUR, **options)


def test_budget_is_spent_on_shared_calls():
    """What symbols share counts once, so the budget reaches all of them; the others are due with their own call."""
    symbols = " ".join(f"S{number:03}" for number in range(250))
    made = plan(symbols, known(), left=2, bulk=BULK["quotes"])
    assert (len(made.fetch), len(made.postpone)) == (200, 50)
    assert {left.retry_at for left in made.postpone} == {NOW + DAY}
    assert len(plan(symbols, known(), left=2).fetch) == 2


def test_never_stored_comes_before_stale():
    """Postponed longest, then never stored, then the oldest stored day; of equals the first by name."""
    what = known(
        attempt("LATE", postponed_at=NOW - DAY),
        attempt("LATER", postponed_at=NOW - 3 * DAY),
        attempt("OLDLATE", NOW - 9 * DAY, postponed_at=NOW - 2 * DAY),
        OLDLATE=FRIDAY,
        STALE=date(2026, 9, 1),
        FRESHER=FRIDAY,
        ALSO=FRIDAY,
    )
    order = "LATER OLDLATE LATE NEW1 NEW2 STALE ALSO FRESHER"
    assert plan("FRESHER ALSO NEW2 STALE LATE OLDLATE NEW1 LATER", what).fetch == tuple(order.split())


@pytest.mark.parametrize(
    ("day", "fetched", "skipped"),
    [
        (MONDAY, CLOSED, True),
        (MONDAY, CLOSED - timedelta(seconds=1), False),  # the session ran: its row is not final
        (FRIDAY, CLOSED + HOUR, False),
        (date(2026, 10, 6), CLOSED - DAY, True),
    ],
)
def test_stored_session_costs_no_call(day: date, fetched: datetime, skipped: bool):
    """A row of the latest completed session, fetched after its close, or of a later one, is all that there is."""
    made = plan("IBM", known(attempt("IBM", fetched), IBM=day))
    assert [(left.symbol, left.reason) for left in made.skip] == ([(IBM, UP_TO_DATE)] if skipped else [])
    assert made.fetch == (() if skipped else (IBM,))


def test_a_session_counts_after_the_grace():
    """Until an hour after the close the day before is enough; from there on the new session is needed."""
    what = known(attempt("IBM", CLOSED - DAY), IBM=FRIDAY)
    assert plan("IBM", what, moment=CLOSED + HOUR - timedelta(seconds=1)).fetch == ()
    assert plan("IBM", what, moment=CLOSED + HOUR).fetch == (IBM,)


def test_row_without_attempt_is_fetched():
    """Where the ledger does not say when a row was fetched, it may be one of a running session."""
    assert plan("IBM", known(IBM=MONDAY)).fetch == (IBM,)


def test_a_failed_attempt_confirms_no_row():
    """Only an answer says that a row is final: an attempt that failed after the close does not."""
    assert plan("IBM", known(attempt("IBM", CLOSED + HOUR, FAILED, "network"), IBM=MONDAY)).fetch == (IBM,)


def test_missing_session_is_not_asked_twice():
    """An answer without the session, long after its close, is final until the next one; a failure is no answer."""
    late, moment = CLOSED + FINAL_AFTER, CLOSED + FINAL_AFTER + HOUR
    suspended = plan("IBM", known(attempt("IBM", late), IBM=FRIDAY), moment=moment)
    assert [left.reason for left in suspended.skip] == [NOTHING_NEWER]
    soon = known(attempt("IBM", late - timedelta(seconds=1)), IBM=FRIDAY)
    assert plan("IBM", soon, moment=moment).fetch == (IBM,)
    broken = known(attempt("IBM", late, FAILED, "network"), IBM=FRIDAY)
    assert plan("IBM", broken, moment=moment).fetch == (IBM,)
    assert plan("IBM", known(attempt("IBM", late), IBM=FRIDAY), moment=moment + DAY).fetch == (IBM,)


@pytest.mark.parametrize("reason", ["unknown_symbol", "premium_required"])
def test_refusal_of_symbol_holds_for_week(reason: str):
    """What the provider refused for the symbol's own sake fails again without a call, until a week has passed."""
    what = known(attempt("NOSUCH", NOW - REFUSED_FOR + HOUR, FAILED, reason))
    made = plan("NOSUCH", what)
    assert made.fetch == ()
    assert [(left.status, left.reason) for left in made.failed] == [(FAILED, reason)]
    assert "2026-10-06 01:00 UTC" in made.failed[0].detail
    assert plan("NOSUCH", what, moment=NOW + HOUR).fetch == (Symbol("NOSUCH"),)


def test_another_failure_is_asked_again():
    """A failure that can heal costs the symbol nothing."""
    assert plan("IBM", known(attempt("IBM", NOW - HOUR, FAILED, "network"))).fetch == (IBM,)


def test_force_fetches_all_the_same():
    """Force fetches what is up to date and what was refused, within the quota."""
    what = known(attempt("IBM", NOW), attempt("NOSUCH", NOW, FAILED, "unknown_symbol"), IBM=MONDAY)
    assert plan("IBM NOSUCH", what, force=True).fetch == ("NOSUCH", "IBM")
    limited = plan("IBM NOSUCH", what, left=1, force=True)
    assert (limited.fetch, [left.symbol for left in limited.postpone]) == (("NOSUCH",), [IBM])


def test_unreached_symbol_is_postponed_with_time():
    """The quota is spent on the first in line; the others hear when they can go."""
    made = make_plan(
        [Symbol(f"S{number:02}") for number in range(60)], known(), Calls(5), moment=NOW, grace=HOUR, force=False
    )
    assert made.fetch == tuple(f"S{number:02}" for number in range(5))
    assert [left.symbol for left in made.postpone] == [f"S{number:02}" for number in range(5, 60)]
    assert [left.retry_at for left in made.postpone] == 25 * [NOW + DAY] + 25 * [NOW + 2 * DAY] + 5 * [NOW + 3 * DAY]
    assert made.postpone[0].reason == "quota"
    assert "2026-10-07 00:00 UTC" in made.postpone[0].detail


def test_without_a_budget_nothing_is_postponed():
    """Who waits for the day to reopen postpones nothing."""
    assert len(plan(" ".join(f"S{number}" for number in range(100)), known()).fetch) == 100


def test_summary_says_what_will_be_spent():
    """One sentence before it starts: calls, skipped, postponed with their moments, and what is refused."""
    what = known(attempt("IBM", NOW), attempt("NOSUCH", NOW, FAILED, "unknown_symbol"), IBM=MONDAY)
    assert plan("IBM NOSUCH A B C", what, left=1, settled=2).summary == (
        "7 symbols: spend 1 call; skip 1, stored as far as there is data; postpone 2, beyond the quota (they can go "
        "from 2026-10-07 00:00 UTC to 2026-10-07 00:00 UTC); ask nothing for 1 that the provider refused lately "
        "(NOSUCH); leave 2 as this run settled them before."
    )
    assert plan("A", known()).summary == (
        "1 symbol: spend 1 call; skip 0, stored as far as there is data; postpone 0, beyond the quota."
    )


def test_lines_carry_what_person_asks():
    """Each symbol without a call has a ledger line with its reason and, if postponed, its moment."""
    lines = list(plan("IBM A B", known(attempt("IBM", NOW), IBM=MONDAY), left=1).lines("run"))
    assert [(line.run_id, line.symbol, line.status, line.reason, line.retry_at) for line in lines] == [
        ("run", "IBM", OutcomeStatus.SKIPPED, UP_TO_DATE, None),
        ("run", "B", OutcomeStatus.POSTPONED, "quota", NOW + DAY),
    ]
    assert lines[0].detail == "Stored up to 2026-10-05; the latest completed session of XNYS is 2026-10-05."
    assert not any(re.search(r"\d\.\d{3}|\+00:00", line.detail) for line in lines)


def test_a_plan_is_frozen():
    """Nobody changes a plan that was written down."""
    with pytest.raises(FrozenInstanceError):
        plan("A", known()).fetch = ()


names = st.lists(
    st.sampled_from([Symbol(f"S{n}{suffix}") for n in range(30) for suffix in ("", ".LON", ".QQQ", "-B")]), unique=True
)
times = st.datetimes(datetime(2026, 9, 20), datetime(2026, 10, 6), timezones=st.just(UTC))  # noqa: DTZ001  the strategy adds it
reasons = st.sampled_from(["network", "unknown_symbol", "premium_required", "unchanged"])
statuses = st.sampled_from([STORED, FAILED, OutcomeStatus.QUARANTINED])


@st.composite
def histories(draw) -> tuple[list[Symbol], StoredState]:
    symbols = draw(names)
    days, attempts = {}, {}
    for symbol in symbols:
        if draw(st.booleans()):
            days[symbol] = draw(st.dates(date(2026, 9, 28), date(2026, 10, 6)))
        kind = draw(st.sampled_from(["none", "tried", "postponed", "both"]))
        at = draw(times) if kind in {"tried", "both"} else None
        late = draw(times) if kind in {"postponed", "both"} else None
        if kind != "none":
            attempts[symbol] = attempt(symbol, at, draw(statuses), draw(reasons), late)
    return symbols, StoredState(days, attempts, "quotes")


@settings(max_examples=500, deadline=None)
@given(histories(), st.one_of(st.none(), st.integers(0, 40)), st.booleans(), st.randoms())
def test_no_symbol_or_call_is_lost(history, left, force, shuffler):
    """Each symbol is in one group; never more than the quota's calls; none postponed while calls are left."""
    symbols, what = history
    budget = None if left is None else Calls(left)
    made = make_plan(symbols, what, budget, moment=NOW, grace=HOUR, force=force)
    groups = (made.fetch, *([each.symbol for each in group] for group in (made.skip, made.postpone, made.failed)))
    assert sorted(symbol for group in groups for symbol in group) == sorted(symbols)
    assert len(made) == len(symbols)
    if left is None:
        assert made.postpone == ()
    else:
        assert len(made.fetch) <= left
        assert not made.postpone or len(made.fetch) == left
    assert all(each.retry_at and each.retry_at > NOW for each in made.postpone)
    assert not (force and (made.skip or made.failed))
    for each in made.skip:
        session = latest_session(each.symbol, NOW, HOUR)
        answered = what.attempts[each.symbol].attempted_at
        assert what.days[each.symbol] >= session.day or answered >= session.closed_at + FINAL_AFTER
    for each in made.failed:
        assert what.attempts[each.symbol].reason in {"unknown_symbol", "premium_required"}
    again = list(symbols)
    shuffler.shuffle(again)
    assert make_plan(again, what, budget, moment=NOW, grace=HOUR, force=force).fetch == made.fetch


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.integers(1, 12))
def test_every_symbol_has_its_turn(size: int, a_day: int):
    """Run daily, nobody is postponed for longer than the others need to have a turn each."""
    symbols = [Symbol(f"S{number:02}") for number in range(size)]
    what, moment, fetched = StoredState({}, {}, "quotes"), NOW, set()
    round_days = -(-size // a_day)
    for _ in range(4 * round_days):
        made = make_plan(symbols, what, Calls(a_day, a_day), moment=moment, grace=HOUR)
        attempts = dict(what.attempts)
        for left in made.postpone:
            before = attempts.get(left.symbol, LastAttempt(left.symbol))
            waits = before.postponed_at or moment
            assert moment - waits < round_days * DAY
            attempts[left.symbol] = LastAttempt(left.symbol, before.attempted_at, before.status, "", waits)
        attempts |= {symbol: attempt(symbol, moment) for symbol in made.fetch}
        days = {**what.days, **dict.fromkeys(made.fetch, latest_session(IBM, moment, HOUR).day)}
        what, moment = StoredState(days, attempts, "quotes"), moment + DAY
        fetched.update(made.fetch)
    assert fetched == set(symbols)


def test_a_plan_numbers_its_tasks():
    """There is a task for each batch, numbered from 1 on; a batch of one symbol is a task of its own."""
    fetch = tuple(Symbol(name) for name in ("A", "B", "C"))
    assert list(Plan(fetch, "quotes").batch_numbers) == [1, 2, 3]
    assert list(Plan(fetch, "quotes", batch_size=2).batch_numbers) == [1, 2]
    assert list(Plan((), "quotes", batch_size=2).batch_numbers) == []


# What is due by other rules than the session


def test_an_answer_holds_for_its_period():
    """What is asked for every month is skipped until a month has passed, whatever its rows are of."""
    due = Every(30 * DAY)
    fresh = StoredState({}, {IBM: attempt("IBM", NOW - 29 * DAY)}, "splits", due)
    assert [(left.symbol, left.reason) for left in plan("IBM", fresh).skip] == [(IBM, NOT_DUE)]
    assert plan("IBM", StoredState({}, {IBM: attempt("IBM", NOW - 30 * DAY)}, "splits", due)).fetch == (IBM,)
    failed = StoredState({}, {IBM: attempt("IBM", NOW - DAY, FAILED, "network")}, "splits", due)
    assert plan("IBM", failed).fetch == (IBM,)
    assert plan("IBM", failed).wanted == {}


def test_a_jump_is_asked_about_early():
    """A price that jumped since the last answer makes the symbol due, though the period is not over."""
    known = StoredState({}, {IBM: attempt("IBM", NOW - DAY)}, "splits", Every(30 * DAY), jumped={IBM})
    assert plan("IBM", known).fetch == (IBM,)


def whole(day: date, last: LastAttempt | None, of_its_end: LastAttempt | None = None) -> StoredState:
    """Return what is known of a whole series, whose end another dataset brings."""
    days, attempts = {IBM: day}, {} if last is None else {IBM: last}
    end = StoredState(days, {IBM: of_its_end or last} if last else {}, "daily_bars")
    return StoredState(days, attempts, "full_history", Backfill(beyond=100), instead=end)


def test_whole_series_is_asked_for_once():
    """A symbol without an answer gets the whole series, one with it the end, where a session is missing."""
    assert plan("IBM", StoredState({}, {}, "full_history", Backfill(100), instead=known())).instead == {}
    answered = plan("IBM", whole(FRIDAY, attempt("IBM", CLOSED - DAY)))
    assert (answered.fetch, answered.instead) == ((IBM,), {IBM: "daily_bars"})
    current = plan("IBM", whole(MONDAY, attempt("IBM", CLOSED + HOUR)))
    assert (current.fetch, [left.reason for left in current.skip]) == ((), [UP_TO_DATE])


def test_long_gap_needs_whole_series():
    """Beyond the sessions that the end of a series has, the whole is asked for again."""
    old, older = date(2026, 5, 12), date(2026, 5, 11)  # 100 and 101 sessions before Monday
    last = attempt("IBM", datetime(2026, 5, 13, tzinfo=UTC))
    assert plan("IBM", whole(old, last)).instead == {IBM: "daily_bars"}
    assert plan("IBM", whole(older, last)).instead == {}


def with_gap(since: datetime, *symbols: str) -> StoredState:
    """What is known of symbols whose last answer, after Monday's close, left a gap that is due since then."""
    stored = known(*(attempt(symbol, CLOSED + HOUR) for symbol in symbols), **dict.fromkeys(symbols, MONDAY))
    return replace(stored, gaps=dict.fromkeys(map(Symbol, symbols), since))


def test_a_gap_is_last_in_line():
    """What is asked only for a gap comes after all others, and where the quota ends it is as if there were none."""
    what = with_gap(CLOSED + 2 * HOUR, "GAP", "HOLE")
    assert plan("GAP HOLE NEW", what).fetch == ("NEW", "GAP", "HOLE")
    made = plan("GAP HOLE NEW", what, left=2)
    assert (made.fetch, made.postpone) == (("NEW", "GAP"), ())
    assert [(left.symbol, left.reason) for left in made.skip] == [("HOLE", UP_TO_DATE)]
    assert set(made.wanted) == {"NEW"}


def test_an_answered_gap_costs_no_call():
    """An answer that came since a gap was due is one, though nobody has looked at what it brought."""
    assert plan("GAP", with_gap(CLOSED + HOUR, "GAP")).fetch == ()
    assert plan("GAP", with_gap(CLOSED + HOUR + timedelta(seconds=1), "GAP")).fetch == ("GAP",)


def test_a_gap_takes_the_whole_series():
    """A symbol that is due for its end, and has a gap before that, has one call for both, in its usual place."""
    what = replace(whole(FRIDAY, attempt("IBM", CLOSED - DAY)), gaps={IBM: CLOSED})
    made = plan("IBM", what)
    assert (made.fetch, made.instead, made.wanted) == ((IBM,), {}, {IBM: MONDAY})
    assert len(plan("IBM", what, left=0).postpone) == 1
    refused = whole(MONDAY, attempt("IBM", CLOSED, FAILED, "premium_required"), attempt("IBM", CLOSED + HOUR))
    assert plan("IBM", replace(refused, gaps={IBM: CLOSED})).fetch == ()


def test_a_refused_series_leaves_its_end():
    """That the key may not ask for the whole series keeps nobody from its end."""
    refused = attempt("IBM", CLOSED + HOUR, FAILED, "premium_required")
    made = plan("IBM", whole(FRIDAY, refused, attempt("IBM", CLOSED - DAY)))
    assert (made.fetch, made.instead) == ((IBM,), {IBM: "daily_bars"})


def test_a_postponed_symbol_keeps_its_dataset():
    """The line of what the quota does not reach says what will be asked for."""
    made = plan("IBM", whole(FRIDAY, attempt("IBM", CLOSED - DAY)), left=0)
    assert [(line.status, line.dataset) for line in made.lines("run")] == [(OutcomeStatus.POSTPONED, "daily_bars")]
