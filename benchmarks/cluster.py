"""Fetch and store through the whole cluster, as a person triggers it: tasks of one symbol, and batches."""

from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks.clusters import Contender, Measured, Run, folder_of_clusters, progress, running
from benchmarks.tables import Table

TASKS = Contender("one symbol a task", {"SYMBOLS_PER_TASK": "1"})
BATCHES = Contender("batches", {"SYMBOLS_PER_TASK": "auto"})
DEFAULT_SYMBOLS = 4
#: How many symbols, and how many runs of that size: the more symbols, the less a run differs from the next.
SIZES = {DEFAULT_SYMBOLS: 3, 100: 3, 1_000: 3, 10_000: 3}
_SETTING = "Two workers of four slots"
_EARLY = 500  # symbols after which a worker's memory is taken as its normal size

Measurements = dict[tuple[str, int], list[Run]]


def run(*, quick: bool = False, long: bool = False) -> list[Table]:
    """Run both ways at each size. ``long``: 10,000 tasks of one symbol too, once."""
    runs: Measurements = {}
    with folder_of_clusters() as folder:
        for contender in (TASKS, BATCHES):
            sizes = {10: 1} if quick else _sizes(contender, long=long)
            with running(contender, folder) as measured:
                for size, times in sizes.items():
                    runs[contender.name, size] = list(measure(measured, contender.name, size, times))
    return tables(runs)


def _sizes(contender: Contender, *, long: bool) -> dict[int, int]:
    """Return sizes and numbers of runs: up to 100 symbols ``auto`` makes tasks of one symbol, as the other way does."""
    if contender is BATCHES:
        return {size: times for size, times in SIZES.items() if size > 100}
    once = {1_000: 1, 10_000: 1}  # minutes each
    return {size: once.get(size, times) for size, times in SIZES.items() if long or size < 10_000}


def measure(measured: Measured, name: str, size: int, times: int) -> Sequence[Run]:
    """Run ``size`` symbols several times; every symbol must be stored."""
    runs = []
    for _ in range(times):
        done = measured.run(size)
        if done.stored != size or done.state != "success":
            raise RuntimeError(f"{name}: {done.stored} of {size} symbols are stored, the run is {done.state}")
        runs.append(done)
        progress(
            f"{name}, {size} symbols: first row after {done.first_row_s:.1f} s, last after {done.last_row_s:.1f} s "
            f"({done.symbols_a_second:.1f}/s), green after {done.ended_s:.1f} s, {done.cpu_ms_a_symbol:.1f} ms a symbol"
        )
    return runs


def tables(runs: Measurements) -> list[Table]:
    """Return throughput, CPU and memory."""
    return [throughput("Fetch and store through the cluster", runs, _SETTING), cpu(runs), _memory(runs)]


def throughput(title: str, runs: Measurements, setting: str) -> Table:
    """Return how fast each way was at each size. ``setting``: what ran, for the note."""
    rows: list[Sequence[str | float]] = [
        (
            name,
            size,
            len(seen),
            median(one.first_row_s for one in seen),
            median(one.last_row_s for one in seen),
            median(one.ended_s for one in seen),
            median(one.symbols_a_second for one in seen),
            median(one.cpu_ms_a_symbol for one in seen),
        )
        for (name, size), seen in runs.items()
    ]
    columns = ("way", "symbols", "runs", "first row (s)", "last row (s)", "green (s)", "symbols/s", "CPU ms a symbol")
    note = (
        f"Seconds from the trigger over the REST API, medians. {setting}; the sandbox, PostgreSQL and "
        "this measurement share the cores with them. The quota is no limit here. CPU is that of all processes "
        "together, from the trigger to the last row."
    )
    return Table(title, columns, rows, note)


def cpu(runs: Measurements) -> Table:
    """Return the CPU that each group of processes took."""
    groups = sorted({name for seen in runs.values() for one in seen for name in one.watch.cpu_s})
    rows: list[Sequence[str | float]] = [
        (name, size, *(1000 * median(one.watch.cpu_s.get(group, 0.0) for one in seen) / size for group in groups))
        for (name, size), seen in runs.items()
    ]
    note = "Milliseconds of CPU for each symbol, from the trigger to the last row; medians."
    return Table("Where the CPU goes", ("way", "symbols", *groups), rows, note)


def _memory(runs: Measurements) -> Table:
    groups = sorted({name for seen in runs.values() for one in seen for name in one.watch.peak_mb})
    rows: list[Sequence[str | float]] = [
        (name, size, *(max(one.watch.peak_mb.get(group, 0.0) for one in seen) for group in groups), _growth(seen))
        for (name, size), seen in runs.items()
    ]
    note = (
        "Peak of the proportional set size (MB), sampled every 5 s: a page that processes share counts for each by its "
        f"part. Growth: both workers at the end of the last run to the sample after its first {_EARLY} symbols."
    )
    return Table("Memory", ("way", "symbols", *groups, "growth"), rows, note)


def _growth(seen: Sequence[Run]) -> str | float:
    """Return how the workers' memory at the end compares with that after the first symbols."""
    last = seen[-1]
    early = next((moment for moment, done in last.done if done >= _EARLY), None)
    samples = [sample for moment, sample in last.watch.memory if early and moment >= early]
    if last.symbols <= _EARLY or len(samples) < 2:
        return "-"
    return round(_workers_mb(samples[-1]) / _workers_mb(samples[0]), 2)


def _workers_mb(sample: Mapping[str, float]) -> float:
    return sum(size for name, size in sample.items() if name.startswith("worker-"))
