"""The table ``quality_findings``: what the checks found, until they look again and find it no more."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal

from psycopg2.extensions import cursor as Cursor

from common.database.pool import Connections
from common.database.queries import statement
from common.database.rows import MAX_SENTENCE, MAX_WORKER, as_json, storable

Severity = Literal["error", "warning"]
State = Literal["open", "acknowledged", "resolved"]

#: How many findings a statement writes.
_ROWS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Found:
    """What a check found: where, and a sentence with the values."""

    check_name: str
    severity: Severity
    symbol: str
    session: date
    message: str


@dataclass(frozen=True, slots=True)
class QualityFinding:
    """A row of ``quality_findings``. Times are aware; the columns' comments say what each field means."""

    id: int
    check_name: str
    severity: Severity
    symbol: str
    session: date
    message: str
    first_seen: datetime
    opened_at: datetime
    last_seen: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    acknowledged_word: str | None
    resolved_at: datetime | None

    @property
    def state(self) -> State:
        """Whether it waits for a person, for the data, or for nothing any more."""
        if self.resolved_at:
            return "resolved"
        return "acknowledged" if self.acknowledged_at else "open"


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """Which findings are meant; None stands for any."""

    state: State | None = "open"
    severity: Severity | None = None
    check_name: str | None = None
    symbols: Collection[str] | None = None

    def values(self) -> dict[str, object]:
        """Return what the statements take."""
        symbols = None if self.symbols is None else as_json(dict.fromkeys(self.symbols))
        return {"state": self.state, "severity": self.severity, "check_name": self.check_name, "symbols": symbols}


@dataclass(frozen=True, slots=True)
class Looked:
    """Where the named checks looked: the symbol's sessions from ``first`` to ``last``, both included."""

    symbol: str
    first: date
    last: date
    check_names: Sequence[str]


class FindingTable:
    """The rows of ``quality_findings``. Thread-safe; each method is one transaction, raises what ``Connections`` does.

    ``record`` alone is part of a transaction of the caller's.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def list(self, which: FindingFilter, limit: int) -> list[QualityFinding]:
        """Return what there is: errors first, then what was opened last."""
        rows = self._connections.query("quality_findings", which.values() | {"row_limit": limit})
        return [QualityFinding(*row) for row in rows]

    def counts(self, which: FindingFilter) -> dict[Severity, int]:
        """Count findings by severity; both are always there."""
        rows = dict(self._connections.query("count_quality_findings", which.values()))
        return {"error": rows.get("error", 0), "warning": rows.get("warning", 0)}

    def acknowledge(self, ids: Iterable[int], word: str, by: str) -> set[int]:
        """Note that a person knows these findings and why they need nothing; return those that are open.

        An acknowledgement ends when a finding is resolved, or found again with other values. Raises ValueError for a
        word or a name that is empty.
        """
        values = {"ids": list(ids), "word": _said(word, MAX_SENTENCE), "by": _said(by, MAX_WORKER)}
        return {number for (number,) in self._connections.query("acknowledge_findings", values)}

    def record(self, cursor: Cursor, looked: Sequence[Looked], found: Sequence[Found]) -> int:
        """Write what was found, and resolve what is open where was looked and was not found; return how many opened.

        Of two with one key the first one counts.
        """
        unique = {(each.symbol, each.check_name, each.session): each for each in reversed(found)}
        rows = list(unique.values())
        opened = 0
        for start in range(0, len(rows), _ROWS):
            cursor.execute(
                statement("write_quality_findings"), {"rows": as_json(map(_row, rows[start : start + _ROWS]))}
            )
            opened += sum(is_new for (is_new,) in cursor.fetchall())
        keys = [
            {"symbol": each.symbol, "check_name": each.check_name, "session": each.session} for each in unique.values()
        ]
        cursor.execute(statement("resolve_findings"), {"looked": as_json(looked), "found": as_json(keys)})
        return opened


def _row(found: Found) -> dict[str, object]:
    return {
        "check_name": found.check_name,
        "severity": found.severity,
        "symbol": found.symbol,
        "session": found.session,
        "message": storable(found.message, MAX_SENTENCE),
    }


def _said(text: str, max_chars: int) -> str:
    if not text.strip():
        raise ValueError("an acknowledgement needs a word and a name: say why it needs nothing, and who says so.")
    return storable(text.strip(), max_chars)
