"""Sound replies of each dataset, made from recordings, and sixty ways or more to spoil each, with the reason."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.payload_faults import PAYLOAD_FAULTS

RECORDINGS = Path(__file__).parents[1] / "contract" / "recordings"
Kinds = dict[str, tuple[bytes, str]]

#: Dates that may be unknown.
_OPTIONAL = {"declaration_date", "record_date", "payment_date"}
#: What is spoiled whatever the reply holds, and how it is refused.
_FAULTS = {
    "cut-json": "not_json",
    "empty-body": "not_json",
    "null": "not_an_object",
    "array": "not_an_object",
    "number": "not_an_object",
    "deep": "nesting",
    "utf16": "not_utf8",
    "garbage": "not_utf8",
}
#: What no field takes.
_VALUES: dict[str, tuple[object, str]] = {
    "null": (None, "not_text"),
    "list": (["1"], "not_text"),
    "object": ({"v": "1"}, "not_text"),
    "truth": (True, "not_text"),
    "number": (1, "not_text"),
    "empty": ("", "no_value"),
    "none": ("None", "no_value"),
    "dash": ("-", "no_value"),
    "not-available": ("N/A", "no_value"),
}
_NUMBERS: dict[str, tuple[object, str]] = {
    "nan": ("NaN", "not_a_number"),
    "infinity": ("Infinity", "not_a_number"),
    "exponent": ("1e3", "not_a_number"),
    "comma": ("1,234.5", "not_a_number"),
    "blank": (" 1", "not_a_number"),
    "words": ("about one", "not_a_number"),
}
_DAYS: dict[str, tuple[object, str]] = {
    "no-day": ("2026-02-30", "not_a_date"),
    "words": ("yesterday", "not_a_date"),
    "american": ("10/05/2026", "not_a_date"),
    "ancient": ("1066-10-14", "ancient_date"),
}


def recorded(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((RECORDINGS / f"{name}.json").read_text("utf-8"))
    return document


def sound(dataset: str) -> dict[str, Any]:
    """A recorded reply about IBM, cut to its first row."""
    document = recorded("daily_bars" if dataset == "full_history" else dataset)
    root = list(document)[-1]
    rows = document[root]
    if isinstance(rows, list):
        return document | {root: rows[:1]}
    return document if dataset == "quotes" else document | {root: dict(list(rows.items())[:1])}


def spoilt(dataset: str) -> Kinds:
    """Return the bodies by the name of what was done to each, with the reason for which it is refused."""
    return dict(_of_the_wire(dataset)) | dict(_of_the_structure(dataset)) | dict(_of_the_fields(dataset))


def _of_the_wire(dataset: str) -> Iterator[tuple[str, tuple[bytes, str]]]:
    text = json.dumps(sound(dataset))
    for name, reason in _FAULTS.items():
        yield name, (PAYLOAD_FAULTS[name](sound(dataset)), reason)
    yield "text", (json.dumps(text).encode(), "not_an_object")
    yield "last-byte", (text[:-1].encode(), "not_json")
    yield "twice", ((text + text).encode(), "not_json")
    yield "junk", ((text + ";").encode(), "not_json")
    yield "quotes", (text.replace('"', "'").encode(), "not_json")
    yield "trailing-comma", ((text[:-1] + ",}").encode(), "not_json")
    yield "duplicate-name", ((text[:-1] + ', "x": 1, "x": 2}').encode(), "duplicate_key")
    yield "nan-literal", ((text[:-1] + ', "x": NaN}').encode(), "not_finite")
    yield "infinite-literal", ((text[:-1] + ', "x": -Infinity}').encode(), "not_finite")
    yield "beyond-magnitude", ((text[:-1] + ', "x": ' + "9" * 65 + "}").encode(), "not_finite")
    yield "latin", ((text[:-1] + ', "x": "').encode() + b'\xe9"}', "not_utf8")


def _of_the_structure(dataset: str) -> Iterator[tuple[str, tuple[bytes, str]]]:
    document = sound(dataset)
    root = list(document)[-1]
    if dataset != "quotes":  # a quote's root is also how its absence is told
        yield (
            "no-root",
            (_bytes({name: part for name, part in document.items() if name != root} | {"x": 1}), "missing_root"),
        )
        yield (
            "other-root",
            (_bytes({name: part for name, part in document.items() if name != root} | {"rows": []}), "missing_root"),
        )
    else:
        yield "other-root", (_bytes({"Quote": document[root]}), "missing_root")
    for name, value in {"text": "none", "number": 5, "truth": True}.items():
        yield f"root-{name}", (_bytes(document | {root: value}), "wrong_structure")
    if dataset != "quotes":
        for name, row in {"text": "none", "null": None, "list": [], "number": 1}.items():
            yield f"row-{name}", (_bytes(_with_row(document, row)), "wrong_structure")
    for name, value in {"other": "AAPL", "small": "ibm", "null": None, "padded": " IBM"}.items():
        yield (
            f"symbol-{name}",
            (
                _bytes(_named(document, value)),
                "symbol_mismatch" if name != "null" or dataset != "quotes" else "not_text",
            ),
        )


def _of_the_fields(dataset: str) -> Iterator[tuple[str, tuple[bytes, str]]]:
    for field in _row(sound(dataset)).keys() - _OPTIONAL:
        kinds = _VALUES | (_DAYS if _is_day(field) else {} if "symbol" in field else _NUMBERS)
        for name, (value, reason) in kinds.items():
            yield f"{field}={name}", (_bytes(_changed(sound(dataset), field, value)), _reason(field, reason))
        yield f"{field}=missing", (_bytes(_changed(sound(dataset), field, ...)), "missing_field")


def _reason(field: str, reason: str) -> str:
    if reason == "no_value" and "symbol" in field:
        return "symbol_mismatch"
    if reason != "not_a_number":
        return reason
    return "not_an_integer" if "volume" in field else "not_a_percent" if "percent" in field else reason


def _is_day(field: str) -> bool:
    return "date" in field or "day" in field


def _row(document: dict[str, Any]) -> dict[str, Any]:
    rows = list(document.values())[-1]
    if isinstance(rows, list):
        row: dict[str, Any] = rows[0]
        return row
    first = next(iter(rows.values()))
    return first if isinstance(first, dict) else rows


def _changed(document: dict[str, Any], field: str, value: object) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    row = _row(changed)
    if value is ...:
        del row[field]
    else:
        row[field] = value
    return changed


def _with_row(document: dict[str, Any], row: object) -> dict[str, Any]:
    root = list(document)[-1]
    rows = document[root]
    return document | {root: [row] if isinstance(rows, list) else dict.fromkeys(rows, row)}


def _named(document: dict[str, Any], symbol: object) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    for part in (changed, changed.get("Meta Data"), changed.get("Global Quote")):
        for name in part or {}:
            if name.partition(". ")[2].lower() == "symbol" or name == "symbol":
                part[name] = symbol
    return changed


def _bytes(document: object) -> bytes:
    return json.dumps(document).encode()
