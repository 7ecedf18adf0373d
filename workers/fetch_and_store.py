"""The command line: fetch and store one symbol, or the list of companies; check every dependency, show the quota.

``python -m workers.fetch_and_store --symbol AAPL | --probe AAPL | --listings | --health-check | --quota
[--json]``; ``--help`` lists
the exit codes.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import TextIO

from common.command_line import EXIT_CODES, run
from common.datasets import NAMES


def main(arguments: Sequence[str] | None = None, output: TextIO | None = None) -> int:
    """Run one command; return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.accept and not options.listings:
        parser.error("--accept goes with --listings")
    from workers import commands  # noqa: PLC0415  takes a second, which neither --help nor Ctrl-C should wait for

    output = output or sys.stdout
    if options.health_check:
        answer = commands.health(output)
    elif options.quota:
        answer = commands.quota()
    elif options.probe:
        from workers.probe import probe  # noqa: PLC0415  as above

        answer = probe(options.probe, options.dataset, verbose=options.verbose)
    elif options.listings:
        answer = commands.listings(options.listings, accept=options.accept, verbose=options.verbose)
    else:
        answer = commands.fetch(options.symbol, options.dataset, verbose=options.verbose)
    return answer.show(output, as_json=options.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m workers.fetch_and_store",
        description="Fetch, validate and store one symbol, or look at what that depends on.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument(
        "--symbol",
        metavar="SYMBOL",
        help="fetch and store this symbol, such as AAPL (--symbol=-P-A for one that begins so), and print what came",
    )
    task.add_argument(
        "--listings",
        nargs="?",
        const="Active",
        choices=("Active", "Delisted"),
        help="fetch and store the list of companies that STOCK_SYMBOLS=listing:… chooses from, or that of the delisted",
    )
    task.add_argument(
        "--probe",
        metavar="SYMBOL",
        help="push this symbol through each step of a run, with one call; say how long each took, or where it ended",
    )
    task.add_argument("--health-check", action="store_true", help="check every dependency without spending quota")
    task.add_argument("--quota", action="store_true", help="show what is used of the quota, and what waits")
    parser.add_argument(
        "--dataset",
        choices=NAMES,
        default=NAMES[0],
        help="what to fetch with --symbol or --probe; quotes by default",
    )
    parser.add_argument(
        "--accept", action="store_true", help="take over a list with --listings although it shrank by a tenth or more"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, for scripts, whatever the outcome")
    parser.add_argument("--verbose", action="store_true", help="log each step to standard error")
    return parser


if __name__ == "__main__":
    run(main)
