"""The options of ``python -m workers``: ``quarantine list|show|replay|drop``, ``replies reparse``, ``quality …``,
``gaps …``, ``export``, ``notify``, ``adjust rebuild``.

``--help`` of each lists what it takes, and the exit codes. To fetch is ``python -m workers.fetch_and_store``.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from common.command_line import EXIT_CODES, run
from common.datasets import NAMES
from workers import export_parser, gaps_parser, quality_parser
from workers.arguments import add_command, read_count, read_symbol, read_symbols, read_time

if TYPE_CHECKING:
    from workers.commands import CommandResult

#: How many replies a list shows unless it is told otherwise.
_LISTED = 50


def main(arguments: Sequence[str] | None = None, output: TextIO | None = None) -> int:
    """Run one command; return the exit code."""
    parser, replay = _parser()
    options = parser.parse_args(arguments)
    if options.room == "quality":
        return quality_parser.run_command(options, output or sys.stdout)
    if options.room == "gaps":
        return gaps_parser.run_command(options, output or sys.stdout)
    if options.command == "export":
        return export_parser.run_command(options, output or sys.stdout)
    if options.command == "notify":
        return _notify(options).show(output or sys.stdout, as_json=options.json)
    if options.command == "rebuild":
        return _rebuild(options).show(output or sys.stdout, as_json=options.json)
    if options.command == "replay" and not (options.ids or options.all or options.dataset or options.reason):
        replay.error("say which: ids, --dataset, --reason or --all")
    if options.command == "replay" and options.ids and (options.all or options.dataset or options.reason):
        replay.error("ids stand alone, without --dataset, --reason or --all")
    if options.command == "drop" and bool(options.ids) == bool(options.reason):
        parser.error("say which: ids, or --reason")
    from workers import quarantine_commands  # noqa: PLC0415  takes a second, which neither --help nor Ctrl-C should wait for

    result = quarantine_commands.run_command(options)
    return result.show(output or sys.stdout, as_json=options.json)


def _parser() -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    """Return the parser of the whole command line, and that of ``quarantine replay``."""
    parser = argparse.ArgumentParser(
        prog="python -m workers",
        description="Use again what was kept, see what looks wrong, export what is stored, send messages, and more.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    rooms = parser.add_subparsers(
        required=True, dest="room", metavar="quarantine|replies|quality|gaps|export|notify|adjust"
    )
    quarantine = rooms.add_parser("quarantine", help="replies that were refused, with the reason")
    commands = quarantine.add_subparsers(dest="command", required=True, metavar="list|show|replay|drop")
    _add_list(add_command(commands, "list", "list refused replies, the newest first"))
    show = add_command(commands, "show", "show one, with all of its text and what to do")
    show.add_argument("id", type=int)
    show.add_argument("--full", action="store_true", help="show all of the text, not only what fits on a screen")
    replay = add_command(
        commands, "replay", "judge refused replies by today's rules and store what is sound; no call is made"
    )
    _add_replay(replay)
    drop = add_command(commands, "drop", "delete refused replies that were not replayed")
    drop.add_argument("ids", type=int, nargs="*", metavar="ID")
    drop.add_argument("--reason", help="all that wait with this reason")
    drop.add_argument("--yes", action="store_true", help="do not ask; needed where no terminal can be asked")
    replies = rooms.add_parser("replies", help="everything that the provider said of late")
    kept = replies.add_subparsers(dest="command", required=True, metavar="reparse")
    _add_reparse(
        add_command(kept, "reparse", "judge all that is kept of a dataset by today's rules, and store it again")
    )
    quality_parser.add_parser(rooms)
    gaps_parser.add_parser(rooms)
    export_parser.add_parser(rooms)
    notify = add_command(
        rooms, "notify", "send the messages that wait, or with --test one to each address of ALERT_URLS"
    )
    notify.add_argument("--test", action="store_true", help="send a test message to each address")
    notify.set_defaults(command="notify")
    adjust = rooms.add_parser("adjust", help="adjusted prices").add_subparsers(
        dest="command", required=True, metavar="rebuild"
    )
    rebuild = add_command(adjust, "rebuild", "compute the factors of adjusted prices again, by this version's formula")
    rebuild.add_argument("--symbols", type=read_symbols, metavar="SYMBOLS", help="separated by commas; all by default")
    return parser, replay


def _rebuild(options: argparse.Namespace) -> "CommandResult":
    from workers import adjust_commands  # noqa: PLC0415  as above

    return adjust_commands.rebuild(options.symbols, as_json=options.json)


def _notify(options: argparse.Namespace) -> "CommandResult":
    from workers import notify_commands  # noqa: PLC0415  as above

    return notify_commands.notify(test=options.test)


def _add_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", choices=NAMES)
    parser.add_argument("--symbol", type=read_symbol)
    parser.add_argument("--reason", help="the code, such as not_positive")
    parser.add_argument("--since", type=read_time, help="a day or a time, in UTC where it says no zone")
    parser.add_argument("--limit", type=read_count, default=_LISTED, help=f"how many at most ({_LISTED})")


def _add_replay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", type=int, nargs="*", metavar="ID")
    parser.add_argument("--dataset", choices=NAMES, help="all that wait of this dataset")
    parser.add_argument("--reason", help="all that wait with this reason")
    parser.add_argument("--all", action="store_true", help="all that wait")
    parser.add_argument("--dry-run", action="store_true", help="say what it would do, and change nothing")


def _add_reparse(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", choices=NAMES, required=True)
    parser.add_argument(
        "--symbol", type=read_symbol, help="what is kept of this symbol alone; not what many symbols shared"
    )
    parser.add_argument("--since", type=read_time, help="only what came since this day or time")
    parser.add_argument("--dry-run", action="store_true", help="say what it would do, and change nothing")


if __name__ == "__main__":
    run(main)
