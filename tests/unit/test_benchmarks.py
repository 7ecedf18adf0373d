"""The benchmarks' own measuring: what is counted, and that each part can be run."""

import subprocess
import sys
from functools import partial
from importlib import import_module
from inspect import signature

import psycopg2
import pytest

from benchmarks.__main__ import PARTS, main
from benchmarks.bare import COLUMNS, UPSERT, values
from benchmarks.big_market import big_market
from benchmarks.comparing import compared, percentile
from benchmarks.processes import Groups, watching
from benchmarks.tables import Table
from tests.support.replies import QUOTE

#: How many bars there are, and the widest step of a close that splits do not explain.
WIDEST_STEP = """
SELECT count(*), max(step) FROM (
    SELECT close_price / lag(close_price) OVER (PARTITION BY symbol ORDER BY session) AS step FROM split_adjusted_bars
) AS steps
"""
#: Ends a child that used half a second of the processor's time, and some ticks in which the kernel counts; waits.
PARENT = """
import subprocess, sys
burn = "import time\\nwhile time.process_time() < 0.55: pass"
subprocess.run([sys.executable, "-c", burn], check=True)
print("burnt", flush=True)
sys.stdin.read()
"""


def test_processor_time_of_ended_children_counts():
    """A group's CPU holds that of processes which came and went meanwhile: each task of Airflow is one."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        with watching(Groups({process.pid: "group"}), every_s=60) as watch:
            assert process.stdout
            process.stdout.readline()
        assert watch.cpu_s["group"] >= 0.5
        assert process.stdin
        process.stdin.close()


@pytest.mark.skipif(sys.platform != "linux", reason="the proportional set size is Linux's")
def test_memory_is_summed_up_by_group():
    """A group's memory is that of its process and of its children."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        sizes = Groups({process.pid: "group"}).memory_mb()
        assert process.stdin
        process.stdin.close()
    assert sizes.keys() == {"group"}
    assert sizes["group"] > 1


@pytest.mark.parametrize("part", PARTS)
def test_each_part_can_be_run(part):
    """Each part that the command names has a run() that takes --quick."""
    assert "quick" in signature(import_module(f"benchmarks.{part}").run).parameters


def test_an_unknown_part_is_refused(capsys):
    """A misspelt part ends the command with the names that there are."""
    with pytest.raises(SystemExit) as ended:
        main(["throughput"])
    assert ended.value.code == 2
    assert "'throughput' is not one of limiter, parsing" in capsys.readouterr().err


def test_bare_job_stores_what_ours_does():
    """The bare contender fills every column that it names, so it is spared no work."""
    row = values({"Global Quote": QUOTE})
    assert len(row) == len(COLUMNS) == UPSERT.count("%s")


def test_numbers_stand_to_the_right():
    """A table's columns of numbers are aligned to the right and have their thousands parted."""
    text = Table("Title", ("way", "rows/s"), [("ours", 12345), ("theirs", 1.5)], measured="").markdown()
    assert "| --- | --: |" in text
    assert "| ours | 12,345 |" in text


def test_a_big_market_is_kept(tmp_path):
    """A market that was made in a folder is the same when it is opened again, splits in the right places."""
    seen = []
    for _ in range(2):
        with (
            big_market(tmp_path, symbols=41, sessions=200) as market,
            psycopg2.connect(market.reader.get_secret_value()) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(WIDEST_STEP)
            seen += cursor.fetchall()
    assert seen[0] == seen[1]
    bars, widest = seen[0]
    assert bars > 41 * 200 * 0.4
    assert 1 < widest < 1.05


def test_a_half_made_market_is_refused(tmp_path):
    """A folder in which the making of a market was cut off is not taken for one."""
    (tmp_path / "pg").mkdir()
    with pytest.raises(RuntimeError, match="not made to its end: delete"), big_market(tmp_path):
        pass


def test_designs_take_turns():
    """Each design answers in its turn, a slow one a few times only, and the first round of all is not counted."""
    asked = []
    ways = {name: partial(asked.append, name) for name in ("ours", "slow *")}
    rows = list(compared("question", ways, times=4, few=1))
    assert asked == ["ours", "slow *"] * 2 + ["ours"] * 3
    assert [row[:3] for row in rows] == [("question", "ours", 4), ("question", "slow *", 1)]


@pytest.mark.parametrize(("percent", "expected"), [(50, 10), (95, 19), (100, 20)])
def test_a_percentile_is_a_measured_value(percent, expected):
    """Of twenty values the 95th percentile is the second largest."""
    assert percentile(range(1, 21), percent) == expected
