"""What a cluster burns that has nothing to do: CPU of each process, by the minute."""

import time
from statistics import median

from benchmarks.clusters import Contender, folder_of_clusters, progress, running
from benchmarks.processes import watching
from benchmarks.tables import Table

SETTLE_S, WATCH_S, ROUNDS = 30, 60, 3


def run(*, quick: bool = False) -> list[Table]:
    """Watch an idle cluster of two workers; the median of several minutes."""
    settle_s, watch_s, rounds = (5, 10, 1) if quick else (SETTLE_S, WATCH_S, ROUNDS)
    with folder_of_clusters() as folder, running(Contender("idle"), folder) as measured:
        progress(f"idle for {settle_s} s, then watched {rounds} times for {watch_s} s")
        time.sleep(settle_s)
        rates: list[dict[str, float]] = []
        memory: dict[str, float] = {}
        for _ in range(rounds):
            with watching(measured.groups, every_s=watch_s) as watch:
                time.sleep(watch_s)
            rates.append({name: 100 * used / watch.seconds for name, used in watch.cpu_s.items()})
            memory = watch.peak_mb
    rows = [(name, median(rate[name] for rate in rates), memory[name]) for name in sorted(memory)]
    total = ("all", median(sum(rate.values()) for rate in rates), sum(memory.values()))
    note = (
        f"Two workers of four slots, nothing scheduled, median of {rounds} times {watch_s} s. CPU includes that of "
        "children that ended. Memory is the proportional set size: what processes share counts for each by its part."
    )
    return [Table("An idle cluster", ("process", "% of one core", "memory (MB)"), [*rows, total], note)]
