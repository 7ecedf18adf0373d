"""What the limiter costs, and how much of the quota it uses: ``python -m benchmarks.limiter cost|use``.

``cost``: Redis's own time and the round trip of each operation beside an EVALSHA that does nothing, and the memory of
each plan. The figures are the best of many small batches: what a busy machine adds is not the limiter's.

``use``: worker processes with unlimited demand behind a slow network, judged by a provider that counts arrivals over
sliding windows. Bias: provider, workers and Redis share one machine and one clock, and the network is a delay drawn
from a log-normal distribution (110 ms median, 0.5 s at the 99th percentile) and nothing else.
"""

import argparse
import math
import multiprocessing
import random
import secrets
import tempfile
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import redis
from pydantic import SecretStr

from common.limiter import Limiter
from common.models import PLANS, Quota
from local.services import Redis
from tests.conftest import free_port, running, wait_until

BATCHES, BATCH = 40, 100
WAITERS = 10_000
KEY = SecretStr("benchmark")
CAP_S = 35.0
PROCESSES, THREADS = 8, 4
DELAY_MEDIAN_S = 0.11
DELAY_SIGMA = math.log(0.5 / DELAY_MEDIAN_S) / 2.326  # the 99th percentile of the normal distribution


@contextmanager
def own_redis() -> Iterator[str]:
    """Run a Redis of our own; yield its URL."""
    with tempfile.TemporaryDirectory() as folder:
        server = Redis(Path(folder), free_port(), secrets.token_hex(8))
        server.initialise()
        with running(server.command(), Path(folder) / "log"):
            wait_until(lambda: redis.Redis.from_url(server.url()).ping(), "Redis answers")
            yield server.url()


class Meter:
    """Measures calls in batches, on one Redis."""

    def __init__(self, url: str) -> None:
        self.client = redis.Redis.from_url(url)

    def measure(self, name: str, call: Callable[[int], object]) -> None:
        """Print Redis's µs for a call, and the round trip's, each the best batch's."""
        best_redis = best_trip = math.inf
        for batch in range(BATCHES):
            before, started = self._redis_us(), time.perf_counter()
            for number in range(batch * BATCH, (batch + 1) * BATCH):
                call(number)
            trip = (time.perf_counter() - started) / BATCH * 1e6
            best_redis = min(best_redis, (self._redis_us() - before) / BATCH)
            best_trip = min(best_trip, trip)
        print(f"  {name:44} {best_redis:8.1f} {best_trip:10.0f}")

    def _redis_us(self) -> int:
        stats = self.client.info("commandstats").get("cmdstat_evalsha", {})
        return int(stats.get("usec", 0))


def full_limiter(url: str, quota: Quota, key: SecretStr = KEY) -> Limiter:
    """Return a limiter whose longest window is full of settled calls."""
    filling = Limiter(SecretStr(url), Quota(quota.windows[-1:]), key=key, cap_s=CAP_S)
    filling.start_fresh()
    for number in range(quota.windows[-1].limit):
        filling.acquire(f"full{number:028}")
        filling.settle(f"full{number:028}")
    limiter = Limiter(SecretStr(url), quota, key=key, cap_s=CAP_S)
    limiter.adopt([])
    return limiter


def cost() -> None:
    """Print the cost of each operation, and the memory of each plan."""
    with own_redis() as url:
        meter = Meter(url)
        print(f"  {'1200/min + 30/s, full':44} {'Redis µs':>8} {'trip µs':>10}")
        noop = meter.client.register_script("return {'noop', 1}")
        limiter = full_limiter(url, PLANS["premium1200"])
        keys, arguments = limiter._redis._keys, ["x" * 16] * 14
        meter.measure("nothing", lambda _: noop())
        meter.measure("nothing, with an acquire's keys and arguments", lambda _: noop(keys=keys, args=arguments))
        meter.measure("acquire: denied", lambda n: limiter.acquire(f"d{n}", horizon_s=0))
        meter.measure("acquire: reserved", lambda n: limiter.acquire(f"r{n}", horizon_s=1e6))
        meter.measure("acquire: reserved, asked again", lambda n: limiter.acquire(f"r{n}", horizon_s=1e6))
        for number in range(BATCHES * BATCH, WAITERS):
            limiter.acquire(f"r{number}", horizon_s=1e6)
        print(f"  with {limiter.usage().waiting} waiters")
        meter.measure("acquire: reserved", lambda n: limiter.acquire(f"s{n}", horizon_s=1e6))
        meter.measure("acquire: reserved, asked again", lambda n: limiter.acquire(f"s{n}", horizon_s=1e6))
        wide = Limiter(SecretStr(url), Quota.parse("10000/s,20000/min"), key=SecretStr("wide"), cap_s=CAP_S)
        wide.start_fresh()
        print("  with room")
        meter.measure("acquire: granted", lambda n: wide.acquire(f"g{n}"))
        meter.measure("settle", lambda n: wide.settle(f"g{n}"))
        memory(url, meter.client)


