"""Quotes: what is accepted as it is, what is refused and why."""

import json
import struct
from datetime import date
from decimal import Decimal

import pytest

from common.datasets.bulk_quotes import BULK, quotes_from_bulk_reply
from common.datasets.quotes import quote_from_reply
from common.errors import PayloadRejected
from common.values import Quote, Rejection, Symbol
from tests.support.replies import BULK_ROW, QUOTE, RECEIVED_AT, bulk_document, changed, quote_document, reply_of

IBM = Symbol("IBM")
MSTR = Symbol("MSTR")


def refusal_of(document: dict[str, object], symbol: Symbol = IBM) -> PayloadRejected:
    with pytest.raises(PayloadRejected) as caught:
        quote_from_reply(symbol, reply_of(document))
    return caught.value


def test_a_sound_quote():
    """Every field arrives under the table's names, exact."""
    assert quote_from_reply(IBM, reply_of(quote_document())) == Quote(
        symbol=IBM,
        open_price=Decimal("222.3"),
        high_price=Decimal("222.88"),
        low_price=Decimal("220.3"),
        price=Decimal("221.58"),
        volume=6_318_079,
        latest_trading_day=date(2026, 10, 5),
        previous_close=Decimal("222.64"),
        change_amount=Decimal("-1.06"),
        change_percent=Decimal("-0.4761"),
        data_timestamp=RECEIVED_AT,
    )


def test_a_delayed_quote():
    """The name that a delayed entitlement gives the root is accepted."""
    document = {"Global Quote - DATA DELAYED BY 15 MINUTES": QUOTE}
    assert quote_from_reply(IBM, reply_of(document)).price == Decimal("221.58")


@pytest.mark.parametrize("symbol", ["NA", "NULL", "NAN", "INF", "TRUE", "NONE", "600104.SHH", "^GSPC", "ERIC-B.STO"])
def test_tickers_that_look_like_nothing(symbol: str):
    """A ticker is text, whatever a spreadsheet would make of it."""
    assert quote_from_reply(Symbol(symbol), reply_of(quote_document(symbol=symbol))).symbol == symbol


@pytest.mark.parametrize(
    "changes",
    [
        {"open": "0.0000", "high": "0.0000", "low": "0.0000", "volume": "0"},
        {"open": "250.0000", "volume": "0"},
        {"volume": str(2**63 - 1)},
        {"open": "222.8801"},
        {"open": "220.2999"},
        {"latest_trading_day": "2026-10-06"},
        {"latest_trading_day": "2026-10-07"},
        {"latest_trading_day": "1900-01-01"},
        {"change": "-1.0601", "change_percent": "-0.4762%"},
        {"open": "222.30000000000000"},
        {"change_percent": "-0.47610632%"},
    ],
)
def test_odd_but_sound(changes: dict[str, object]):
    """No trade, the largest volume, a rounding apart, tomorrow in another time zone, trailing zeros."""
    assert quote_from_reply(IBM, reply_of(quote_document(**changes))).price == Decimal("221.58")


def test_a_penny_stock_and_a_giant():
    """The extremes that NUMERIC(20,6) holds come through exactly."""
    flat = {
        "open": "0.000001",
        "high": "0.000001",
        "low": "0.000001",
        "price": "0.000001",
        "previous_close": "0.000001",
    }
    still = {"change": "0.0000", "change_percent": "0.0000%"}
    assert quote_from_reply(IBM, reply_of(quote_document(**flat, **still))).price == Decimal("0.000001")
    giant = dict.fromkeys(flat, "99999999999999.999999")
    assert quote_from_reply(IBM, reply_of(quote_document(**giant, **still))).price == Decimal("99999999999999.999999")


def test_what_the_provider_computes_is_rounded():
    """A percentage with more decimals than the column has is rounded to it."""
    quote = quote_from_reply(IBM, reply_of(quote_document(change_percent="-0.47610492%")))
    assert quote.change_percent == Decimal("-0.476105")


NOT_NUMBERS = [
    "NaN", "nan", "Infinity", "-Infinity", "inf", "sNaN", "1e999", "1e2", "1E-7", "0x10", "1_000", "1,234.56",
    "1.234,56", "$1", "1 ", " 1", "+1", ".5", "5.", "--1", "1.2.3",
    "\u0661\u0662", "\uff11", "\u00bd", "1\u00a0000", "1\n", "1\x00", "true",
    "9" * 41, "1." + "0" * 41,
]  # fmt: skip
NO_VALUES = ["", " ", "None", "none", "NULL", "null", "-", "--", "N/A", "n/a", ".", "undefined"]
NOT_TEXTS = [0, 1, 1.5, Decimal("1.5"), True, [], ["1"], {}, {"a": "1"}]


