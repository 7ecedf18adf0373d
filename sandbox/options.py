"""The sandbox's settings: command line first, then SANDBOX_… variables, then defaults."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from sandbox.plans import PLAN_NAMES, SECONDS_A_DAY, Plan, plan_named

_PREFIX: Final = "SANDBOX_"
_LAST_PORT: Final = 65_535
_EPILOG: Final = """\
Every option can come from the environment instead: SANDBOX_HOST, SANDBOX_PORT, SANDBOX_PLAN, SANDBOX_QUOTA and so on
(the option's name in upper case, - as _). An option on the command line wins; an empty variable counts as not set.
Once it listens, it prints one line: sandbox: listening on http://HOST:PORT (plan NAME: QUOTA)
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What one sandbox does. Times are in seconds. Raises ValueError for values that make no sense."""

    host: str = "127.0.0.1"
    port: int = 8765
    plan: str = ""
    quota: str = ""
    refused: str = "counted"
    day_length: float = SECONDS_A_DAY
    seed: int = 1
    today: date | None = None
    faults: str = ""
    latency: str = ""
    stall: float = 60.0
    log: Path | None = None

    def __post_init__(self) -> None:
        if self.refused not in {"counted", "uncounted"}:
            raise ValueError(f"--refused {self.refused[:64]!r} is neither counted nor uncounted.")
        if not (0 <= self.port <= _LAST_PORT and self.day_length > 0 and self.stall >= 0):
            raise ValueError("--port is 0 to 65535, --day-length above 0, --stall 0 or more.")
        self.build_plan()

    def build_plan(self) -> Plan:
        """Return the plan that is enforced. Raises ValueError."""
        return plan_named(self.plan, self.quota, self.day_length)


def read_options(arguments: Sequence[str] | None = None, environment: Mapping[str, str] | None = None) -> Options:
    """Read the command line and the environment; a malformed value ends the program with a message."""
    parser = _parser(os.environ if environment is None else environment)
    values = vars(parser.parse_args(arguments))
    try:
        return Options(**values)
    except ValueError as error:
        parser.error(str(error))


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="A stand-in for Alpha Vantage: invented prices, real quotas, faults on demand.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    def option(name: str, text: str, default: object, read: type | None = None, **more: object) -> None:
        value = environment.get(f"{_PREFIX}{name.upper().replace('-', '_')}", "").strip() or default
        shown = f" (default: {default})" if default not in {None, ""} else ""
        parser.add_argument(f"--{name}", default=value, type=read or str, help=text + shown, **more)  # type: ignore[arg-type]  # argparse's keywords

    option("host", "the address to listen on", "127.0.0.1")
    option("port", "the port to listen on; 0 takes a free one", 8765, int)
    option("plan", f"the plan of every key: {', '.join(PLAN_NAMES)} (default: free)", "", metavar="NAME")
    option("quota", "windows in place of the plan's, such as 1/s,25/day or 75/15s", "", metavar="WINDOWS")
    option("refused", "whether calls refused for the quota count too: counted or uncounted", "counted", metavar="HOW")
    option("day-length", "how many seconds a day of the quota lasts, for tests", SECONDS_A_DAY, float, metavar="S")
    option("seed", "the seed of prices, faults and latency", 1, int)
    option("today", "the date, YYYY-MM-DD, in place of the exchanges' own", None, date.fromisoformat, metavar="DATE")  # type: ignore[arg-type]  # a function reads it
    option("faults", "the mix, such as reset-before:0.05,http:0.1 or all:0.3; see README.md", "", metavar="MIX")
    option("latency", "one-way delay, each direction, MEDIAN:P99 in seconds, such as 0.11:0.5", "", metavar="M:P")
    option("stall", "how long a stalled or dripping reply takes", 60.0, float, metavar="S")
    option("log", "append every request to this file, one JSON object a line", None, Path, metavar="FILE")
    return parser
