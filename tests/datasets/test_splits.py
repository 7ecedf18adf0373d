"""Splits: four decimals are taken for the fraction that was meant, and a list is read row by row."""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.datasets.corporate_actions import ACTIONS, CorporateAction
from common.datasets.splits import SPLITS, ratio_of
from common.errors import PayloadRejected
from common.values import Symbol
from tests.support.replies import reply_of

IBM = Symbol("IBM")


def parsed(rows: object, symbol: object = "IBM"):
    return SPLITS.parse(IBM, reply_of({"symbol": symbol, "data": rows}))


def split(day: str, factor: object) -> dict[str, object]:
    return {"effective_date": day, "split_factor": factor}


@pytest.mark.parametrize(
    ("text", "ratio"),
    [
        ("2.0000", Fraction(2)),
        ("1.5", Fraction(3, 2)),
        ("0.1667", Fraction(1, 6)),
        ("1.3333", Fraction(4, 3)),
        ("0.0333", Fraction(1, 30)),
        ("0.0094", Fraction(1, 106)),
        ("1.0500", Fraction(21, 20)),
        ("0.0100", Fraction(1, 100)),
        ("20", Fraction(20)),
    ],
)
def test_a_factor_is_the_fraction_meant(text: str, ratio: Fraction):
    """Rounded to four decimals, only one fraction that a company can mean is left."""
    assert ratio_of(text) == ratio


@pytest.mark.parametrize("text", ["1.0460", "1.281", "0.0093"])
def test_a_factor_without_one_stays(text: str):
    """A spin-off's factor, and one that several fractions round to, is kept as it came."""
    assert ratio_of(text) == Fraction(text)


@given(st.integers(1, 20), st.integers(1, 100))
def test_every_plain_split_survives_rounding(few: int, many: int):
    """What is announced as n for m comes back from four decimals, unless others round to the same."""
    for ratio in (Fraction(many, few), Fraction(few, many)):
        text = f"{float(ratio):.4f}"
        assert abs(ratio_of(text) - ratio) <= Fraction(1, 20_000)
        if few == 1:
            assert ratio_of(text) == ratio


def test_splits_are_read_with_their_text():
    """Each row is a ratio with the text that it came from, oldest first."""
    result = parsed([split("2021-11-04", "1.0460"), split("1999-05-27", "2.0000")])
    assert result.rejections == []
    assert result.rows[ACTIONS] == [
        CorporateAction(IBM, "split", date(1999, 5, 27), numerator=2, denominator=1, provider_text="2.0000"),
        CorporateAction(IBM, "split", date(2021, 11, 4), numerator=523, denominator=500, provider_text="1.0460"),
    ]


def test_an_empty_list_is_an_answer():
    """A symbol that never split has no row and no rejection."""
    assert parsed([]).rows == {ACTIONS: []}


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (split("2021-02-30", "2"), "not_a_date"),
        (split("None", "2"), "no_value"),
        (split("2021-11-04", "0.0000"), "not_positive"),
        (split("2021-11-04", "-2"), "negative"),
        (split("2021-11-04", "None"), "no_value"),
        (split("2021-11-04", "2:1"), "not_a_number"),
        (split("2021-11-04", 2), "not_text"),
        ({"effective_date": "2021-11-04"}, "missing_field"),
        ("a row", "wrong_structure"),
    ],
)
def test_a_bad_row_is_refused_alone(row: object, code: str):
    """The rows beside it are kept, and the reason names the row."""
    result = parsed([split("1999-05-27", "2"), row])
    assert [rejection.code for rejection in result.rejections] == [code]
    assert result.rejections[0].message.startswith("row 2: ")
    assert len(result.rows[ACTIONS]) == 1


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"symbol": "MSFT", "data": []}, "symbol_mismatch"),
        ({"data": []}, "symbol_mismatch"),
        ({"symbol": "IBM"}, "missing_root"),
        ({"symbol": "IBM", "data": {}}, "wrong_structure"),
    ],
)
def test_a_wrong_structure_is_refused_whole(document: dict[str, object], code: str):
    """Another symbol's list, or none at all, stores nothing."""
    with pytest.raises(PayloadRejected) as refused:
        SPLITS.parse(IBM, reply_of(document))
    assert refused.value.code == code


def test_the_same_line_twice_is_one():
    """A repeated line is one split; two different ones of a day are told apart in any order."""
    rows = [split("2021-11-04", "2"), split("2021-11-04", "3"), split("2021-11-04", "2")]
    forwards, backwards = parsed(rows).rows[ACTIONS], parsed(rows[::-1]).rows[ACTIONS]
    assert forwards == backwards
    assert [(action.seq, action.numerator) for action in forwards] == [(0, 2), (1, 3)]
