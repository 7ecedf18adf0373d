"""How ``python -m workers export`` is written. It imports nothing that is slow, which ``--help`` would wait for."""

import argparse
from argparse import Namespace
from typing import Final, TextIO

from common.command_line import EXIT_CODES
from workers.arguments import read_day, read_symbols, read_time

_WHAT: Final = "write a table or view as a file, with a manifest beside it"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``export`` to the commands; ``run_command`` runs it."""
    parser = commands.add_parser(
        "export",
        help=_WHAT,
        description=f"{_WHAT}:\nlatest_quotes, price_history, adjusted_history, any other of docs/data-dictionary.md.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(command="export")
    parser.add_argument("relation", metavar="TABLE_OR_VIEW")
    parser.add_argument("--to", required=True, metavar="FILE", help="NAME.csv, NAME.parquet, or - for CSV on stdout")
    parser.add_argument("--symbols", type=read_symbols, metavar="SYMBOLS", help="separated by commas; all by default")
    parser.add_argument("--from", dest="first", type=read_day, metavar="DATE", help="the first trading day")
    parser.add_argument("--to-date", dest="last", type=read_day, metavar="DATE", help="the last trading day")
    parser.add_argument(
        "--as-of",
        type=read_time,
        metavar="TIME",
        help="price_history or latest_quotes as it stood then; in UTC where it says no zone",
    )
    parser.add_argument("--json", action="store_true", help="print the manifest, or what went wrong, as one object")


def run_command(options: Namespace, output: TextIO) -> int:
    """Export what the options say; return the exit code."""
    from workers import export_commands  # noqa: PLC0415  takes a second

    return export_commands.run_command(options, output)
