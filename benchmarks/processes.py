"""CPU and memory of the local cluster, process group by process group."""

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from local.cluster import Cluster


@dataclass(frozen=True)
class Groups:
    """The processes of a cluster by the program that they descend from: ``scheduler``, ``worker-1``, ``postgres`` …"""

    roots: Mapping[int, str]

    @classmethod
    def of(cls, cluster: Cluster) -> "Groups":
        """Return the groups of a running cluster."""
        return cls({pid: name for name, (_, pid) in cluster.supervisor.states().items() if pid})

    def processes(self) -> Iterator[tuple[str, psutil.Process]]:
        """Yield each process with its group's name."""
        found = {process.pid: process for process in psutil.process_iter(["ppid"])}
        for process in found.values():
            pid = process.pid
            while pid not in self.roots and pid in found:
                pid = found[pid].info["ppid"]
            if pid in self.roots:
                yield self.roots[pid], process

    def cpu_s(self) -> dict[str, float]:
        """Return the CPU-seconds of each group so far, with those of its children that have ended."""
        total: dict[str, float] = defaultdict(float)
        for name, process in self.processes():
            with suppress(psutil.NoSuchProcess):
                total[name] += sum(process.cpu_times()[:4])  # user, system, and both of the children waited for
        return dict(total)

    def memory_mb(self) -> dict[str, float]:
        """Return the proportional set size of each group: a page that n processes share counts 1/n for each."""
        total: dict[str, float] = defaultdict(float)
        for name, process in self.processes():
            total[name] += _pss_mb(process.pid)
        return dict(total)


def _pss_mb(pid: int) -> float:
    """Read the sum that the kernel keeps: psutil's walks all mappings, which takes ten times as long."""
    with suppress(OSError):  # it ended meanwhile
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


@dataclass
class Watch:
    """What the groups used while a block ran. ``memory``: moments (s, monotonic) with MB of each group."""

    cpu_s: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    memory: list[tuple[float, Mapping[str, float]]] = field(default_factory=list)

    @property
    def peak_mb(self) -> dict[str, float]:
        """Return each group's highest sample."""
        names = {name for _, sample in self.memory for name in sample}
        return {name: max(sample.get(name, 0.0) for _, sample in self.memory) for name in sorted(names)}


@contextmanager
def watching(groups: Groups, *, every_s: float = 5.0) -> Iterator[Watch]:
    """Sum up the CPU of the block, and sample the memory now and then: a sample takes about 0.1 s of CPU."""
    watch = Watch()
    stop = threading.Event()
    thread = threading.Thread(target=_sample, args=(groups, watch, stop, every_s), daemon=True)
    before, begun = groups.cpu_s(), time.monotonic()
    thread.start()
    try:
        yield watch
    finally:
        after = groups.cpu_s()
        watch.seconds = time.monotonic() - begun
        watch.cpu_s = {name: after[name] - before.get(name, 0.0) for name in after}
        stop.set()
        thread.join()


def _sample(groups: Groups, watch: Watch, stop: threading.Event, every_s: float) -> None:
    while True:
        watch.memory.append((time.monotonic(), groups.memory_mb()))
        if stop.wait(every_s):
            watch.memory.append((time.monotonic(), groups.memory_mb()))
            return


def own_cpu_s(work: Callable[[], object]) -> float:
    """Return the CPU-seconds that a command of ours takes, children that it waits for included."""
    before = os.times()
    work()
    after = os.times()
    return sum(after[:4]) - sum(before[:4])
