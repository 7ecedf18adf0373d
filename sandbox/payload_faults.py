"""Replies with status 200 and a body that is wrong. Each fault turns the right document into the bytes to send."""

import copy
import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

Row = dict[str, Any]
Spoil = Callable[[object], bytes]

_DEEP: Final = 100_000
_PRICE: Final = frozenset({"price", "close"})


def _newest_row(document: object) -> Row | None:
    """Return the fields of the quote, of the newest bar, or of the bulk quote that names a fault, else of the first."""
    if not isinstance(document, dict):
        return None
    for name, part in document.items():
        if name.startswith("Global Quote"):
            return part or None
        if name.startswith("Time Series"):
            return next(iter(part.values()), None)
        if name == "data":
            return next((row for row in part if "FAULT" in row.get("symbol", "")), next(iter(part), None))
    return None


def _bare(name: str) -> str:
    """Return a field's name without its number: ``05. price`` is ``price``."""
    return name.partition(". ")[2] or name


def _spoil(change: Callable[[Row], None]) -> Spoil:
    """Make a fault that changes the newest row; a document without rows becomes no JSON at all."""

    def spoil(document: object) -> bytes:
        spoiled = copy.deepcopy(document)
        row = _newest_row(spoiled)
        if row is None:
            return _garbage(document)
        change(row)
        return json.dumps(spoiled, indent=4).encode()

    return spoil


def _set(names: frozenset[str] | set[str], value: object) -> Spoil:
    def change(row: Row) -> None:
        for name in row:
            if _bare(name) in names:
                row[name] = value

    return _spoil(change)


def _drop_price(row: Row) -> None:
    for name in [name for name in row if _bare(name) in _PRICE]:
        del row[name]


def _negate(row: Row) -> None:
    for name in row:
        if _bare(name) in {"open", "high", "low", "price", "close"}:
            row[name] = f"-{row[name]}"


def _swap_range(row: Row) -> None:
    high, low = (next(name for name in row if _bare(name) == which) for which in ("high", "low"))
    row[high], row[low] = f"{float(row[low]) / 2:.4f}", row[high]


def _swap_symbol(document: object) -> bytes:
    """Answer for another symbol than was asked for."""
    spoiled: Any = copy.deepcopy(document)
    places = [spoiled.get("Meta Data"), _newest_row(spoiled)] if isinstance(spoiled, dict) else []
    for place in filter(None, places):
        for name in place:
            if _bare(name).lower() == "symbol":
                place[name] = "SWAPPED"
    return json.dumps(spoiled, indent=4).encode()


def _leave_out(document: object) -> bytes:
    """Leave a session out of a series: the newest that is the first of a month, but never the newest of all.

    It is the same one for a month, so that a reader who asks again finds it missing again.
    """
    spoiled: Any = copy.deepcopy(document)
    series = spoiled.get("Time Series (Daily)", {}) if isinstance(spoiled, dict) else {}
    firsts = [day for before, day in pairwise(sorted(series)[:-1]) if before[:7] != day[:7]]
    if not firsts:
        return _garbage(document)
    del series[firsts[-1]]
    return json.dumps(spoiled, indent=4).encode()


def _redate(date: str) -> Spoil:
    """Make a fault that gives the newest row another day."""

    def spoil(document: object) -> bytes:
        spoiled: Any = copy.deepcopy(document)
        series = spoiled.get("Time Series (Daily)") if isinstance(spoiled, dict) else None
        if series:
            newest = next(iter(series))
            spoiled["Time Series (Daily)"] = {date if day == newest else day: bar for day, bar in series.items()}
            return json.dumps(spoiled, indent=4).encode()
        return _set({"latest trading day", "timestamp"}, date)(document)

    return spoil


def _text(document: object) -> str:
    return json.dumps(document, indent=4)


def _garbage(_: object) -> bytes:
    return bytes(range(128, 256)) * 4


def _duplicate(document: object) -> bytes:
    """Give the price twice, with two values: parsers differ in which one they take."""
    lines = []
    for line in _text(document).split("\n"):
        lines.append(line)
        name = line.strip().partition('":')[0].strip('"')
        if _bare(name) in _PRICE:
            lines.append(f'{line.partition(": ")[0]}: "0.0100"{"," if line.endswith(",") else ""}')
            lines[-2] = f"{line.rstrip(',')},"
    return "\n".join(lines).encode()


PAYLOAD_FAULTS: Final[dict[str, Spoil]] = {
    "garbage": _garbage,
    "not-json": lambda _: b"upstream timed out, please try again",
    "cut-json": lambda document: _text(document).encode()[: len(_text(document)) // 2],
    "empty-body": lambda _: b"",
    "null": lambda _: b"null",
    "array": lambda document: json.dumps([document]).encode(),
    "number": lambda _: b"42",
    "deep": lambda _: b'{"a":' * _DEEP + b"1" + b"}" * _DEEP,
    "utf16": lambda document: _text(document).encode("utf-16"),
    "bom": lambda document: b"\xef\xbb\xbf" + _text(document).encode(),
    "html": lambda _: b"<!doctype html><html><title>Maintenance</title><h1>We will be right back</h1></html>",
    "missing-field": _spoil(_drop_price),
    "null-field": _set(_PRICE, None),
    "wrong-type": _set(_PRICE, ["222.26", {"currency": "USD"}]),
    "bool-field": _set(_PRICE, True),
    "empty-field": _set(_PRICE, ""),
    "none-field": _set(_PRICE, "None"),
    "dash-field": _set(_PRICE, "-"),
    "nan": _set(_PRICE, "NaN"),
    "nan-literal": _set(_PRICE, float("nan")),
    "infinity": _set(_PRICE, "Infinity"),
    "huge": _set(_PRICE, "1e999"),
    "zero": _set(_PRICE, "0.0000"),
    "comma": _set(_PRICE, "1,234.56"),
    "negative": _spoil(_negate),
    "high-below-low": _spoil(_swap_range),
    "outside-range": _set(_PRICE, "999999999.0000"),
    "volume-negative": _set({"volume"}, "-1"),
    "volume-fraction": _set({"volume"}, "12.5"),
    "swapped-symbol": _swap_symbol,
    "future-date": _redate("2999-12-31"),
    "bad-date": _redate("2026-02-30"),
    "duplicate-key": _duplicate,
    "hole": _leave_out,
}
