"""Factors of adjusted prices: the formula, each special case, and twenty years of fifty symbols beside the textbook."""

from collections import defaultdict
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.adjust import Segment, adjust
from common.adjust.factors import ALWAYS, FOREVER
from common.datasets.corporate_actions import CorporateAction
from common.values import Symbol
from sandbox.market import Market, Stock
from tests.support import textbook
from tests.support.actions import (
    TWENTY_YEARS,
    closes_as_traded,
    closes_of,
    day,
    dividend,
    listed_actions,
    split,
)

MICRO = Decimal("0.000001")


def before(closes: dict[date, Decimal], *actions: CorporateAction) -> tuple[str, str]:
    """Return the factors of the oldest session, as short texts."""
    first = adjust(closes, actions).segments[0]
    return f"{first.split_factor.normalize():f}", f"{first.total_factor.normalize():f}"


def codes(closes: dict[date, Decimal], *actions: CorporateAction) -> list[str]:
    return [finding.code for finding in adjust(closes, actions).findings]


def test_a_symbol_without_actions():
    """One segment holds all days, and its factors are 1."""
    assert adjust(closes_of(1, 2), []).segments == (Segment(ALWAYS, FOREVER, Decimal(1), Decimal(1)),)
    assert adjust({}, [split(day(1), 2)]).segments == adjust(closes_of(1, 2), []).segments


def test_segments_meet_without_a_gap():
    """Each segment ends where the next begins, on the session that goes ex; the newest one's factors are 1."""
    one, two, three = adjust(closes_of(50, 48, 24, 25), [split(day(2), 2), dividend(day(1), "0.5")]).segments
    assert (one.valid_from, one.valid_before, two.valid_before, three.valid_before) == (ALWAYS, day(1), day(2), FOREVER)
    assert (one.valid_before, two.valid_before) == (two.valid_from, three.valid_from)
    assert (one.split_factor, two.split_factor, three.split_factor) == (Decimal("0.5"), Decimal("0.5"), 1)
    assert (one.total_factor, two.total_factor, three.total_factor) == (Decimal("0.495"), Decimal("0.5"), 1)


def test_the_published_example():
    """Yahoo's own figures: 46.99 and 48.30 before a 2:1 split at 24.96, which then pays 0.08."""
    closes = closes_of("46.99", "48.30", "24.96", "24.53")
    segments = adjust(closes, [split(day(2), 2), dividend(day(3), "0.08")]).segments
    adjusted = [
        round(close * segment.total_factor, 2)
        for session, close in closes.items()
        for segment in segments
        if segment.valid_from <= session < segment.valid_before
    ]
    assert adjusted == [Decimal("23.42"), Decimal("24.07"), Decimal("24.88"), Decimal("24.53")]


def test_a_reverse_split_raises_the_past():
    """One share of three: what came before is worth three times as much, to the last of twenty places."""
    assert before(closes_of(1, 3), split(day(1), 1, 3)) == ("3", "3")
    assert before(closes_of(3, 1), split(day(1), 3)) == ("0.33333333333333333333", "0.33333333333333333333")


@pytest.mark.parametrize("amount", ["10", "10.01", "250"])
def test_a_dividend_not_below_the_close(amount: str):
    """It leaves the factors alone and is told; a split of the same day counts still."""
    assert before(closes_of(10, 1), dividend(day(1), amount)) == ("1", "1")
    assert codes(closes_of(10, 1), dividend(day(1), amount)) == ["dividend_not_below_close"]
    assert before(closes_of(10, 1), dividend(day(1), amount), split(day(1), 2)) == ("0.5", "0.5")


@pytest.mark.parametrize("amount", ["25.2", "0.00248"])
def test_pence_are_told_from_pounds(amount: str):
    """A hundred times, or a hundredth of, the usual dividend is told and applied as it stands."""
    actions = [dividend(day(number), "0.25") for number in (1, 2, 3)]
    closes = closes_of(100, 100, 100, 100, 100)
    assert codes(closes, *actions, dividend(day(4), "0.5")) == []
    assert codes(closes, *actions, dividend(day(4), amount)) == ["dividend_unit?"]
    assert before(closes, *actions, dividend(day(4), amount)) != before(closes, *actions)


def test_a_first_dividend_of_doubtful_unit():
    """With nothing to compare with, more than a quarter of the price is told."""
    assert codes(closes_of(100, 100), dividend(day(1), "25")) == []
    assert codes(closes_of(100, 100), dividend(day(1), "26")) == ["dividend_unit?"]


def test_dividends_of_one_day_add_up():
    """Two of 1 after a close of 10 leave 0.8 of it, not 0.9 twice."""
    assert before(closes_of(10, 8), dividend(day(1), "1"), dividend(day(1), "1", seq=1)) == ("1", "0.8")


def test_a_split_with_a_dividend():
    """On one day the dividend is one for each old share, in whatever order they come; a person is told."""
    pair = [split(day(1), 15, 19), dividend(day(1), "2")]
    assert before(closes_of(10, 10), *pair) == before(closes_of(10, 10), *pair[::-1])
    assert before(closes_of(10, 10), *pair)[1] == "1.01333333333333333333"  # 0.8 x 19 / 15
    assert codes(closes_of(10, 10), *pair) == ["split_and_dividend"]


