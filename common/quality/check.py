"""The checks: one file each in checks/, whose head says what it finds, how grave that is, and when it is wrong."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal, cast

from common.database.queries import statement
from common.quality.finding_table import Severity

#: What a look at a symbol means to a check: the sessions of its rows that changed, or all of the symbol. A check of
#: exchanges looks at all of them, whatever changed.
LooksAt = Literal["sessions", "symbol", "exchange"]

_FOLDER: Final = Path(__file__).parent / "checks"
_FIELDS: Final = ("severity", "looks at", "threshold", "false positives")
_FIELD: Final = re.compile(rf"({'|'.join(_FIELDS)}): (.*)")


@dataclass(frozen=True, slots=True)
class Check:
    """A check, by the head of its file."""

    name: str
    meaning: str
    severity: Severity
    looks_at: LooksAt
    threshold: str
    false_positives: str

    @property
    def statement(self) -> str:
        """Its SQL, over the relations of ``quality_relations``. Returns symbol, session, message of what it finds."""
        return "\n".join((statement("quality_relations"), statement(self.name)))


@cache
def all_checks() -> tuple[Check, ...]:
    """Return every check, errors first, by name. Raises ValueError for a head that lacks something."""
    checks = (read_head(path.stem, path.read_text("utf-8")) for path in _FOLDER.glob("*.sql"))
    return tuple(sorted(checks, key=lambda check: (check.severity, check.name)))


def read_head(name: str, text: str) -> Check:
    """Return the check whose file begins so: a sentence, then each field; a line that is set in goes on with it."""
    head, _, _ = text.partition("\n\n")
    lines = re.sub(r"\n--   ", " ", head).split("\n")
    matches = [(_FIELD.fullmatch(line.removeprefix("-- ")), line.removeprefix("-- ")) for line in lines]
    fields = {match[1]: match[2] for match, _ in matches if match}
    meaning = " ".join(line for match, line in matches if not match)
    if lacking := [field for field in _FIELDS if not fields.get(field)] + ["meaning"] * (not meaning):
        raise ValueError(f"checks/{name}.sql does not say in its head: {', '.join(lacking)}.")
    if fields["severity"] not in {"error", "warning"} or fields["looks at"] not in {"sessions", "symbol", "exchange"}:
        raise ValueError(f"checks/{name}.sql: severity is error or warning, looks at is sessions, symbol or exchange.")
    return Check(
        name,
        meaning,
        cast("Severity", fields["severity"]),
        cast("LooksAt", fields["looks at"]),
        fields["threshold"],
        fields["false positives"],
    )
