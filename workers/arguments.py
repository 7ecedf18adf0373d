"""What the options of ``python -m workers`` are read from. It imports nothing slow, which ``--help`` would wait for.

Each reader raises argparse's own error with a sentence; for any other argparse would name the function.
"""

import argparse
from datetime import UTC, date, datetime

from common.command_line import EXIT_CODES
from common.errors import ConfigurationError
from common.values import Symbol


def add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, what: str
) -> argparse.ArgumentParser:
    """Add a command that takes ``--json``; ``what`` says in a line what it does."""
    parser = commands.add_parser(
        name, help=what, description=what, epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, for scripts")
    return parser


def read_symbol(text: str) -> Symbol:
    """Read one symbol."""
    try:
        return Symbol(text)
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def read_symbols(text: str) -> tuple[Symbol, ...]:
    """Read symbols between commas or blanks, each once."""
    return tuple(dict.fromkeys(map(read_symbol, text.replace(",", " ").split())))


def read_count(text: str) -> int:
    """Read a number from 1 on."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def read_day(text: str) -> date:
    """Read a day."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day such as 2026-10-05") from None


def read_time(text: str) -> datetime:
    """Read a day or a time, in UTC where it says no zone."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day or a time such as 2026-10-05T16:00") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
