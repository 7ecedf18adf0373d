"""The benchmarks' own measuring: what is counted, and that each part can be run."""

import subprocess
import sys
from importlib import import_module
from inspect import signature

import pytest

from benchmarks.__main__ import PARTS, main
from benchmarks.bare import COLUMNS, UPSERT, values
from benchmarks.processes import Groups, watching
from benchmarks.tables import Table
from tests.support.replies import QUOTE

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
