"""What a killed worker had forked ends with it."""

import subprocess
import sys

import psutil
import pytest

POOL = """
import os, time
from workers.celery_config import reset_child_signals
if pid := os.fork():
    print(pid, flush=True)
else:
    reset_child_signals()
    os.write(1, b"ready\\n")
time.sleep(600)
"""
SLOT = """
import os, time
from workers.airflow_patches.reused_process import KeptProcess
def serve(control):
    os.write(1, b"ready\\n")
    time.sleep(600)
kept = KeptProcess(serve, tasks=1)
kept._fork()
print(kept._process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("program", [POOL, SLOT], ids=["pool", "slot"])
def test_child_ends_with_its_killed_parent(program: str):
    """A pool's process and a slot's process are gone after their parent was killed hard, though they are at work."""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    lines: set[str] = set()
    while not ("ready" in lines and any(map(str.isdecimal, lines))):
        lines.add(parent.stdout.readline().strip())
    child = psutil.Process(int(next(filter(str.isdecimal, lines))))
    try:
        parent.kill()
        parent.wait()
        child.wait(20)
        assert not child.is_running()
    finally:
        parent.stdout.close()
        if child.is_running():
            child.kill()