def memory(url: str, client: redis.Redis) -> None:
    """Print the bytes that each plan's full log takes, with ids of 32 characters."""
    for name, quota in PLANS.items():
        limiter = full_limiter(url, quota, SecretStr(name))
        size = sum(int(client.memory_usage(key, samples=0) or 0) for key in limiter._redis._keys)
        print(f"  memory of {name:34} {size / 1000:8.1f} kB")


def work(url: str, quota: str, seed: int, until: float, arrivals: Path) -> None:
    """One worker process: as many calls as the quota gives."""
    limiter = Limiter(SecretStr(url), Quota.parse(quota), key=KEY, cap_s=CAP_S)
    with ThreadPoolExecutor(THREADS) as pool:
        seen = pool.map(lambda thread: call_until(limiter, seed * THREADS + thread, until), range(THREADS))
        arrivals.write_text("\n".join(str(moment) for moments in seen for moment in moments))


def call_until(limiter: Limiter, seed: int, until: float) -> list[float]:
    """Call again and again; return when each call arrived."""
    delays, arrived, number = random.Random(seed), [], 0
    while time.time() < until:
        number += 1
        with limiter.permit(f"{seed}-{number}", max_wait_s=3600):
            time.sleep(delays.lognormvariate(math.log(DELAY_MEDIAN_S), DELAY_SIGMA))
            arrived.append(time.time())
            time.sleep(delays.lognormvariate(math.log(DELAY_MEDIAN_S), DELAY_SIGMA))
    return arrived


def judge(quota: Quota, arrivals: list[float]) -> tuple[int, float]:
    """Return how many calls a provider refuses, and how much of the binding quota was used."""
    accepted: list[float] = []
    for moment in sorted(arrivals):
        if all(len(accepted) - bisect_right(accepted, moment - w.period_s) < w.limit for w in quota.windows):
            accepted.append(moment)
    span = max(arrivals) - min(arrivals)
    possible = min(w.limit * (1 + math.floor(span / w.period_s)) for w in quota.windows)
    return len(arrivals) - len(accepted), len(accepted) / possible


def use(quotas: list[str], seconds: float) -> None:
    """Print refusals and use of each quota."""
    spawn = multiprocessing.get_context("spawn")
    for text in quotas:
        with own_redis() as url, tempfile.TemporaryDirectory() as folder:
            Limiter(SecretStr(url), Quota.parse(text), key=KEY, cap_s=CAP_S).start_fresh()
            files = [Path(folder) / str(seed) for seed in range(PROCESSES)]
            until = time.time() + seconds
            workers = [spawn.Process(target=work, args=(url, text, n, until, file)) for n, file in enumerate(files)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            arrivals = [float(line) for file in files for line in file.read_text().splitlines()]
            refused, share = judge(Quota.parse(text), arrivals)
            print(f"  {text:20} {len(arrivals):6} calls, {refused} refused, {share:.1%} of the quota used", flush=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["cost", "use"])
    parser.add_argument("--quota", action="append", help="default: 1/s; 20/s,75/15s; 75/min; 30/s,1200/min")
    parser.add_argument("--seconds", type=float, default=190, help="how long each quota is hammered")
    options = parser.parse_args()
    if options.what == "cost":
        cost()
    else:
        use(options.quota or ["1/s", "20/s,75/15s", "75/min", "30/s,1200/min"], options.seconds)


if __name__ == "__main__":
    main()
