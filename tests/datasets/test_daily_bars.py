"""Daily bars: sound rows are kept, others refused one by one, and a wrong structure whole."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from common.datasets.daily_bars import bars_from_reply
from common.errors import PayloadRejected
from common.values import DailyBar, Rejection, Symbol
from tests.support.replies import ADJUSTED_BAR, BAR, changed, reply_of, series_document

IBM = Symbol("IBM")


def bars_of(series: object, **meta: object) -> tuple[list[DailyBar], list[Rejection]]:
    return bars_from_reply(IBM, reply_of(series_document(series, **meta)))  # type: ignore[arg-type]


def test_a_sound_bar():
    """A raw bar has no adjusted values."""
    bar = DailyBar(
        symbol=IBM,
        session=date(2026, 10, 5),
        open_price=Decimal("222.3"),
        high_price=Decimal("222.88"),
        low_price=Decimal("220.3"),
        close_price=Decimal("221.58"),
        volume=6_318_079,
    )
    assert bars_of({"2026-10-05": BAR}) == ([bar], [])


def test_a_sound_adjusted_bar():
    """An adjusted bar keeps prices as traded beside the adjusted close, rounded to six decimals."""
    ((bar,), rejections) = bars_of({"2026-10-05": ADJUSTED_BAR})
    assert rejections == []
    assert (bar.close_price, bar.volume) == (Decimal("221.58"), 6_318_079)
    assert (bar.adjusted_close, bar.dividend_amount, bar.split_coefficient) == (Decimal("219.904167"), 0, 1)


def test_the_order_is_kept():
    """Bars come in the reply's order, newest first."""
    days = [(date(2026, 10, 5) - timedelta(days=back)).isoformat() for back in range(100)]
    bars, _ = bars_of(dict.fromkeys(days, BAR))
    assert [bar.session.isoformat() for bar in bars] == days


def test_open_session_is_left_out():
    """A time of day in Last Refreshed marks the newest bar as unfinished; the day alone does not."""
    series = {"2026-10-05": BAR, "2026-10-02": BAR}
    bars, rejections = bars_of(series, refreshed="2026-10-05 13:25:00")
    assert [bar.session.day for bar in bars] == [2]
    assert [rejection.code for rejection in rejections] == ["unfinished"]
    assert len(bars_of(series, refreshed="2026-10-05")[0]) == 2
    assert len(bars_of(series, refreshed="nonsense")[0]) == 2


def test_good_bars_survive_bad_ones():
    """Each bad row has its own rejection, which names the session and the field."""
    series = {
        "2026-10-05": BAR,
        "2026-10-02": changed(BAR, {"close": "None"}),
        "2026-10-01": BAR,
        "not a day": BAR,
        "2026-09-31": BAR,
        "1899-12-29": BAR,
        "2026-10-08": BAR,
        "2026-09-29": [],
        "2026-09-28": changed(BAR, {"high": "1.0000"}),
        "2026-09-25": changed(ADJUSTED_BAR, {"split_coefficient": "0.0"}),
        "2026-09-24": changed(ADJUSTED_BAR, {"dividend_amount": "-1"}),
        "2026-09-23": changed(ADJUSTED_BAR, {"adjusted_close": "NaN"}),
        "2026-09-22": changed(ADJUSTED_BAR, {"volume": None}),
        "2026-09-21": changed(BAR, {"close": "300.0000"}),
    }
    bars, rejections = bars_of(series)
    assert [bar.session.isoformat() for bar in bars] == ["2026-10-05", "2026-10-01"]
    assert [rejection.code for rejection in rejections] == [
        "no_value",
        "not_a_date",
        "not_a_date",
        "ancient_date",
        "future_date",
        "wrong_structure",
        "high_below_low",
        "not_positive",
        "negative",
        "not_a_number",
        "missing_field",
        "outside_range",
    ]
    assert rejections[0] == Rejection("no_value", "'2026-10-02': 4. close='None' holds no value", "4. close")


def test_a_session_without_a_trade():
    """Where nothing was traded the provider carries the last price over: that is no fault."""
    row = changed(BAR, {"open": "0.0000", "high": "0.0000", "low": "0.0000", "volume": "0"})
    assert len(bars_of({"2026-10-05": row})[0]) == 1


def test_session_name_is_safe_to_print():
    """A hostile key is cut and escaped in the message."""
    _, (rejection,) = bars_of({"\x1b[2J\n" + "x" * 999: BAR})
    assert rejection.message.isprintable()
    assert len(rejection.message) < 120


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({}, "missing_root"),
        ({"Meta Data": {"2. Symbol": "IBM"}}, "missing_root"),
        ({"Meta Data": [], "Time Series (Daily)": {}}, "wrong_structure"),
        (series_document({}), "no_rows"),
        (series_document([BAR]), "wrong_structure"),
        (series_document(None), "wrong_structure"),
        (series_document({"2026-10-05": BAR}, symbol="AAPL"), "symbol_mismatch"),
        (series_document({"2026-10-05": BAR}, symbol=None), "symbol_mismatch"),
        ({"Meta Data": {}, "Time Series (Daily)": {"2026-10-05": BAR}}, "symbol_mismatch"),
        ({"Meta Data": {"2. Symbol": "IBM"}, "Weekly Time Series": {"2026-10-05": BAR}}, "missing_root"),
    ],
)
def test_a_wrong_structure(document: dict[str, object], code: str):
    """Another symbol's series, or none, is refused whole."""
    with pytest.raises(PayloadRejected) as caught:
        bars_from_reply(IBM, reply_of(document))
    assert caught.value.code == code


def test_a_hundred_thousand_rows():
    """A series far longer than any stock's is read row by row like any other."""
    first = date(1900, 1, 1)
    days = [(first + timedelta(days=number)).isoformat() for number in range(46_000)]
    series = dict.fromkeys([*days, *(f"row {number}" for number in range(54_000))], BAR)
    bars, rejections = bars_of(series)
    assert (len(bars), len(rejections)) == (46_000, 54_000)
