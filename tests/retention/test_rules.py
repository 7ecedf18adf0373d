"""The list of rules: every table is on it, and the page about it says what it says."""

from pathlib import Path

import pytest

from common.errors import ConfigurationError
from common.retention.rules import KEPT, RULES
from common.settings import PipelineSettings
from tests.support.market import Market
from workers.pipeline.upkeep import days_by_table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "retention.md"
INDEXED = """
    SELECT class.relname, attribute.attname FROM pg_index AS key
    JOIN pg_class AS class ON class.oid = key.indrelid
    JOIN pg_attribute AS attribute ON attribute.attrelid = key.indrelid AND attribute.attnum = key.indkey[0]
"""


def test_each_age_has_its_index(market: Market):
    """What is old is found by an index that begins with the column that says so."""
    assert {(rule.table, rule.age) for rule in RULES} - set(market.query(INDEXED)) == set()


def test_the_page_has_every_table():
    """The page has a row for each table: its age, its setting with the default, and what is never deleted."""
    defaults = PipelineSettings.from_environment({})
    rows = []
    for rule in RULES:
        days = getattr(defaults, rule.setting)
        kept = "for ever" if days is None else f"{days} days"
        rows.append(f"| `{rule.table}` | `{rule.age}` | `{rule.setting.upper()}` | {kept} | {rule.spares} |")
    rows += [f"| `{table}` | | | for ever | {why} |" for table, why in KEPT.items()]
    assert [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")] == rows


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.table)
def test_what_a_setting_says(rule):
    """A number is days and keep is for ever; 0 is refused, but for what the provider said: then nothing is kept."""
    name = rule.setting.upper()
    assert days_by_table(PipelineSettings.from_environment({name: "40"}))[rule.table] == 40
    assert days_by_table(PipelineSettings.from_environment({name: "keep"}))[rule.table] is None
    if rule.table == "raw_replies":
        assert days_by_table(PipelineSettings.from_environment({name: "0"}))[rule.table] == 0
    else:
        with pytest.raises(ConfigurationError, match=f"{name}='0'"):
            PipelineSettings.from_environment({name: "0"})


def test_calls_outlive_the_longest_window():
    """Whatever the setting says, a limiter that lost its state finds every call that a window of the quota counts."""
    month = {"ALPHA_VANTAGE_QUOTA": "1/s,500/30d", "CALL_RETENTION_DAYS": "1"}
    assert days_by_table(PipelineSettings.from_environment(month))["api_calls"] == 31
    assert days_by_table(PipelineSettings.from_environment({}))["api_calls"] == 2
