"""The floors of common/: each package or module sees what is below it, and nothing beside or above it.

Each import goes down, so what is reached through others is below too.
"""

from pathlib import Path

from tests.architecture.test_imports import ROOT, files, ours

#: From the top; those of one line do not know each other.
FLOORS = """
migrate
settings store
gaps quality quarantine
adjust export ledger notify replies retention universe
database
datasets
command_line pages provider quota symbol_file trading_calendar
quoting values
errors logs
clock parent_death redaction
"""

HEIGHTS = {room: -number for number, line in enumerate(FLOORS.split("\n")) for room in line.split()}


def room_of(file: str) -> str:
    """Return the package or module right below common/ that the file belongs to."""
    return Path(file).with_suffix("").parts[1]


def test_every_room_has_a_floor():
    """Whoever adds a package or a module to common/ says what it stands on."""
    assert {room_of(name) for name in files("common")} - HEIGHTS.keys() == {"__init__"}


def test_imports_go_down_the_floors():
    """No package of common/ imports one of its own floor or of a higher one, so none reaches it either."""
    upward = [
        f"{name} imports {seen}"
        for name in files("common")
        for seen in ours(ROOT / name)
        if seen.startswith("common/")
        and room_of(seen) != room_of(name)
        and HEIGHTS[room_of(seen)] >= HEIGHTS[room_of(name)]
    ]
    assert upward == []
