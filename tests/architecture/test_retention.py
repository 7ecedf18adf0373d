"""Each table of the market database says how long its rows are kept."""

import re

from common.retention.rules import KEPT, RULES
from tests.architecture.test_imports import ROOT


def test_every_table_has_its_rule():
    """Whoever adds a table adds its rule, or why no age deletes its rows, in common/retention/rules.py."""
    folder = ROOT / "common" / "database" / "migrations" / "versions"
    text = "".join(path.read_text("utf-8") for path in sorted(folder.glob("[0-9]*.py")))
    tables = re.findall(r"CREATE TABLE (\w+)", text)
    assert sorted([*(rule.table for rule in RULES), *KEPT]) == sorted(tables)