@pytest.mark.parametrize("value", NOT_NUMBERS)
@pytest.mark.parametrize("field", ["open", "price", "change"])
def test_what_is_no_number(field: str, value: str):
    """Only plain ASCII digits with a point are a number."""
    assert refusal_of(quote_document(**{field: value})).code == "not_a_number"


@pytest.mark.parametrize("value", NO_VALUES)
@pytest.mark.parametrize("field", ["high", "volume", "latest_trading_day", "change_percent"])
def test_what_is_no_value(field: str, value: str):
    """A word for nothing is never taken as zero."""
    assert refusal_of(quote_document(**{field: value})).code == "no_value"


@pytest.mark.parametrize("value", NOT_TEXTS, ids=repr)
@pytest.mark.parametrize("field", ["symbol", "low", "volume", "latest_trading_day", "change_percent"])
def test_what_is_no_text(field: str, value: object):
    """The provider sends strings only: anything else is not its doing, and not coerced."""
    assert refusal_of(quote_document(**{field: value})).code == "not_text"


@pytest.mark.parametrize("value", [None], ids=["null"])
def test_null(value: None):
    """A null is no text either."""
    document = quote_document()
    document["Global Quote"]["05. price"] = value  # type: ignore[index]
    assert refusal_of(document).code == "not_text"


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"price": "100000000000000"}, "out_of_range", "05. price"),
        ({"change": "-100000000000000"}, "out_of_range", "09. change"),
        ({"change_percent": "99999999999999.9999999%"}, "out_of_range", "10. change percent"),
        ({"price": "221.5800001"}, "too_precise", "05. price"),
        ({"price": "0.0000001"}, "too_precise", "05. price"),
        ({"price": "-221.58"}, "negative", "05. price"),
        ({"previous_close": "-0.01"}, "negative", "08. previous close"),
        ({"price": "0.0000"}, "not_positive", "05. price"),
        ({"low": "0.0000"}, "not_positive", "04. low"),
        ({"volume": "-1"}, "negative", "06. volume"),
        ({"volume": "1.5"}, "not_an_integer", "06. volume"),
        ({"volume": "6318079.0"}, "not_an_integer", "06. volume"),
        ({"volume": "6,318,079"}, "not_an_integer", "06. volume"),
        ({"volume": "1e6"}, "not_an_integer", "06. volume"),
        ({"volume": str(2**63)}, "out_of_range", "06. volume"),
        ({"latest_trading_day": "2026-02-30"}, "not_a_date", "07. latest trading day"),
        ({"latest_trading_day": "20261005"}, "not_a_date", "07. latest trading day"),
        ({"latest_trading_day": "2026-W41-1"}, "not_a_date", "07. latest trading day"),
        ({"latest_trading_day": "05.10.2026"}, "not_a_date", "07. latest trading day"),
        ({"latest_trading_day": "2026-10-05 16:00:00"}, "not_a_date", "07. latest trading day"),
        ({"latest_trading_day": "0000-00-00"}, "not_a_date", "07. latest trading day"),
        ({"latest_trading_day": "1899-12-31"}, "ancient_date", "07. latest trading day"),
        ({"latest_trading_day": "2026-10-08"}, "future_date", "07. latest trading day"),
        ({"high": "220.2000"}, "high_below_low", "03. high"),
        ({"open": "222.8802"}, "outside_range", "02. open"),
        ({"open": "220.2998"}, "outside_range", "02. open"),
        ({"price": "222.9900", "change": "0.3500", "change_percent": "0.1572%"}, "outside_range", "05. price"),
        ({"change": "1.0600"}, "change_mismatch", "09. change"),
        ({"change": "-1.0603"}, "change_mismatch", "09. change"),
        ({"change_percent": "0.4761%"}, "percent_mismatch", "10. change percent"),
        ({"change_percent": "-0.4771%"}, "percent_mismatch", "10. change percent"),
        ({"change_percent": "-0.4761"}, "not_a_percent", "10. change percent"),
        ({"change_percent": "%"}, "no_value", "10. change percent"),
        ({"change_percent": "None%"}, "no_value", "10. change percent"),
        ({"change_percent": "x%"}, "not_a_number", "10. change percent"),
        ({"symbol": "AAPL"}, "symbol_mismatch", "01. symbol"),
        ({"symbol": "ibm"}, "symbol_mismatch", "01. symbol"),
        ({"symbol": "IBM "}, "symbol_mismatch", "01. symbol"),
        ({"symbol": ""}, "symbol_mismatch", "01. symbol"),
        ({"volume": None}, "missing_field", "06. volume"),
    ],
)
def test_a_refusal(changes: dict[str, object], code: str, field: str):
    """Each reason has its code, and the message names symbol and field."""
    error = refusal_of(quote_document(**changes))
    assert error.code == code
    assert str(error).startswith(f"IBM: {field}")


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("221.57999999999998", "221.58"),
        ("221.58000000000004", "221.58"),
        ("221.580000001", "221.58"),
        ("99999999999999.123456", "99999999999999.123456"),
        ("12345678.901234999", "12345678.901235"),
    ],
)
def test_the_noise_of_a_double(text: str, price: str):
    """A price that is six decimals but for a binary double's noise is these six decimals."""
    values = dict.fromkeys(("open", "high", "low", "price", "previous_close"), text)
    quote = quote_from_reply(IBM, reply_of(quote_document(**values, change="0.0000", change_percent="0.0000%")))
    assert {quote.price, quote.low_price, quote.previous_close} == {Decimal(price)}


