"""The day's quota: worker processes whose demand is above it, and the sandbox's own log as the judge."""

import multiprocessing
from collections import Counter

import pytest
from pydantic import SecretStr

from common.quota.limiter import Limiter
from common.quota.quota import Quota
from sandbox.quota_audit import most_in_window
from sandbox.request_log import Entry
from sandbox.running import RunningSandbox, running
from tests.support.limiter_hammer import spend

pytestmark = pytest.mark.redis

WORKERS = 5
JITTER = "0.02:0.2"


def spend_all(redis_url: str, sandbox: RunningSandbox, windows: tuple[str, str], each: int) -> list[Entry]:
    """Let workers that spell the windows in either order make ``each`` calls; return what the sandbox saw."""
    spellings = [",".join(windows), ",".join(reversed(windows))]
    Limiter(SecretStr(redis_url), Quota.parse(spellings[0]), key=SecretStr("k"), cap_s=20).start_fresh()
    spawn = multiprocessing.get_context("spawn")
    workers = [
        spawn.Process(target=spend, args=(redis_url, sandbox.url, spellings[worker % 2], worker, each), daemon=True)
        for worker in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(90)
        assert worker.exitcode == 0
    return sandbox.entries()


def test_day_is_spent_completely(redis_url):
    """Whatever the order of the windows: of 100 calls that are wanted 25 are made and served, then no more.

    While the second is full the workers are refused again and again; a permit of the day that one of these refusals
    burned would be missing here.
    """
    with running("--quota", "10/s,25/day", "--latency", JITTER) as sandbox:
        seen = spend_all(redis_url, sandbox, ("10/s", "25/day"), each=20)
    assert Counter(entry.verdict for entry in seen) == {"served": 25}


def test_every_day_holds_exactly_its_calls(redis_url):
    """Three days of four seconds: all 75 calls are served, and the fullest span of a day holds 25."""
    with running("--quota", "10/s,25/day", "--day-length", "4", "--latency", JITTER) as sandbox:
        seen = spend_all(redis_url, sandbox, ("10/s", "25/4s"), each=75 // WORKERS)
    assert Counter(entry.verdict for entry in seen) == {"served": 75}
    assert most_in_window(sorted(entry.at for entry in seen), 4) == 25
