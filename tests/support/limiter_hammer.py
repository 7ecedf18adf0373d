"""One worker process that hammers a quota, for the tests that count."""

import json
import os
import random
import signal
import time
from pathlib import Path

import redis
import requests
from pydantic import SecretStr

from common.errors import QuotaWait
from common.quota.limiter import Limiter
from common.quota.quota import Quota

CAP_S = 1.0


def grab(url: str, quota: str, worker: int, tries: int, granted: Path) -> None:
    """Ask ``tries`` times without waiting; write down what was granted."""
    limiter = Limiter(SecretStr(url), Quota.parse(quota), key=SecretStr("k"), cap_s=CAP_S)
    count = 0
    for number in range(tries):
        try:
            with limiter.permit(f"{worker}-{number}", max_wait_s=0):
                count += 1
        except QuotaWait as wait:
            limiter.release(wait.permit_id)
    granted.write_text(str(count))


def hammer(url: str, quota: str, worker: int, calls: int, arrivals: Path) -> None:
    """Make ``calls`` calls over a jittery network; write down when each arrived at the provider, on Redis's clock.

    Half of the workers have a wrong clock, and worker 0 dies with a permit in its hand.
    """
    if worker % 2:
        real = time.time
        time.time = lambda: real() + 2 * (-1) ** (worker // 2)
    jitter = random.Random(worker)
    limiter = Limiter(SecretStr(url), Quota.parse(quota), key=SecretStr("k"), cap_s=CAP_S)
    provider = redis.Redis.from_url(url)
    with arrivals.open("w") as log:
        for number in range(calls):
            with limiter.permit(f"{worker}-{number}", max_wait_s=60):
                time.sleep(min(0.3, jitter.lognormvariate(-4, 1)))  # the network's delay, one way
                seconds, microseconds = provider.time()
                log.write(json.dumps(seconds * 1_000_000 + microseconds) + "\n")
                log.flush()
                if worker == 0 and number == 3:
                    os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(min(0.3, jitter.lognormvariate(-4, 1)))  # and back


def spend(redis_url: str, sandbox_url: str, quota: str, worker: int, calls: int) -> None:
    """Make up to ``calls`` calls to the sandbox; stop when the next permit is further away than half a minute."""
    limiter = Limiter(SecretStr(redis_url), Quota.parse(quota), key=SecretStr("k"), cap_s=20)
    query = {"function": "GLOBAL_QUOTE", "symbol": "IBM", "apikey": "k"}
    for number in range(calls):
        try:
            with limiter.permit(f"{worker}-{number}", max_wait_s=30):
                requests.get(f"{sandbox_url}/query", params=query, timeout=5)
        except QuotaWait:
            return
