"""How ``python -m workers quality`` is written. It imports nothing that is slow, which ``--help`` would wait for."""

import argparse
import getpass
from argparse import Namespace
from typing import Final, TextIO

from workers.arguments import add_command, read_count, read_symbols

#: How many findings a list shows unless it is told otherwise.
_LISTED: Final = 50


def add_parser(rooms: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``quality list|check|ack|checks`` to the commands; ``run_command`` runs them."""
    quality = rooms.add_parser(
        "quality", help="stored values that look wrong: see them, look again, say that they are known"
    )
    commands = quality.add_subparsers(dest="command", required=True, metavar="list|check|ack|checks")
    _add_list(add_command(commands, "list", "list findings, errors first, then the newest"))
    check = add_command(
        commands, "check", "look at what changed, or at all of the symbols; exit code 1 where an error is open"
    )
    which = check.add_mutually_exclusive_group()
    which.add_argument(
        "--symbols", type=read_symbols, metavar="SYMBOLS", help="all that is stored of these, with commas"
    )
    which.add_argument("--all", action="store_true", help="all that is stored")
    acknowledge = add_command(commands, "ack", "say that findings are known; they stay so until their values change")
    acknowledge.add_argument("ids", type=int, nargs="+", metavar="ID")
    acknowledge.add_argument("--word", required=True, help="why they need nothing")
    acknowledge.add_argument("--by", default=_login(), help="who says so; the login name by default")
    add_command(commands, "checks", "say what each check finds, when it is wrong, and what its threshold is")


def _add_list(parser: argparse.ArgumentParser) -> None:
    states = ("open", "acknowledged", "resolved", "any")
    parser.add_argument("--state", choices=states, default="open", help="open and not acknowledged by default")
    parser.add_argument("--severity", choices=("error", "warning"))
    parser.add_argument("--check", metavar="NAME", help="of one check")
    parser.add_argument("--symbols", type=read_symbols, metavar="SYMBOLS", help="separated by commas; all by default")
    parser.add_argument("--limit", type=read_count, default=_LISTED, help=f"how many at most ({_LISTED})")


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return ""


def run_command(options: Namespace, output: TextIO) -> int:
    """Do what the options say; return the exit code."""
    from workers import quality_commands  # noqa: PLC0415  takes a second

    return quality_commands.run_command(options).show(output, as_json=options.json)
