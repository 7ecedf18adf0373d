"""Planning a run: time and memory."""

import resource
import time
from collections.abc import Sequence

from benchmarks.clusters import progress, symbols
from benchmarks.servers import Servers, running_servers
from benchmarks.tables import Table, middle
from workers.pipeline.run import plan_run
from workers.wiring import Wiring

SIZES, ROUNDS = (1_000, 10_000, 50_000), 3


def run(*, quick: bool = False) -> list[Table]:
    """Plan universes of growing size into a ledger that is empty and into one that holds the runs before."""
    sizes, rounds = ((100,), 1) if quick else (SIZES, ROUNDS)
    with running_servers() as servers:
        rows = [_row(servers, size, rounds) for size in sizes]
    columns = (
        "symbols",
        "plan (s)",
        "CPU of the task (s)",
        "peak memory grew by (MB)",
        "tasks",
    )
    note = (
        f"`plan_run`, median of {rounds} runs one after the other into a ledger that keeps all; the "
        "quota is no limit. Memory is by how much the peak of the process grew, which planned the smaller ones before. "
        "A mapped task knows its number from its map index; which symbols that stands for is in the ledger."
    )
    return [Table("Planning a run", columns, rows, note)]


def _row(servers: Servers, size: int, rounds: int) -> Sequence[str | float]:
    universe, seconds, cpu, before = symbols(size), [], [], _peak_mb()
    with Wiring(servers.settings) as wiring:
        wiring.permits.prepare()
        for number in range(rounds):
            begun, used = time.perf_counter(), time.process_time()
            plan = plan_run(wiring, f"{size}-{number}", universe, force=True)
            seconds.append(time.perf_counter() - begun)
            cpu.append(time.process_time() - used)
    progress(f"{size} symbols: planned in {middle(seconds):.2f} s")
    return size, middle(seconds), middle(cpu), _peak_mb() - before, len(plan.batch_numbers)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
