"""Which tests one process takes whole, when the suite runs side by side."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = """
import os

import pytest

@pytest.fixture(scope="package")
def shared():
    yield os.getpid()
"""
TESTS = """
def test_one(shared): print(f"ran in {shared}")
def test_two(shared): print(f"ran in {shared}")
def test_three(shared): print(f"ran in {shared}")
"""


def test_the_cluster_room_has_one_process(tmp_path: Path):
    """With two processes a package's fixture in tests/cluster is made once, for all of the room's files."""
    room = tmp_path / "tests" / "cluster"
    room.mkdir(parents=True)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -n 2 -p tests.conftest -rP\n")
    for name, text in (("conftest", SHARED), ("test_a", TESTS), ("test_b", TESTS), ("__init__", "")):
        (room / f"{name}.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "6 passed" in done.stdout, done.stdout + done.stderr
    assert len({line for line in done.stdout.splitlines() if line.startswith("ran in ")}) == 1
