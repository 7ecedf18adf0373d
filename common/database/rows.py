"""Between our values and rows: what is sent as JSON, what comes back as tuples."""

from collections.abc import Callable, Hashable, Iterable
from datetime import datetime
from typing import Final, TypeVar

from pydantic_core import PydanticSerializationError, to_json

from common.errors import RowRefused

V = TypeVar("V")

#: Longest texts, in characters, as the columns have them.
MAX_REASON: Final = 64
MAX_SENTENCE: Final = 2000
MAX_WORKER: Final = 255


def as_json(rows: Iterable[object]) -> str:
    """Return a JSON array of mappings, or of our frozen values: their fields are named as the columns.

    Decimals and times go as text, which PostgreSQL reads into the column's own type. The caller looks after times
    without a zone (``aware``) and after what no text column holds (``storable``); RowRefused tells of the latter.
    """
    try:
        return to_json(list(rows)).decode()
    except PydanticSerializationError as error:
        raise RowRefused(f"a row cannot be sent to PostgreSQL: {error}") from None


def aware(moment: datetime) -> datetime:
    """Return ``moment`` if it says its time zone. Raises TypeError for one that PostgreSQL would have to guess."""
    if moment.tzinfo is None:
        raise TypeError(f"{moment!r} has no time zone.")
    return moment


def storable(text: str, max_chars: int | None) -> str:
    """Return ``text`` as PostgreSQL can hold it: no NUL and no half of a surrogate pair (each becomes U+FFFD).

    It is cut to ``max_chars``; None leaves it whole.
    """
    clean = text[:max_chars].replace("\x00", "\ufffd")
    return clean.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def last_of_each(values: Iterable[V], key: Callable[[V], Hashable]) -> list[V]:
    """Return one value for each key, the last one given."""
    return list({key(value): value for value in values}.values())
