"""Raw bars, many at once: a history has 6,700, and nearly all are digits in the usual form that hold together.

What is plain here is what the exact judge of one row (daily_bars.py) would say yes to, and the bar is the same; in
doubt the answer is no. The property tests compare the two.
"""

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from itertools import repeat
from operator import itemgetter, le
from typing import Any, Final

from common.datasets.fields import EARLIEST
from common.datasets.rows import BarRow
from common.values import DailyBar, Symbol

_FIELDS: Final = tuple(map(BarRow.name_of, ("open_price", "high_price", "low_price", "price", "volume")))
_VALUES: Final = itemgetter(*_FIELDS)
#: What storing changes nothing of: up to six decimals, and a number that any column holds.
_PRICE: Final = r"[0-9]{1,14}(?:\.[0-9]{1,6})?"
_LINES: Final = re.compile(rf"(?:[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:\t{_PRICE}){{4}}\t[0-9]{{1,18}}\n)+", re.ASCII)


def plain_bars(symbol: Symbol, series: Sequence[tuple[str, object]], latest: date) -> list[DailyBar] | None:
    """Return the bars of a part of a series, by their sessions' names, if each of them is plain; else None.

    ``latest`` is the last session that can be.
    """
    columns = _plain_columns(series)
    if columns is None:
        return None
    names, *prices, volumes = columns
    try:
        sessions = list(map(date.fromisoformat, names))
    except ValueError:  # no day of the calendar
        return None
    opens, highs, lows, closes = (list(map(Decimal, texts)) for texts in prices)
    between = all(map(le, lows, opens)) and all(map(le, opens, highs))
    between = between and all(map(le, lows, closes)) and all(map(le, closes, highs))
    if not (between and all(lows) and min(sessions) >= EARLIEST and max(sessions) <= latest):
        return None
    return list(map(DailyBar, repeat(symbol), sessions, opens, highs, lows, closes, map(int, volumes)))


def _plain_columns(series: Sequence[tuple[str, object]]) -> Sequence[tuple[str, ...]] | None:
    """Return the texts of each column, if all are digits in the usual form and no row has another field."""
    rows: list[Any] = [row for _, row in series]
    if {*map(type, rows)} != {dict} or {*map(len, rows)} != {len(_FIELDS)}:
        return None
    try:
        lines = [(name, *_VALUES(row)) for (name, _), row in zip(series, rows, strict=True)]
        text = "\n".join(map("\t".join, lines)) + "\n"
    except (KeyError, TypeError):  # it has other fields, or a value is no text
        return None
    # A value with a line's end in it could pass for two: it makes more lines than there are rows.
    plain = _LINES.fullmatch(text) and text.count("\n") == len(lines)
    return list(zip(*lines, strict=True)) if plain else None