@pytest.mark.parametrize(
    "before", ["0.0040", "9.9900", "100.0100", "4999.9700", "24984.5500", "621000.0100", "8388607.7700"]
)
@pytest.mark.parametrize("step", ["0.0100", "-0.0300", "1.1100", "-7.7700"])
def test_single_precision(before: str, step: str):
    """A change that was computed in single precision fits its prices, however high they are."""
    price = Decimal(before) + Decimal(step)
    if price <= 0:
        return
    change = Decimal(str(round(single(price) - single(before), 4)))
    values = dict.fromkeys(("open", "high", "low", "price"), str(price))
    percent = f"{change / Decimal(before) * 100:.4f}%"
    document = quote_document(**values, previous_close=before, change=str(change), change_percent=percent)
    assert quote_from_reply(IBM, reply_of(document)).change_amount == change


def single(number: Decimal | str) -> float:
    """Return the number as single precision has it."""
    return float(struct.unpack("f", struct.pack("f", float(number)))[0])


@pytest.mark.parametrize("field", QUOTE)
def test_each_field_is_needed(field: str):
    """No field of a quote may be absent."""
    document = {"Global Quote": {name: value for name, value in QUOTE.items() if name != field}}
    error = refusal_of(document)
    assert (error.code, field in str(error)) == ("missing_field", True)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"Meta Data": {}}, "missing_root"),
        ({"global quote": QUOTE}, "missing_root"),
        ({"Global Quote": None}, "wrong_structure"),
        ({"Global Quote": [QUOTE]}, "wrong_structure"),
        ({"Global Quote": "IBM"}, "wrong_structure"),
        ({"Global Quote": {}}, "missing_field"),
    ],
)
def test_a_wrong_structure(document: dict[str, object], code: str):
    """The object that holds the quote must be there, and be an object."""
    assert refusal_of(document).code == code


def test_another_spelling_is_another_symbol():
    """BRK-B asked for and BRK.B echoed is refused, and the message says how to ask for it."""
    error = refusal_of(quote_document(symbol="BRK.B"), Symbol("BRK-B"))
    assert error.code == "symbol_mismatch"
    assert "'BRK.B', but BRK-B was asked for" in str(error)


def test_the_message_is_safe_to_print():
    """A value of the provider's is cut and escaped in the message, and the original is kept."""
    document = quote_document(price="\x1b[2J\r\nforged " + "9" * 500)
    error = refusal_of(document)
    assert str(error).isprintable()
    assert len(str(error)) < 200
    assert error.payload == json.dumps(document)


def bulk(*rows: object, symbols: tuple[str, ...] = ("MSTR",)) -> tuple[list[Quote], dict[Symbol, Rejection]]:
    return quotes_from_bulk_reply([Symbol(symbol) for symbol in symbols], reply_of(bulk_document(*rows)))


