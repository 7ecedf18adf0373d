"""What the documents show of SQL and Python runs, as whoever reads them would run it."""

import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg2
import pytest

from common.command_line import ExitCode
from tests.support.market import Market
from workers.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md", "config/symbols/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "workers").rglob("*.md")),
]
RECIPES = ROOT / "docs" / "pandas-polars-duckdb.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OF_PSQL = re.compile(r"""\bpsql\b[^\n]*? -c (["'])(.*?)\1""")
COMMENT = re.compile(r"--[^\n]*")


def blocks(path: Path, *languages: str) -> list[str]:
    """The blocks of a document that say they are in one of the languages."""
    found = BLOCK.findall(path.read_text("utf-8"))
    return [text for language, text in found if language in languages]


def statements(path: Path) -> list[str]:
    """Each SQL statement of a document: of its SQL, and of the psql commands in it."""
    of_blocks = [each for text in blocks(path, "sql") for each in COMMENT.sub("", text).split(";")]
    of_psql = [text for _, text in OF_PSQL.findall(path.read_text("utf-8"))]
    return [each.strip() for each in (*of_blocks, *of_psql) if each.strip()]


def test_every_statement_runs(filled: Market):
    """Each line of SQL in every document is one that ``market_reader`` may run."""
    asked = [(path.name, statement) for path in DOCUMENTS for statement in statements(path)]
    assert len(asked) > 10
    with closing(filled.connect(filled.reader)) as session, session.cursor() as cursor:
        assert [found for name, statement in asked for found in refused(cursor, name, statement)] == []


def refused(cursor: Any, name: str, statement: str) -> Iterator[str]:
    try:
        cursor.execute(statement)
    except psycopg2.Error as error:
        yield f"{name}: {statement}: {error}"


def test_no_sql_is_out_of_sight():
    """A statement in a block stands in one of SQL, or in quotes after ``psql -c``; else nothing would run it."""
    hidden = [
        f"{path.name}: {line}"
        for path in DOCUMENTS
        for block in blocks(path, "", "text", "console", "sh")
        for line in OF_PSQL.sub("", block).splitlines()
        if re.match(r"(\$ )?(SELECT|WITH|INSERT|UPDATE|DELETE)\b", line)
    ]
    assert hidden == []


def test_every_recipe_has_its_test():
    """A document with Python is named by the test that runs it; to be in the list of documents is not enough."""
    tests = (
        path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py") if path.name != "test_documents.py"
    )
    named = "".join(tests)
    assert [path.name for path in DOCUMENTS if blocks(path, "python") and path.name not in named] == []


@pytest.fixture
def recipes(filled: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the page's Python makes, after its commands, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MARKET_DATABASE_URL", filled.dsn().get_secret_value())
    monkeypatch.setenv("READER_ADDRESS", filled.reader.get_secret_value())
    commands = re.findall(r"^\$ python -m workers (.*)$", RECIPES.read_text("utf-8"), re.MULTILINE)
    assert [main(shlex.split(command)) for command in commands] == [ExitCode.DONE] * 2
    page = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", page)
    for recipe in blocks(RECIPES, "python"):
        exec(compile(recipe, RECIPES.name, "exec"), page.__dict__)
    return page.__dict__


def test_three_libraries_agree(recipes: dict[str, Any], filled: Market):
    """What each symbol brought, and what was paid, is the same by pandas, Polars, DuckDB and PostgreSQL."""
    by_pandas = recipes["brought"].to_dict()
    by_polars = dict(recipes["by_symbol"].select("symbol", "brought").iter_rows())
    growth = (1 + recipes["months"].set_index(["symbol", "month"])["brought"].fillna(0)).groupby("symbol").prod()
    first_month = recipes["closes"].groupby(recipes["closes"].index.to_period("M")).last().iloc[0]
    first = recipes["closes"].iloc[0]
    by_duckdb = (growth * first_month / first - 1).to_dict()
    assert by_pandas == pytest.approx(by_polars, abs=1e-12)
    assert by_pandas == pytest.approx(by_duckdb, abs=1e-12)
    assert [(recipes["paid"],)] == filled.query("SELECT sum(close_price * volume) FROM daily_bars")


def test_recipes_read_what_is_stored(recipes: dict[str, Any], filled: Market):
    """The chart has no step at a split, a missing bar has no value, and both ways of the database show the quotes."""
    assert recipes["chart"]["SPLIT7"].pct_change(fill_method=None).abs().max() < 0.25
    assert recipes["chart"]["IBM"].isna().sum() == 1
    assert len(recipes["bars"]) > 100
    stored = filled.query("SELECT symbol, price FROM latest_quotes ORDER BY symbol")
    assert [(symbol, float(price)) for symbol, price in stored] == list(
        recipes["quotes"][["symbol", "price"]].itertuples(index=False, name=None)
    )
    assert sorted(recipes["newest"].select("symbol", "price").iter_rows()) == stored
    assert recipes["dearest"] == sorted(stored, key=lambda row: row[1], reverse=True)[:3]
