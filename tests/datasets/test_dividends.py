"""Dividends: amounts as paid, dates that may be unknown, declared ones of the future."""

from datetime import date
from decimal import Decimal

import pytest

from common.datasets.corporate_actions import ACTIONS, CorporateAction
from common.datasets.dividends import DIVIDENDS
from common.values import Symbol
from tests.support.replies import reply_of

IBM = Symbol("IBM")
ROW = {
    "ex_dividend_date": "2026-11-10",
    "declaration_date": "2026-10-27",
    "record_date": "2026-11-10",
    "payment_date": "2026-12-10",
    "amount": "1.68",
}


def parsed(*rows: object):
    return DIVIDENDS.parse(IBM, reply_of({"symbol": "IBM", "data": list(rows)}))


def test_a_dividend_with_all_its_dates():
    """Also one whose ex-date is still to come is a fact."""
    (action,) = parsed(ROW).rows[ACTIONS]
    assert action == CorporateAction(
        IBM,
        "dividend",
        date(2026, 11, 10),
        amount=Decimal("1.68"),
        declared_on=date(2026, 10, 27),
        recorded_on=date(2026, 11, 10),
        paid_on=date(2026, 12, 10),
        provider_text="1.68",
    )


@pytest.mark.parametrize("nothing", ["None", "null", "", "-"])
def test_an_unknown_date_is_null(nothing: str):
    """The provider writes a word where it knows no date."""
    unknown = dict.fromkeys(("declaration_date", "record_date", "payment_date"), nothing)
    (action,) = parsed(ROW | unknown).rows[ACTIONS]
    assert (action.declared_on, action.recorded_on, action.paid_on) == (None, None, None)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ex_dividend_date": "None"}, "no_value"),
        ({"amount": "None"}, "no_value"),
        ({"amount": "0"}, "not_positive"),
        ({"amount": "-1"}, "negative"),
        ({"amount": "NaN"}, "not_a_number"),
        ({"payment_date": "soon"}, "not_a_date"),
    ],
)
def test_a_bad_row_is_refused_alone(changes: dict[str, str], code: str):
    """Without an ex-date or an amount there is no dividend; the others are kept."""
    result = parsed(ROW | {"ex_dividend_date": "2026-08-10"}, ROW | changes)
    assert [rejection.code for rejection in result.rejections] == [code]
    assert [action.ex_date for action in result.rows[ACTIONS]] == [date(2026, 8, 10)]


def test_two_of_one_day_are_two():
    """A special dividend on the day of the regular one has a number of its own."""
    actions = parsed(ROW, ROW | {"amount": "3"}).rows[ACTIONS]
    assert [(action.seq, action.amount) for action in actions] == [(0, Decimal("1.68")), (1, Decimal(3))]
