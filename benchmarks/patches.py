"""What each patch of Airflow brings alone, beside none of them and all (workers/airflow_patches)."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.cluster import DEFAULT_SYMBOLS, measure
from benchmarks.clusters import Contender, Run, folder_of_clusters, progress, running
from benchmarks.tables import Table, middle
from workers.airflow_patches import PATCHES

SYMBOLS, ROUNDS = 60, 3
#: They bring no speed: what they spare is the wait after a kill, or after a loss.
NO_SPEED: Final = frozenset({"retry_after_kill", "requeue_lost_messages"})

#: A larger run, and one of the default symbols.
Pair = tuple[Run, Run]


def contenders() -> list[Contender]:
    """Return none, each patch alone, and all: one worker, one symbol a task."""
    names = ["none", *(patch.name for patch in PATCHES if patch.name not in NO_SPEED), "all"]
    return [Contender(name, {"SYMBOLS_PER_TASK": "1", "AIRFLOW_PATCHES": name}, workers=1) for name in names]


def run(*, quick: bool = False) -> list[Table]:
    """Run the same symbols with each choice of patches, in rounds. An interrupted run keeps its complete rounds."""
    size, rounds = (10, 1) if quick else (SYMBOLS, ROUNDS)
    seen: dict[str, list[Pair]] = defaultdict(list)
    complete = 0
    with folder_of_clusters() as folder:
        try:
            while complete < rounds:
                for contender, done in _round(folder, size):
                    seen[contender].append(done)
                complete += 1
        except KeyboardInterrupt:
            if not complete:
                raise
            progress(f"interrupted: {complete} of {rounds} rounds are kept")
    return [_table({name: runs[:complete] for name, runs in seen.items()}, size, complete)]


def _round(folder: Path, size: int) -> list[tuple[str, Pair]]:
    done = []
    for contender in contenders():
        with running(contender, folder) as measured:
            large, small = (measure(measured, contender.name, count, 1)[0] for count in (size, DEFAULT_SYMBOLS))
            done.append((contender.name, (large, small)))
    return done


def _table(seen: dict[str, list[Pair]], size: int, rounds: int) -> Table:
    columns = (
        "patches",
        "CPU ms a symbol",
        "to none (%)",
        "least to most",
        "worker",
        "scheduler",
        "green after (s)",
        "to none (%)",
        f"{DEFAULT_SYMBOLS} symbols (s)",
        "to none (%)",
    )
    rows = [_row(name, runs, seen["none"]) for name, runs in seen.items()]
    return Table("Each patch alone", columns, rows, _note(size, rounds))


def _row(name: str, pairs: Sequence[Pair], none: Sequence[Pair]) -> tuple[str | float, ...]:
    large, small = zip(*pairs, strict=True)
    large_none, small_none = zip(*none, strict=True)
    cpu = _changes([one.cpu_ms_a_symbol for one in large], [one.cpu_ms_a_symbol for one in large_none])
    return (
        name,
        middle(one.cpu_ms_a_symbol for one in large),
        middle(cpu),
        f"{min(cpu):+.0f} to {max(cpu):+.0f}",
        *(middle(1000 * one.watch.cpu_s[group] / one.symbols for one in large) for group in ("worker-1", "scheduler")),
        middle(one.ended_s for one in large),
        middle(_changes([one.ended_s for one in large], [one.ended_s for one in large_none])),
        middle(one.ended_s for one in small),
        middle(_changes([one.ended_s for one in small], [one.ended_s for one in small_none])),
    )


def _changes(values: Sequence[float], to: Sequence[float]) -> list[float]:
    """Return by how many percent each value differs from that of its round."""
    return [100 * (value / base - 1) for value, base in zip(values, to, strict=True)]


def _note(size: int, rounds: int) -> str:
    return (
        f"{size} symbols, one a task, without a quota, one worker of four slots; median of {rounds} rounds in which "
        "all take their turn, each with a cluster of its own. `to none` compares with its round's run without patches. "
        f"Not measured, since they bring no speed: {', '.join(f'`{name}`' for name in sorted(NO_SPEED))}. What every "
        "worker imports before it forks is there in all rows."
    )
