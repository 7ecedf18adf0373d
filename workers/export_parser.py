"""How ``python -m workers export`` is written. It imports nothing that is slow, which ``--help`` would wait for."""

import argparse
from argparse import Namespace
from datetime import UTC, date, datetime
from typing import Final, TextIO

from common.command_line import EXIT_CODES
from common.errors import ConfigurationError
from common.values import Symbol

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
    parser.add_argument("--symbols", type=symbols_in, metavar="SYMBOLS", help="separated by commas; all by default")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, metavar="DATE", help="the first trading day")
    parser.add_argument("--to-date", dest="last", type=date.fromisoformat, metavar="DATE", help="the last trading day")
    parser.add_argument(
        "--as-of",
        type=_time,
        metavar="TIME",
        help="price_history or latest_quotes as it stood then; in UTC where it says no zone",
    )
    parser.add_argument("--json", action="store_true", help="print the manifest, or what went wrong, as one object")


def symbols_in(text: str) -> tuple[Symbol, ...]:
    """Read symbols between commas or blanks, each once."""
    try:
        return tuple(dict.fromkeys(map(Symbol, text.replace(",", " ").split())))
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def run_command(options: Namespace, output: TextIO) -> int:
    """Export what the options say; return the exit code."""
    from workers import export_commands  # noqa: PLC0415  takes a second

    return export_commands.run_command(options, output)
