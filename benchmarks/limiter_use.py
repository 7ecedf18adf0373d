"""How much of the quota is used, and how much of it is refused, seen from the provider's side.

Eight processes with unlimited demand for each limiter, all limiters side by side. Each has a sandbox of its own behind
a slow network, and the sandbox's log is the judge.
"""

import itertools
import logging
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final, NoReturn

import psutil
import requests

from benchmarks.clusters import progress
from benchmarks.limiter_contenders import CONTENDERS, VERSIONS, Build, Gate
from benchmarks.tables import Table
from common.quota.quota import Quota
from local.temporary import running_redis
from sandbox.calls import QUOTA_VERDICTS
from sandbox.plans import parse_quota
from sandbox.quota_audit import most_in_window, share_used
from sandbox.request_log import Entry
from sandbox.running import RunningSandbox
from sandbox.running import running as running_sandbox

PROCESSES: Final = 8
#: Thirty-two calls at once: at 0.3 s for the way there and back, three times what any of the quotas lets through.
THREADS: Final = 4
QUOTAS: Final = ("1/s", "20/s,75/15s", "75/min", "30/s,1200/min")
LATENCY: Final = "0.11:0.5"
_SHORTEST_S, _WINDOWS = 65, 3.2
#: A window this short sees few calls in a minute, and chance decides.
_FEW_CALLS_S: Final = {"1/s": 125}
_TIMEOUT_S: Final = 30
_INSTANT_S: Final = 1e-6
_COLUMNS: Final = (
    "quota",
    "limiter",
    "calls",
    "refused",
    "refused (%)",
    "quota used (%)",
    "to the last call (%)",
    "most in any window",
)


def run(*, quick: bool = False) -> list[Table]:
    """Hammer each quota for more than three of its longest windows, and at least 65 s."""
    rows, busy = [], []
    for text in QUOTAS:
        quota = Quota.parse(text)
        seconds = 10 if quick else max(_FEW_CALLS_S.get(text, _SHORTEST_S), _WINDOWS * quota.windows[-1].period_s)
        progress(f"{text}: {len(CONTENDERS)} limiters side by side for {seconds:.0f} s")
        psutil.cpu_percent()
        rows += [(text, *figures) for figures in side_by_side(text, seconds)]
        busy.append(f"{psutil.cpu_percent():.0f} %")
    note = (
        f"{PROCESSES} processes of {THREADS} threads for each limiter, one-way delays of {LATENCY} s (median:p99), as "
        "the sandbox saw it. Used: calls accepted, as a share of what all windows allow: in a whole number of the "
        "longest window's periods from the first call on, and up to the last call, wherever in a period that is. Most: "
        "arrivals, refused ones too. Refused calls cost no quota here, and all processes share one clock: the kindest "
        "case for who counts at the grant or trusts the caller's clock. Processors busy in these runs: "
        f"{', '.join(busy)}. {VERSIONS}."
    )
    return [Table("The quota, seen from the provider's side", _COLUMNS, rows, note)]


def side_by_side(quota: str, seconds: float) -> list[tuple[str | float, ...]]:
    """Hammer with every contender at once; return the figures of each."""
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis(Path(stack.enter_context(tempfile.TemporaryDirectory()))))
        sandboxes = {name: stack.enter_context(_provider(quota)) for name in CONTENDERS}
        teams = [
            stack.enter_context(_team(Job(build, redis.url(number), quota, sandboxes[name].url)))
            for number, (name, build) in enumerate(CONTENDERS.items())
        ]
        time.sleep(seconds)
        logs = {name: sandbox.entries() for name, sandbox in sandboxes.items()}
        if not all(process.is_alive() for team in teams for process in team):
            raise RuntimeError("a worker process died, so the demand was not what it should be; see stderr.")
    return [(name, *figures(quota, log)) for name, log in logs.items()]


def figures(quota: str, log: Sequence[Entry]) -> tuple[str | float, ...]:
    """Return calls, refused, refused in %, quota used in % (whole periods, all), and the most in each window."""
    windows = parse_quota(quota)
    arrivals = sorted(entry.at for entry in log)
    accepted = sorted(entry.at for entry in log if entry.verdict not in QUOTA_VERDICTS)
    refused = len(log) - len(accepted)
    span = accepted[-1] - accepted[0] + _INSTANT_S
    whole = span // windows[-1].period_s * windows[-1].period_s or span
    used = [100 * share_used(accepted, windows, seconds) for seconds in (whole, span)]
    most = ", ".join(f"{most_in_window(arrivals, window.period_s)} of {window}" for window in windows)
    return len(log), refused, 100 * refused / len(log), *used, most


@dataclass(frozen=True)
class Job:
    """What a worker process needs to know."""

    build: Build
    redis_url: str
    quota: str
    sandbox_url: str


@contextmanager
def _provider(quota: str) -> Iterator[RunningSandbox]:
    with running_sandbox("--quota", quota, "--refused", "uncounted", "--latency", LATENCY) as sandbox:
        yield sandbox


@contextmanager
def _team(job: Job) -> Iterator[Sequence[BaseProcess]]:
    """Run the worker processes until the block ends. They are forked, as Celery's are, before any thread exists."""
    fork = multiprocessing.get_context("fork")
    team = [fork.Process(target=_work, args=(job, number), daemon=True) for number in range(PROCESSES)]
    for process in team:
        process.start()
    try:
        yield team
    finally:
        _stop(team)


def _stop(team: Iterable[BaseProcess]) -> None:
    for process in team:
        process.kill()
    for process in team:
        process.join()


def _work(job: Job, number: int) -> None:
    gate = job.build(job.redis_url, Quota.parse(job.quota))
    with ThreadPoolExecutor(THREADS) as pool:
        for thread in range(THREADS):
            pool.submit(_hammer_or_die, gate, job.sandbox_url, f"{number}-{thread}")


def _hammer_or_die(gate: Gate, url: str, name: str) -> None:
    try:
        _hammer(gate, url, name)
    except Exception:
        logging.exception("thread %s failed, and with it the measurement", name)
        os._exit(1)  # the other threads never end


def _hammer(gate: Gate, url: str, name: str) -> NoReturn:
    parameters = {"function": "GLOBAL_QUOTE", "symbol": "IBM", "apikey": "benchmark"}
    with requests.Session() as session:
        session.trust_env = False
        for call in itertools.count():
            with gate.permit(f"{name}-{call}"):
                session.get(f"{url}/query", params=parameters, timeout=_TIMEOUT_S)
    raise AssertionError("there is always another call")
