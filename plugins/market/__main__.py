"""The Market page without Airflow, on this machine alone: ``python -m plugins.market --help`` (``make page``)."""

import argparse
from collections.abc import Sequence
from typing import Final

from common.command_line import run

_PORT: Final = 8090
_LAST_PORT: Final = 65_535
_EXIT_CODES: Final = """\
exit codes:
  0    ended with Ctrl-C
  1    it cannot listen there; the message says why
  2    wrong usage
  4    a person has to act first: no cluster runs, or a setting cannot be used
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the page until Ctrl-C; return the exit code."""
    options = _parser().parse_args(arguments)
    from plugins.market.standalone import serve  # noqa: PLC0415  takes a second, which --help should not wait for

    return serve(options.port)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m plugins.market",
        description="Serve the Market page on 127.0.0.1, of the cluster that `make up` runs or of MARKET_DATABASE_URL.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=_port, default=_PORT, help=f"where it listens ({_PORT})")
    return parser


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: a number from 1 to {_LAST_PORT}")
    return int(text)


if __name__ == "__main__":
    run(main)
