"""Many worker processes, one quota: what the provider counts."""

import multiprocessing
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from common.quota.limiter import Limiter
from common.quota.quota import Quota
from tests.support.limiter_hammer import CAP_S, grab, hammer

pytestmark = pytest.mark.redis

WORKERS = 4


def run_workers(work: Callable[..., None], folder: Path, url: str, quota: str, each: int) -> list[Path]:
    """Run the workers as processes of their own, to the end; return the files they wrote."""
    Limiter(SecretStr(url), Quota.parse(quota), key=SecretStr("k"), cap_s=CAP_S).start_fresh()
    spawn = multiprocessing.get_context("spawn")  # as Celery's workers: nothing is shared but Redis
    files = [folder / str(worker) for worker in range(WORKERS)]
    processes = [
        spawn.Process(target=work, args=(url, quota, worker, each, file), daemon=True)
        for worker, file in enumerate(files)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(90)
        assert process.exitcode is not None
    return files


def test_greedy_processes_get_exactly_25(redis_url, tmp_path):
    """The day's permits are all used, none is burned, and none is invented."""
    files = run_workers(grab, tmp_path, redis_url, "30/hour,25/day", each=40)
    assert sum(int(file.read_text()) for file in files) == 25


def test_no_window_of_provider_is_exceeded(redis_url, tmp_path):
    """Jitter, wrong clocks and a worker killed with a permit: every sliding window holds, and every call is made."""
    quota = Quota.parse("10/s,20/3s")
    each = 15
    files = run_workers(hammer, tmp_path, redis_url, str(quota), each)
    arrivals = sorted(int(line) for file in files for line in file.read_text().splitlines())
    for window in quota.windows:
        period = window.period_s * 1_000_000
        most = max(bisect_right(arrivals, end) - bisect_right(arrivals, end - period) for end in arrivals)
        assert most <= window.limit, str(window)
    assert len(arrivals) == (WORKERS - 1) * each + 4
