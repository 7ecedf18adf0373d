"""The upsert that is made from a table: its text is approved, and a real PostgreSQL takes it."""

from pathlib import Path

import pytest

from common.database.upsert import upsert
from common.datasets import daily_bars
from common.datasets.corporate_actions import ACTIONS
from common.datasets.dataset import Table

APPROVED = Path(__file__).parent / "approved"


@pytest.mark.parametrize("table", [daily_bars.TABLE, ACTIONS], ids=lambda table: table.name)
def test_the_text_is_approved(table: Table):
    """A change of the statement is seen in the diff of an approved file, and made on purpose."""
    assert upsert(table) + "\n" == (APPROVED / f"{table.name}.sql").read_text(encoding="utf-8")
