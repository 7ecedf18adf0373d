"""How ``python -m workers gaps`` is written. It imports nothing that is slow, which ``--help`` would wait for."""

import argparse
from argparse import Namespace
from typing import Final, TextIO

from workers.arguments import add_command, read_count, read_day, read_symbol, read_symbols

#: How many gaps a list shows unless it is told otherwise.
_LISTED: Final = 50
_STATES: Final = ("open", "absent", "halted", "before_listing", "delisted", "repaired", "any")


def add_parser(rooms: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``gaps list|mark`` to the commands; ``run_command`` runs them."""
    gaps = rooms.add_parser("gaps", help="sessions without a bar: see them, say that a share was halted")
    commands = gaps.add_subparsers(dest="command", required=True, metavar="list|mark")
    listed = add_command(commands, "list", "list gaps by symbol, oldest first")
    listed.add_argument("--state", choices=_STATES, default="open", help="open by default")
    listed.add_argument("--symbols", type=read_symbols, metavar="SYMBOLS", help="separated by commas; all by default")
    listed.add_argument("--limit", type=read_count, default=_LISTED, help=f"how many at most ({_LISTED})")
    mark = add_command(commands, "mark", "say that a gap is none of the provider's, or take that back")
    mark.add_argument("symbol", type=read_symbol, metavar="SYMBOL")
    mark.add_argument("first", type=read_day, metavar="FIRST", help="the gap's first session, such as 2026-10-05")
    mark.add_argument("state", choices=("halted", "open"), help="halted: never ask again; open: do")
    mark.add_argument("word", nargs="?", default="", metavar="WORD", help="for halted: why, and who says so")


def run_command(options: Namespace, output: TextIO) -> int:
    """Do what the options say; return the exit code."""
    from workers import gaps_commands  # noqa: PLC0415  takes a second

    return gaps_commands.run_command(options).show(output, as_json=options.json)
