"""JSON read strictly: one whole object in UTF-8, no name twice, no NaN, numbers as ``Decimal``.

``json.loads`` alone takes the last of two values of one name, takes NaN, and makes prices binary fractions.
"""

import json
from decimal import Decimal, InvalidOperation
from typing import Final

_MAX_DIGITS: Final = 64


class Unreadable(ValueError):
    """The bytes are not such an object. ``code`` is stable, the message says what is wrong."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_object(body: bytes) -> dict[str, object]:
    """Return the object in ``body``; a byte order mark is tolerated. Raises Unreadable and nothing else."""
    try:
        document = json.loads(
            body.decode("utf-8-sig"),
            parse_float=_number,
            parse_int=_number,
            parse_constant=_constant,
            object_pairs_hook=_unique,
        )
    except UnicodeDecodeError:
        raise Unreadable("not_utf8", "it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise Unreadable("not_json", f"it is not whole JSON ({error.msg} at {error.pos} of {len(error.doc)})") from None
    except RecursionError:
        raise Unreadable("nesting", "it is nested absurdly deep") from None
    if not isinstance(document, dict):
        raise Unreadable("not_an_object", "it is JSON, but not an object")
    return document


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Unreadable("duplicate_key", f"the name {twice!a} occurs twice in one object")
    return document


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise Unreadable("not_finite", "a number in it is beyond any magnitude") from None
    if len(text) > _MAX_DIGITS or not number.is_finite():
        raise Unreadable("not_finite", f"a number in it has {len(text)} characters")
    return number


def _constant(text: str) -> object:
    raise Unreadable("not_finite", f"it holds {text}")
