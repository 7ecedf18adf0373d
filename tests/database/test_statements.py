"""The named statements of the ``.sql`` files."""

import re
from collections import Counter
from pathlib import Path

import pytest

from common.database.queries import read_statements, statement

COMMON = Path(__file__).resolve().parents[2] / "common"


def test_each_statement_has_its_name():
    """No name is given twice in all the files together; each file and each statement begins with what it is for."""
    names = Counter(name for name, _ in read_statements())
    assert [name for name, times in names.items() if times > 1] == []
    assert [name for name, text in read_statements() if not text.startswith("-- ")] == []
    heads = {path: path.read_text("utf-8").partition("-- name: ")[0] for path in COMMON.rglob("*.sql")}
    assert [path for path, head in heads.items() if not re.fullmatch(r"(-- .+\n)+\n", head)] == []


def test_each_statement_is_asked_for():
    """Every statement is named by the code; those of the quality checks are found by their files."""
    code = "".join(path.read_text("utf-8") for path in COMMON.rglob("*.py"))
    checks = {path.stem for path in (COMMON / "quality" / "checks").glob("*.sql")}
    asked = [name for name, _ in read_statements()]
    assert [name for name in asked if name not in checks and f'"{name}"' not in code] == []


def test_a_missing_statement_is_named():
    """A name that no file has is refused with the name in the sentence."""
    with pytest.raises(LookupError, match="'plan_runs'"):
        statement("plan_runs")
