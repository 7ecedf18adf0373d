"""Where the time goes under load: py-spy on the scheduler, the api-server and a worker."""

import re
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Final

from benchmarks.cluster import BATCHES, TASKS
from benchmarks.clusters import Contender, Measured, folder_of_clusters, progress, running
from benchmarks.tables import Table

_SPY: Final = Path(sys.executable).parent / "py-spy"
_RATE_HZ: Final = 100
_SHOWN: Final = 14
#: A function that spends more of its time than this in one other is a trunk, and its branch is shown instead.
_TRUNK: Final = 0.75
_OURS: Final = re.compile(
    r"\((?P<file>(?:airflow|workers|common|celery|kombu|requests|urllib3|redis|httpx|fastapi|cadwyn|sqlalchemy/orm)/[^:]*)\S*:\d+\)$"
)


def run(*, quick: bool = False) -> list[Table]:
    """Profile tasks of one symbol, then batches."""
    return [
        *_profile(TASKS, 10 if quick else 200, ("scheduler", "api-server", "worker-1")),
        *_profile(BATCHES, 200 if quick else 10_000, ("scheduler", "api-server", "worker-1")),
    ]


def _profile(contender: Contender, size: int, names: Sequence[str]) -> Iterator[Table]:
    with folder_of_clusters() as folder, running(contender, folder) as measured:
        with _spying(measured, names, folder):
            done = measured.run(size)
            progress(f"{contender.name}, {size} symbols under the profiler: {done.symbols_a_second:.1f}/s")
        for name in names:
            samples = (folder / f"{name}.raw").read_text(encoding="utf-8").splitlines()
            yield _table(f"{name}, {contender.name}", samples, size)


@contextmanager
def _spying(measured: Measured, names: Sequence[str], folder: Path) -> Iterator[None]:
    """Sample the processes with their children until the block ends."""
    pids = {name: pid for pid, name in measured.groups.roots.items() if name in names}
    spies = [_spy(pid, folder / f"{name}.raw") for name, pid in pids.items()]
    try:
        time.sleep(2)  # they attach
        yield
    finally:
        for spy in spies:
            spy.send_signal(signal.SIGINT)  # which makes it write what it has
        for spy in spies:
            with suppress(subprocess.TimeoutExpired):
                spy.wait(60)


def _spy(pid: int, file: Path) -> subprocess.Popen[bytes]:
    options = [
        "--subprocesses",
        "--rate",
        str(_RATE_HZ),
        "--duration",
        "3600",
        "--format",
        "raw",
        "--output",
        str(file),
    ]
    command = [str(_SPY), "record", "--pid", str(pid), *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _table(what: str, samples: Sequence[str], size: int) -> Table:
    """Return the functions where the time parts: one that spends it all in another is its trunk and says nothing."""
    inclusive: Counter[str] = Counter()
    callees: dict[str, Counter[str]] = defaultdict(Counter)
    total = 0
    for line in samples:
        stack, _, count = line.rpartition(" ")
        total += int(count)
        ours = list(dict.fromkeys(_plain(frame) for frame in stack.split(";") if _OURS.search(frame)))
        inclusive.update(dict.fromkeys(ours, int(count)))
        for caller, callee in pairwise(ours):
            callees[caller][callee] += int(count)
    rows = [
        (name, round(100 * count / total, 1))
        for name, count in inclusive.most_common()
        if max(callees[name].values(), default=0) < _TRUNK * count
    ][:_SHOWN]
    note = (
        "Share of the samples on the processor that have the function on their stack, with what it calls; without "
        f"functions that spend {_TRUNK:.0%} of it in one other. {total / _RATE_HZ:.0f} s of samples for {size} symbols."
    )
    return Table(f"Profile: {what}", ("function", "%"), rows, note)


def _plain(frame: str) -> str:
    return re.sub(r":\d+\)$", ")", frame)
