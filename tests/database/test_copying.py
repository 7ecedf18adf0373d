"""COPY's text format."""

from types import SimpleNamespace

from common.database.copying import _lines
from common.datasets.dataset import Table


def test_signs_with_a_meaning_are_escaped():
    """A tab, a line's end and a backslash in a text are no part of the format, and nothing is not an empty text."""
    table = Table("notes", {"symbol": "text", "note": "text"}, key=("symbol",))
    rows = [SimpleNamespace(symbol="A", note="x\ty\\N\nz"), SimpleNamespace(symbol="B", note=None)]
    assert _lines(table, [*rows, SimpleNamespace(symbol="C", note="")]) == "A\tx\\ty\\\\N\\nz\nB\t\\N\nC\t\n"