def test_a_sound_bulk_quote():
    """A bulk row becomes the same kind of quote; its day is the day of its time."""
    assert bulk(BULK_ROW) == (
        [
            Quote(
                symbol=MSTR,
                open_price=Decimal("246.21"),
                high_price=Decimal("255.8"),
                low_price=Decimal("239.0"),
                price=Decimal("247.31"),
                volume=20_592_520,
                latest_trading_day=date(2024, 10, 30),
                previous_close=Decimal("258.24"),
                change_amount=Decimal("-10.93"),
                change_percent=Decimal("-4.2325"),
                data_timestamp=RECEIVED_AT,
            )
        ],
        {},
    )


def test_good_rows_survive_bad_ones():
    """Each asked symbol has its quote or its reason, in the order asked; a stranger's row is left out."""
    rows = [
        changed(BULK_ROW, {"symbol": "AAA"}),
        changed(BULK_ROW, {"symbol": "BBB", "close": "NaN"}),
        changed(BULK_ROW, {"symbol": "CCC"}),
        changed(BULK_ROW, {"symbol": "CCC", "volume": "1"}),
        changed(BULK_ROW, {"symbol": "EEE"}),
        changed(BULK_ROW, {"symbol": "STRANGER"}),
        "no row", None, 17, {}, {"symbol": None}, {"symbol": ["AAA"]},
    ]  # fmt: skip
    quotes, rejections = bulk(*rows, symbols=("EEE", "AAA", "BBB", "CCC", "DDD"))
    assert [quote.symbol for quote in quotes] == ["EEE", "AAA"]
    codes = {symbol: rejection.code for symbol, rejection in rejections.items()}
    assert codes == {"BBB": "not_a_number", "CCC": "duplicate_symbol", "DDD": "absent"}
    assert rejections[Symbol("BBB")].field_name == "close"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"change_percent": "-4.2325%"}, "not_a_number"),
        ({"timestamp": "2024-10-30"}, "not_a_date"),
        ({"timestamp": "2024-10-30T19:59:57Z"}, "not_a_date"),
        ({"timestamp": "2024-02-30 19:59:57"}, "not_a_date"),
        ({"timestamp": "2027-10-29 19:59:57"}, "future_date"),
        ({"timestamp": "2024-10-30 09:29:59"}, "no_session"),
        ({"timestamp": "2024-10-30 04:00:00.001"}, "no_session"),
        ({"timestamp": "2024-11-02 12:00:00"}, "no_session"),  # a Saturday
        ({"close": "300"}, "outside_range"),
        ({"change": "-10.90"}, "change_mismatch"),
        ({"previous_close": None}, "missing_field"),
    ],
)
def test_a_bulk_rejection(changes: dict[str, object], code: str):
    """Bulk rows have their own time and no percent sign; the rest is judged alike."""
    quotes, rejections = bulk(changed(BULK_ROW, changes))
    assert (quotes, rejections[MSTR].code) == ([], code)


@pytest.mark.parametrize("time", ["09:30:00", "12:00:00", "16:00:00.5", "19:59:57.644"])
def test_time_of_session_tells_its_day(time: str):
    """From the open on the prices are of the time's own day; a session that is open is one like any other."""
    quotes, _ = bulk(changed(BULK_ROW, {"timestamp": f"2024-10-30 {time}"}))
    assert [quote.latest_trading_day for quote in quotes] == [date(2024, 10, 30)]


def test_what_is_absent_is_not_refused():
    """Each symbol has rows or a reason, but for one that is left out, or whose last trade was before the open."""
    bad = changed(BULK_ROW, {"symbol": "BBB", "close": Decimal("1.5")})
    early = changed(BULK_ROW, {"symbol": "DDD", "timestamp": "2024-10-31 08:00:00"})
    reply = reply_of(bulk_document(BULK_ROW, bad, "no row", early))
    found = BULK["quotes"].parse([MSTR, Symbol("BBB"), Symbol("CCC"), Symbol("DDD")], reply)
    assert list(found) == [MSTR, "BBB"]
    assert found[MSTR].detail == "247.31 on 2024-10-30"
    assert found[Symbol("BBB")].code == "not_text"


@pytest.mark.parametrize(
    ("document", "code"),
    [({}, "missing_root"), ({"data": {}}, "wrong_structure"), ({"data": None}, "wrong_structure")],
)
def test_a_wrong_bulk_structure(document: dict[str, object], code: str):
    """Without a list of rows the whole reply is refused."""
    with pytest.raises(PayloadRejected) as caught:
        quotes_from_bulk_reply([MSTR], reply_of(document))
    assert caught.value.code == code
