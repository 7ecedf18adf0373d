"""The local cluster's command line, which ``make`` calls: ``python -m local --help`` lists the commands."""

import argparse
from collections.abc import Sequence

from common.command_line import run
from local.shell import leave_the_shell

_EXIT_CODES = """\
exit codes:
  0    done; or the cluster runs and is healthy; or the run succeeded
  1    failed, not running or not healthy; the message says why and what to do
  2    wrong usage
  4    a person has to act first: a setting cannot be used
  130  interrupted
"""
_MOST_WORKERS = 64  # more than one machine bears


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    leave_the_shell()
    options = _parser().parse_args(arguments)
    from local import commands  # noqa: PLC0415  takes a second, which neither --help nor Ctrl-C should wait for

    return commands.run(options.command, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local",
        description="The whole cluster as processes of this machine.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text)

    for name, text in (
        ("demo", "Start the cluster, run the pipeline once, show the quotes, stop."),
        ("up", "Start the cluster and leave it running."),
    ):
        sub = command(name, text)
        sub.add_argument("--workers", type=_worker_count, default=2, help="Celery workers to start (2)")
    sub = commands.choices["up"]
    sub.add_argument("--monitoring", default="", help="1: start Prometheus and Alertmanager too, if installed")
    command("down", "Stop the cluster; what it stored stays.")
    sub = command("status", "Show each process, its health, and where the pages are.")
    sub.add_argument("--json", action="store_true", help="print one JSON object, for scripts")
    sub = command("trigger", "Trigger the pipeline, watch it and show the result.")
    sub.add_argument("--symbols", default="", help="separated by commas or blanks; STOCK_SYMBOLS if empty")
    sub.add_argument("--force", action="store_true", help="fetch symbols too that are stored up to date")
    sub.add_argument("--detach", action="store_true", help="do not wait for the run to end; print its id")
    sub.add_argument("--json", action="store_true", help="print one JSON object, for scripts")
    sub = command("logs", "Follow the logs of all processes, or of one.")
    sub.add_argument("process", nargs="?", default="*", help="such as worker-1, scheduler, or worker-*")
    sub = command("shell", "Open a shell, or run COMMAND, with the cluster's settings.")
    sub.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    command("reader-address", "Print the address, with its password, at which your own programs may read.")
    command("clean", "Stop the cluster and delete everything that it stored.")
    return parser


def _worker_count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {_MOST_WORKERS}")
    return int(text)


if __name__ == "__main__":
    run(main)
