"""What an exported file is, told by a second file beside it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path

from common.export.relation import Selection


@dataclass(frozen=True, slots=True)
class ExportedColumn:
    """A column of the file, with its SQL type and its meaning."""

    name: str
    type: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a file holds. ``exported_at``: it has all that was committed by then, and of later changes none.

    ``revision`` is the schema's. ``invented``: the prices are the sandbox's. ``symbols_without_rows`` were asked for.
    """

    file: str
    format: str
    rows: int
    bytes: int
    sha256: str
    exported_at: datetime
    revision: str
    invented: bool
    selection: Selection
    symbols_without_rows: Sequence[str]
    columns: Sequence[ExportedColumn]

    def as_json(self) -> str:
        """Return it as a JSON document."""
        return json.dumps(asdict(self), default=_plain, indent=2, ensure_ascii=False) + "\n"


def manifest_of(path: Path) -> Path:
    """Return where the manifest of a file lies."""
    return path.with_name(f"{path.name}.manifest.json")


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, date | datetime) else str(value)
