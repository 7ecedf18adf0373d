"""Gaps followed from one look to the next: what opens, closes, repairs and splits them, and when to ask again."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.gaps import Answers, Gap, Known, Look, MissingSession, follow, judge_sessions
from common.universe.listings import Listing
from common.values import Symbol

DAY = timedelta(days=1)
IBM = Symbol("IBM")
SESSIONS = [date(2026, 1, 1) + number * DAY for number in range(200)]
NOW = datetime(2026, 9, 1, tzinfo=UTC)


def look(*missing: int, reach: int = 100, symbol: str = "IBM") -> Look:
    """A look at a symbol that has bars from the first to the last session, but for some."""
    return Look(Symbol(symbol), SESSIONS[0], SESSIONS[-1], SESSIONS[reach], [SESSIONS[each] for each in missing])


def gap(first: int, last: int, **changes) -> Gap:
    return Gap(IBM, SESSIONS[first], SESSIONS[last], last - first + 1, **changes)


def spans(gaps: Sequence[Gap]) -> list[tuple[int, int, str]]:
    return [(SESSIONS.index(each.first_session), SESSIONS.index(each.last_session), each.state) for each in gaps]


def listing(**changes) -> Listing:
    values = {"name": "", "exchange": "NYSE", "asset_type": "Stock", "ipo_date": None, "delisting_date": None}
    return Listing(**{"symbol": IBM, "status": "Active", **values, **changes})


@given(st.sets(st.integers(1, len(SESSIONS) - 2)))
def test_runs_hold_all_that_is_missing(missing: set[int]):
    """The gaps hold each missing session once and no other, and between two of them is a bar."""
    found = follow(look(*sorted(missing)), Known(), SESSIONS, NOW)
    places = [(SESSIONS.index(each.first_session), SESSIONS.index(each.last_session)) for each in found]
    assert [place for first, last in places for place in range(first, last + 1)] == sorted(missing)
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(places))
    assert [each.sessions for each in found] == [last - first + 1 for first, last in places]


def test_answers_a_day_apart_close_it():
    """Two answers a day apart make a gap absent; it is asked about again after 30 days, then after 180 each time."""
    known, states = Known(), []
    for answered in (NOW, NOW + DAY / 2, NOW + DAY, NOW + 2 * DAY, NOW + 31 * DAY, NOW + 211 * DAY):
        answers = Answers(whole=answered)
        (found,) = follow(look(7), replace(known, answers=answers), SESSIONS, answered)
        known = Known([found])
        states.append((found.state, found.answers, found.ask_again_at))
    assert states == [
        ("open", 1, NOW + DAY),
        ("open", 1, NOW + DAY),
        ("absent", 2, NOW + 31 * DAY),
        ("absent", 2, NOW + 31 * DAY),
        ("absent", 3, NOW + 211 * DAY),
        ("absent", 4, NOW + 391 * DAY),
    ]


@pytest.mark.parametrize(
    ("answers", "place", "counts"),
    [
        (Answers(compact=NOW), 101, 1),
        (Answers(compact=NOW), 100, 0),
        (Answers(whole=NOW), 100, 1),
        (Answers(whole=datetime(2026, 1, 8, tzinfo=UTC)), 7, 0),
        (Answers(whole=datetime(2026, 1, 9, tzinfo=UTC)), 7, 1),
        (Answers(), 7, 0),
    ],
)
def test_an_answer_counts_where_it_spans(answers: Answers, place: int, counts: int):
    """A compact series says nothing of what lies before it, and none says anything of a day after it came."""
    (found,) = follow(look(place), Known(answers=answers), SESSIONS, NOW)
    assert (found.answers, found.state) == (counts, "open")
    assert found.ask_again_at == (answers.newest + DAY if counts and answers.newest else NOW)


def test_a_filled_gap_is_repaired():
    """What is there now is repaired, what is missing still of it goes on with the answers that it had."""
    stored = gap(5, 9, answers=2, asked_at=NOW, ask_again_at=NOW + 30 * DAY, state="absent")
    assert spans(follow(look(), Known([stored]), SESSIONS, NOW)) == [(5, 9, "repaired")]
    parts = follow(look(5, 6, 9), Known([stored]), SESSIONS, NOW)
    assert spans(parts) == [(5, 6, "absent"), (9, 9, "absent")]
    assert spans(follow(look(8, 9), Known([stored]), SESSIONS, NOW)) == [(8, 9, "absent"), (5, 7, "repaired")]


def test_a_gap_grows_to_the_left():
    """Where the session before a gap is missed as well, the longer gap takes the place of the shorter one."""
    assert spans(follow(look(4, 5, 6), Known([gap(5, 6)]), SESSIONS, NOW)) == [(4, 6, "open")]


def test_a_halted_gap_stays_so():
    """No answer changes what a person said, and what is left of the gap is halted too; a longer one is open."""
    halted = gap(5, 8, state="halted", word="by the SEC")
    known = Known([halted], Answers(whole=NOW), [listing(delisting_date=SESSIONS[5])])
    assert follow(look(5, 6, 7, 8), known, SESSIONS, NOW) == [halted]
    assert spans(follow(look(5, 7, 8), known, SESSIONS, NOW)) == [(5, 5, "halted"), (7, 8, "halted")]
    assert spans(follow(look(5, 6, 7, 8, 9), Known([halted]), SESSIONS, NOW)) == [(5, 9, "open")]
    (filled,) = follow(look(), known, SESSIONS, NOW)
    assert (filled.state, filled.word) == ("repaired", "by the SEC")


@pytest.mark.parametrize(
    ("dates", "state"),
    [
        ({"ipo_date": SESSIONS[10]}, "before_listing"),
        ({"ipo_date": SESSIONS[11]}, "open"),
        ({"ipo_date": SESSIONS[9]}, "open"),
        ({"delisting_date": SESSIONS[4], "status": "Delisted"}, "delisted"),
        ({"delisting_date": SESSIONS[7], "status": "Delisted"}, "delisted"),
        ({"delisting_date": SESSIONS[3], "status": "Delisted"}, "open"),
    ],
)
def test_a_listing_explains_a_gap(dates: dict, state: str):
    """A gap that ends with a listing or begins with a delisting needs no call; one between the bars explains none."""
    (found,) = follow(look(5, 6, 7, 8, 9), Known(listings=[listing(**dates)]), SESSIONS, NOW)
    assert (found.state, found.ask_again_at) == (state, NOW if state == "open" else None)


WHOLE = (SESSIONS[0], SESSIONS[-1])


def looks(count: int, lacking: int, place: int = 50) -> list[Look]:
    return [look(*[place] * (number < lacking), symbol=f"S{number}") for number in range(count)]


@pytest.mark.parametrize(("count", "lacking", "found"), [(19, 19, False), (40, 2, False), (40, 3, True)])
def test_a_session_that_many_lack(count: int, lacking: int, found: bool):
    """More than a twentieth of twenty symbols or more is the exchange's affair, less is each symbol's."""
    judged = judge_sessions("XNYS", looks(count, lacking), SESSIONS, set(), [WHOLE] * count)
    assert judged == ([MissingSession("XNYS", SESSIONS[50], lacking, count)] if found else [])


def test_who_was_not_looked_at_counts():
    """A session is the exchange's by its share of all symbols with bars around it, not of those looked at alone."""
    after, before = (SESSIONS[50], SESSIONS[-1]), (SESSIONS[0], SESSIONS[50])
    spans = [WHOLE] * 59 + [after, before]
    assert judge_sessions("XNYS", looks(20, 3), SESSIONS, set(), spans) == [MissingSession("XNYS", SESSIONS[50], 3, 59)]
    assert judge_sessions("XNYS", looks(20, 3), SESSIONS, set(), [WHOLE] * 60) == []


def test_a_shared_gap_is_resolved():
    """A session that only few lack by now is resolved; of one that too few symbols span nothing is said."""
    known = {SESSIONS[50]}
    assert judge_sessions("XNYS", looks(40, 1), SESSIONS, known, []) == [
        MissingSession("XNYS", SESSIONS[50], 1, 40, resolved=True)
    ]
    assert judge_sessions("XNYS", looks(19, 0), SESSIONS, known, [WHOLE] * 40) == []
    assert judge_sessions("XNYS", looks(20, 20), SESSIONS, known, [WHOLE] * 1000) == [
        MissingSession("XNYS", SESSIONS[50], 20, 20)
    ]