def test_an_ex_date_without_a_bar():
    """It takes effect with the next session; a dividend of a day after a split is one for each new share."""
    closes = {day(0): Decimal(10), day(3): Decimal(4)}
    one, two = adjust(closes, [split(day(1), 2), dividend(day(2), "1")]).segments
    assert (one.valid_before, two.valid_from) == (day(3), day(3))
    assert (one.split_factor, one.total_factor) == (Decimal("0.5"), Decimal("0.4"))


def test_before_the_first_bar():
    """What was before the first session, or on it, adjusts nothing."""
    assert before(closes_of(10, 10), split(day(-1), 2), dividend(day(0), "1")) == ("1", "1")


def test_after_the_newest_bar():
    """What is still to come adjusts nothing until its session has a bar."""
    coming = [split(day(2), 2), dividend(day(5), "1")]
    assert before(closes_of(10, 10), *coming) == ("1", "1")
    assert before(closes_of(10, 10, 5), *coming) == ("0.5", "0.5")


def test_a_spin_off_booked_as_split():
    """A factor that is no split's is applied as it is listed, and told."""
    spin_off = split(day(1), 523, 500)
    assert before(closes_of("1.046", "1"), spin_off) == ("0.95602294455066921606",) * 2
    assert codes(closes_of("1.046", "1"), spin_off) == ["spin_off?"]
    assert codes(closes_of(1, 107), split(day(1), 93, 10_000)) == ["inexact_split"]
    assert codes(closes_of(1, 1), split(day(1), 21, 20), split(day(1), 1, 100, seq=1)) == []


def test_an_absurd_factor_is_left_out():
    """Splits that together leave no price, or one beyond all columns, are told and not applied; the others are."""
    many = [split(day(number), 10**9) for number in (1, 2)]
    assert before(closes_of(1, 1, 1), *many) == ("0.000000001", "0.000000001")
    assert codes(closes_of(1, 1, 1), *many) == ["factor_out_of_range"]
    few = [split(day(1), 1, 9 * 10**18, seq=seq) for seq in range(3)]
    assert (before(closes_of(1, 1), *few), codes(closes_of(1, 1), *few)) == (("1", "1"), ["factor_out_of_range"])


PRICES = st.integers(1, 10**6).map(lambda cents: Decimal(cents) / 100)
ACTIONS = st.one_of(
    st.builds(split, st.integers(-2, 12).map(day), st.integers(1, 30), st.integers(1, 30)),
    st.builds(dividend, st.integers(-2, 12).map(day), PRICES),
)


@given(st.dictionaries(st.integers(0, 10).map(day), PRICES, min_size=1), st.lists(ACTIONS, max_size=8))
def test_any_history_is_the_textbook_s(closes: dict[date, Decimal], actions: list[CorporateAction]):
    """For any bars, with gaps, and any actions around them, each session's factors are those of exact fractions."""
    actions = list({(each.kind == "split", each.ex_date): each for each in actions}.values())
    check(closes, actions)


@given(st.dictionaries(st.integers(0, 10).map(day), PRICES, min_size=2), st.lists(ACTIONS, max_size=8))
def test_the_neighbours_suffice(closes: dict[date, Decimal], actions: list[CorporateAction]):
    """The bars beside each ex-date give the same factors as all bars."""
    beside = {
        session: closes[session]
        for each in actions
        for session in (
            max((one for one in closes if one < each.ex_date), default=None),
            min((one for one in closes if one >= each.ex_date), default=None),
        )
        if session
    }
    assert adjust(beside, actions) == adjust(closes, actions)


@pytest.mark.parametrize(
    "symbol", [*(f"SYM{number}" for number in range(46)), "SPLIT1", "SPLIT2", "SPINOFF1", "SPINOFF2"]
)
def test_twenty_years_are_the_textbook_s(symbol: str, market_of_seed: Market):
    """Prices of 5,040 sessions with their splits and dividends agree to the sixth decimal."""
    stock: Stock = market_of_seed.stock(symbol)
    last = 6_500
    closes = closes_as_traded(stock.bars(last - TWENTY_YEARS + 1, last))
    check(closes, list(listed_actions(stock, Symbol(symbol), last)))


@pytest.fixture(scope="module")
def market_of_seed() -> Market:
    return Market(7)


def check(closes: dict[date, Decimal], actions: list[CorporateAction]) -> None:
    expected = textbook.factors(
        [(session, Fraction(closes[session])) for session in sorted(closes)],
        [(each.ex_date, Fraction(each.numerator, each.denominator)) for each in actions if each.numerator],
        [(each.ex_date, Fraction(each.amount)) for each in actions if each.amount],
    )
    segments = iter(adjust(closes, actions).segments)
    segment = next(segments)
    highest = defaultdict[tuple[Segment, textbook.Factors], Decimal](Decimal)  # of the sessions with these factors
    for session in sorted(closes):
        while session >= segment.valid_before:
            segment = next(segments)
        pair = segment, expected[session]
        highest[pair] = max(highest[pair], closes[session])
    for (segment, exact), price in highest.items():
        for factor, exact_factor in zip((segment.split_factor, segment.total_factor), exact, strict=True):
            assert abs(Fraction(factor) - exact_factor) * Fraction(price) < Fraction(MICRO) / 2
