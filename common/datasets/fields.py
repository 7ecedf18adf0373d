"""One value: from the provider's text to a checked Decimal, int or date. Errors carry a code of the package's table."""

import re
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

MAX_VOLUME: Final = 2**63 - 1
#: NUMERIC(20,6): fourteen digits before the point, six after it.
DECIMALS: Final = 6
MAX_PRICE: Final = Decimal(10) ** 14
EARLIEST: Final = date(1900, 1, 1)
_STEP: Final = Decimal(1).scaleb(-DECIMALS)
#: How far a price may be from six decimals and still be them: ``236.13099999999997`` is 236.131 as a binary double.
_NOISE: Final = Decimal("1e-9")
#: From eight million on, a double cannot say a price as exactly as that: two units of its last place (IEEE 754).
_DOUBLE: Final = Decimal(2) ** -51

_NOTHING: Final = frozenset({"", "-", "--", ".", "none", "null", "nil", "n/a", "na", "undefined"})
#: What no text column holds: NUL, and half of a surrogate pair.
_UNSTORABLE: Final = re.compile(r"[\x00\ud800-\udfff]")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?", re.ASCII)
_INTEGER: Final = re.compile(r"-?[0-9]{1,40}", re.ASCII)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_STAMP: Final = re.compile(r"(?P<day>[0-9-]{10}) (?P<minute>[0-9]{2}:[0-9]{2}):[0-9]{2}(\.[0-9]{1,6})?", re.ASCII)
#: When a session of New York begins, on each of its days; earlier trades are of no session.
_OPEN: Final = "09:30"
_SATURDAY: Final = 5


def _fail(code: str, message: str) -> PydanticCustomError:
    return PydanticCustomError(code, message)


def _is_text(value: object) -> str:
    if not isinstance(value, str):
        raise _fail("not_text", "is no text")
    return value


def _storable(value: object) -> str:
    text = _is_text(value)
    if _UNSTORABLE.search(text):
        raise _fail("not_text", "holds what no text column can: NUL, or half of a surrogate pair")
    return text


def _text(value: object) -> str:
    text = _is_text(value)
    if text.strip().lower() in _NOTHING:
        raise _fail("no_value", "holds no value")
    return text


def _number(value: object) -> Decimal:
    text = _text(value)
    if not _DECIMAL.fullmatch(text):
        raise _fail("not_a_number", "is not a plain decimal number")
    return _within_range(Decimal(text))


def _exact(number: Decimal) -> Decimal:
    rounded = _rounded(number)
    if abs(number - rounded) > max(_NOISE, abs(number) * _DOUBLE):
        raise _fail("too_precise", "has more than six decimals")
    return rounded


def _rounded(number: Decimal) -> Decimal:
    rounded = number if number == round(number, DECIMALS) else number.quantize(_STEP, ROUND_HALF_EVEN)
    return _within_range(rounded)


def _within_range(number: Decimal) -> Decimal:
    if abs(number) >= MAX_PRICE:
        raise _fail("out_of_range", "is beyond what NUMERIC(20,6) holds")
    return number


def _not_negative(number: Decimal) -> Decimal:
    if number < 0:
        raise _fail("negative", "is negative")
    return number


def _positive(number: Decimal) -> Decimal:
    if _not_negative(number) == 0:
        raise _fail("not_positive", "is zero")
    return number


def _percent(value: object) -> Decimal:
    text = _text(value)
    if not text.endswith("%"):
        raise _fail("not_a_percent", "lacks the percent sign")
    return _number(text[:-1])


def _volume(value: object) -> int:
    text = _text(value)
    if not _INTEGER.fullmatch(text):
        raise _fail("not_an_integer", "is not a whole number")
    volume = int(text)
    if volume < 0:
        raise _fail("negative", "is negative")
    if volume > MAX_VOLUME:
        raise _fail("out_of_range", "is beyond what BIGINT holds")
    return volume


def _day(value: object) -> date:
    text = _text(value)
    try:
        day = date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        raise _fail("not_a_date", "is not a date (YYYY-MM-DD)")
    if day < EARLIEST:
        raise _fail("ancient_date", "is before 1900")
    return day


def _day_of_stamp(value: object) -> date:
    """Take the day of a bulk row's ``2024-10-30 19:59:57.644``, which is in the exchange's own time.

    It tells when the last trade was, and trades go on outside of the session that the prices are of: after its close
    that is the same day's, before its open it is an earlier one, which nothing in the row names.
    """
    match = _STAMP.fullmatch(_text(value))
    if not match:
        raise _fail("not_a_date", "is not a time (YYYY-MM-DD HH:MM:SS)")
    day = _day(match["day"])
    if match["minute"] < _OPEN or day.weekday() >= _SATURDAY:
        raise _fail("no_session", "is no time of a session or after it, so it does not tell the prices' day")
    return day


def _none_of_nothing(value: object) -> str | None:
    """Take ``None``, ``null``, ``-`` and their like for a value that is not known."""
    text = _is_text(value)
    return None if text.strip().lower() in _NOTHING else text


def factor_text(value: object) -> str:
    """Take the text of a split's factor: a plain positive decimal number, kept as it came."""
    text = _text(value)
    _positive(_number(text))
    return text


#: Any text that can be stored, because NA, NULL and NAN are tickers.
Text = Annotated[str, BeforeValidator(_storable)]
Ticker = Text
Signed = Annotated[Decimal, BeforeValidator(_number), AfterValidator(_exact)]
Price = Annotated[Signed, AfterValidator(_not_negative)]
LastPrice = Annotated[Signed, AfterValidator(_positive)]
Computed = Annotated[Decimal, BeforeValidator(_number), AfterValidator(_rounded)]
NotNegative = AfterValidator(_not_negative)
Positive = AfterValidator(_positive)
Percent = Annotated[Decimal, BeforeValidator(_percent), AfterValidator(_rounded)]
Volume = Annotated[int, BeforeValidator(_volume)]
Day = Annotated[date, BeforeValidator(_day)]
DayOfStamp = Annotated[date, BeforeValidator(_day_of_stamp)]
#: Of a value that may be missing: ``Annotated[Day | None, OrNone]``.
OrNone = BeforeValidator(_none_of_nothing)
