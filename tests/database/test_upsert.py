"""The upsert that is made from a table: its text is approved, and a real PostgreSQL takes it."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from common.database.upsert import upsert
from common.datasets import daily_bars
from common.datasets.corporate_actions import ACTIONS
from common.datasets.dataset import PRICE, SYMBOL, Table

APPROVED = Path(__file__).parent / "approved"


#: All that a table can say of itself; each other table's statement is made of parts of its one.
EVERY_OPTION = Table(
    "every_option",
    {"symbol": SYMBOL, "kind": "text", "price": PRICE, "note": "text", "seen_at": "timestamptz"},
    key=("symbol", "kind"),
    version="seen_at",
    keep=frozenset({"note"}),
    withdrawn="withdrawn_at",
)


@pytest.mark.parametrize("table", [daily_bars.TABLE, ACTIONS, EVERY_OPTION], ids=lambda table: table.name)
def test_the_text_is_approved(table: Table):
    """A change of the statement is seen in the diff of an approved file, and made on purpose."""
    assert upsert(table) + "\n" == (APPROVED / f"{table.name}.sql").read_text(encoding="utf-8")


def test_a_key_is_always_a_tuple():
    """What the statement returns of a row is found by the row's own key, also where that is the symbol alone."""
    table = Table("companies", {"symbol": SYMBOL, "name": "text"}, key=("symbol",))
    row = SimpleNamespace(symbol="IBM", name="International Business Machines")
    assert (table.key_of(row), table.symbol_of(row)) == (("IBM",), "IBM")
