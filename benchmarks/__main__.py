"""``python -m benchmarks [PART …]``: measure, print tables, and keep them as Markdown and JSON in benchmarks/results/.

Each part writes its results when it ends, so an interrupted run keeps what it has.
"""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from inspect import signature
from pathlib import Path
from types import FrameType
from typing import Final

from benchmarks.clusters import progress
from benchmarks.tables import RESULTS, Table, write

#: What each part measures, and about how long it takes on two cores (minutes).
PARTS: Final = {
    "limiter": ("the quota limiter beside three libraries", 40),
    "parsing": ("parsing and validation beside json.loads", 1),
    "planning": ("the plan of 1,000 to 50,000 symbols", 1),
    "store": ("upserts beside executemany, execute_values and COPY", 5),
    "adjust": ("adjusted prices beside prices as traded, and what keeping their factors costs", 1),
    "export": ("a million bars as CSV and Parquet, beside COPY alone", 1),
    "big": ("25 million daily bars: reads, a day's run, its upkeep, and sizes on disk", 20),
    "page": ("the Market page on 25 million bars: twenty readers at once, memory, what a task pays", 6),
    "floor": ("the job without Airflow: bare loop, bare pool, plain Celery, our own code", 5),
    "logs": ("what it costs that each line of a batch's log names its symbol, and a line", 1),
    "idle": ("what a cluster burns that has nothing to do", 5),
    "waiting": ("500 tasks that wait for 75 calls a minute, and 10,000 symbols on 1,200 a minute", 17),
    "shipped": ("the DAG under Airflow's shipped settings beside ours", 12),
    "patches": ("what each patch of Airflow brings alone, beside none and all", 40),
    "profiles": ("where the time of scheduler, api-server and worker goes under load", 4),
    "cluster": ("fetch and store through the cluster at 100, 1,000 and 10,000 symbols (--long: 10,000 tasks too)", 15),
    "history": ("26 years of 300 symbols: json.loads and COPY, our code, and the cluster", 12),
    "scaled": ("the Compose stack beside itself with docker-compose.scale.yml (needs Docker)", 12),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts one after the other; return the exit code."""
    options = _parser().parse_args(arguments)
    if not options.quick:
        options.results = options.results or RESULTS
    signal.signal(signal.SIGTERM, _interrupt)  # what was started is stopped, as with Ctrl-C
    for name in options.parts or PARTS:
        begun = time.monotonic()
        progress(f"{name}: {PARTS[name][0]}")
        tables = _run(name, options)
        print("\n".join(table.markdown() for table in tables))
        if options.results:
            write(name, tables, options.results)
        progress(f"{name}: done after {time.monotonic() - begun:.0f} s")
    return 0


def _parser() -> argparse.ArgumentParser:
    lines = "\n".join(f"  {name:<9} about {minutes:>2} min  {text}" for name, (text, minutes) in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the pipeline beside what else there is.",
        epilog=f"parts (all by default):\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", type=_part, metavar="PART", help="what to measure, see below")
    parser.add_argument("--quick", action="store_true", help="a smoke run: its figures mean nothing, and are not kept")
    parser.add_argument(
        "--long",
        action="store_true",
        help="10,000 symbols as 10,000 tasks too, and all checks over all bars: half an hour more",
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where the market of 25 million bars is kept")
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="where the tables go (benchmarks/results)")
    return parser


def _part(name: str) -> str:
    if name not in PARTS:
        raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(PARTS)}")
    return name


def _run(name: str, options: argparse.Namespace) -> list[Table]:
    run: Callable[..., list[Table]] = import_module(f"benchmarks.{name}").run
    known = signature(run).parameters
    given = {name: getattr(options, name) for name in ("quick", "long", "keep")}
    return run(**{name: value for name, value in given.items() if value and name in known})


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
