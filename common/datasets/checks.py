"""What must hold between the values of a row, and how a reason is worded."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from common.datasets.rows import ChangeRow, Row
from common.errors import PayloadRejected
from common.redaction import one_line
from common.values import Rejection, Reply, Symbol

#: One unit of the last of the provider's four decimals: each value is rounded on its own.
ROUNDING: Final = Decimal("0.0001")
#: A value may hide half a unit of its last decimal; trailing zeros are sometimes left out, so that is bounded.
_FINEST_HALF_UNIT: Final = Decimal("0.00005")
_COARSEST_HALF_UNIT: Final = Decimal("0.005")
#: The provider subtracts in single precision: each price may be off by half a unit of its 24th bit (IEEE 754).
_SINGLE: Final = Decimal(2) ** -24
_MAX_SHOWN: Final = 40

R = TypeVar("R", bound=BaseModel)


def read_row(kind: type[R], values: object) -> R | Rejection:
    """Return the row, or why a value of it is refused (the first one, in the order of the fields)."""
    if not isinstance(values, Mapping):
        return Rejection("wrong_structure", f"the row is {kind_of(values)}, not an object")
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "missing":
        return Rejection("missing_field", f"{name} is missing", name)
    return Rejection(first["type"], f"{name}={shown(first['input'])} {first['msg']}", name)


def check_range(row: Row) -> Rejection | None:
    """Return why open, high, low and last price cannot all be true."""
    high, low = row.high_price, row.low_price
    if high < low:
        name = row.name_of("high_price")
        return Rejection("high_below_low", f"{name}={high} is below {row.name_of('low_price')}={low}", name)
    if row.volume == 0:
        return None
    for field in ("low_price", "open_price"):
        if not getattr(row, field):
            name = row.name_of(field)
            return Rejection("not_positive", f"{name}=0 although {row.volume} shares changed hands", name)
    for field in ("open_price", "price"):
        value = getattr(row, field)
        if not low - ROUNDING <= value <= high + ROUNDING:
            name = row.name_of(field)
            return Rejection("outside_range", f"{name}={value} is outside of low={low} and high={high}", name)
    return None


def check_change(row: ChangeRow) -> Rejection | None:
    """Return why price, previous close, change and percentage cannot all be true."""
    change, before = row.change, row.previous_close
    tolerance = _half_unit(row.price) + _half_unit(before) + _half_unit(change) + (row.price + before) * _SINGLE
    if abs(row.price - before - change) > tolerance:
        name = row.name_of("change")
        return Rejection("change_mismatch", f"{name}={change}, but price={row.price} less {before} is not", name)
    tolerance += before * _half_unit(row.percent) / 100
    if abs(row.percent * before / 100 - change) > tolerance:
        name = row.name_of("percent")
        return Rejection("percent_mismatch", f"{name}={row.percent}, but {change} of {before} is not", name)
    return None


def latest_day(received_at: datetime) -> date:
    """Return the last day that a reply can tell of: that after it arrived, because of time zones."""
    return received_at.date() + timedelta(days=1)


def check_day(name: str, day: date, received_at: datetime) -> Rejection | None:
    """Return why the day cannot be true of a reply that arrived at ``received_at``."""
    if day > latest_day(received_at):
        return Rejection("future_date", f"{name}={day} lies after {received_at.date()}, when the reply arrived", name)
    return None


def check_symbol(name: str, echoed: object, symbol: Symbol) -> Rejection | None:
    """Return why the reply is not about ``symbol``; another spelling is another symbol."""
    if echoed == str(symbol):
        return None
    text = f"{name}={shown(echoed)}, but {symbol} was asked for; if it is the same, write it so in STOCK_SYMBOLS"
    return Rejection("symbol_mismatch", text, name)


def refuse(symbol: str, reply: Reply, rejection: Rejection) -> PayloadRejected:
    """Return the error that refuses the whole reply, with the reply in it."""
    message = f"{symbol}: {rejection.message}. The reply is kept in quarantine."
    return PayloadRejected(message, code=rejection.code, payload=reply.text)


def section(symbol: str, reply: Reply, name: str, *, prefix: bool = False) -> dict[str, object]:
    """Return the object under ``name`` (or the first name that starts so). Raises PayloadRejected."""
    names = (key for key in reply.document if key == name or (prefix and key.startswith(name)))
    if (found := next(names, None)) is None:
        raise refuse(symbol, reply, Rejection("missing_root", f"the reply has no {name!r}", name))
    value = reply.document[found]
    if not isinstance(value, dict):
        raise refuse(symbol, reply, Rejection("wrong_structure", f"{name!r} is {kind_of(value)}, not an object", name))
    return value


def shown(value: object) -> str:
    """Return a value for a message: a text cut and escaped, of anything else its kind."""
    return f"'{one_line(value, _MAX_SHOWN)}'" if isinstance(value, str) else kind_of(value)


def kind_of(value: object) -> str:
    """Name JSON's kind of a value."""
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return kinds.get(type(value), "a number")


def _half_unit(number: Decimal) -> Decimal:
    half = Decimal(5).scaleb(int(number.as_tuple().exponent) - 1)
    return min(max(half, _FINEST_HALF_UNIT), _COARSEST_HALF_UNIT)
