"""The command line: fetch and store one symbol, check the health of every dependency, show the quota.

``python -m workers.fetch_and_store --symbol AAPL | --health-check | --quota [--json]``. The exit code is 0 when all is
well, 1 when something failed, 2 for wrong usage.
"""

import argparse
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TextIO

from common.errors import PipelineError, QuotaWait
from common.redaction import RedactingFilter, Redactor
from common.values import Symbol
from workers.health import HealthCheck, check_health, usage_lines
from workers.wiring import Wiring


def main(arguments: Sequence[str] | None = None, output: TextIO | None = None) -> int:
    """Run one command; return the exit code."""
    options = _parser().parse_args(arguments)
    output = output or sys.stdout
    try:
        with Wiring.from_environment() as wiring, _logging(wiring, verbose=options.verbose):
            code = _run(wiring, options, output)
            output.flush()  # here, where a reader that has gone is expected
            return code
    except QuotaWait as wait:
        print(f"{wait} Try again at {wait.retry_at:%Y-%m-%d %H:%M:%S %Z}.", file=sys.stderr)  # noqa: T201  the command line speaks
    except PipelineError as error:
        print(f"{error.reason}: {error}", file=sys.stderr)  # noqa: T201  the command line speaks
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)  # noqa: T201  the command line speaks
        return 128 + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains once more at exit
    return 1


def _run(wiring: Wiring, options: argparse.Namespace, output: TextIO) -> int:
    if options.health_check:
        return _show_health(wiring, output, as_json=options.json)
    if options.quota:
        return _show_quota(wiring, output, as_json=options.json)
    return _fetch(wiring, Symbol(options.symbol), output, as_json=options.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m workers.fetch_and_store",
        description="Fetch, validate and store one symbol's quote, or look at what that depends on.",
    )
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--symbol", metavar="SYMBOL", help="fetch and store this symbol, such as AAPL, and print the row")
    task.add_argument("--health-check", action="store_true", help="check every dependency without spending quota")
    task.add_argument("--quota", action="store_true", help="show what is used of the quota, and what waits")
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")
    parser.add_argument("--verbose", action="store_true", help="log each step to standard error")
    return parser


@contextmanager
def _logging(wiring: Wiring, *, verbose: bool) -> Iterator[None]:
    """Log to standard error, without secrets, while the command runs."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    handler.addFilter(RedactingFilter(Redactor(wiring.settings.secrets())))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if verbose else logging.WARNING)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def _fetch(wiring: Wiring, symbol: Symbol, output: TextIO, *, as_json: bool) -> int:
    """Run the job as a run of its own, named after the moment."""
    wiring.permits.prepare()
    run_id = f"cli__{datetime.now(UTC).isoformat()}"
    wiring.store.plan_run(run_id, [symbol])
    wiring.job.run(run_id, symbol)
    row = wiring.store.quotes([symbol])[0]
    if as_json:
        print(json.dumps(asdict(row), default=_plain), file=output)
        return 0
    for name, value in asdict(row).items():
        print(f"{name:<18} {_plain(value)}", file=output)
    if wiring.settings.uses_sandbox:
        print("invented by the sandbox: ALPHA_VANTAGE_API_KEY is not set", file=output)
    return 0


def _show_health(wiring: Wiring, output: TextIO, *, as_json: bool) -> int:
    checks = list(check_health(wiring))
    if as_json:
        print(
            json.dumps({"healthy": all(c.healthy for c in checks), "checks": [asdict(c) for c in checks]}), file=output
        )
    else:
        for check in checks:
            print(_health_line(check, colour=output.isatty()), file=output)
    return 0 if all(check.healthy for check in checks) else 1


def _health_line(check: HealthCheck, *, colour: bool) -> str:
    state = "ok" if check.healthy else "FAILED"
    painted = f"\x1b[{32 if check.healthy else 31}m{state:<6}\x1b[0m" if colour else f"{state:<6}"
    latency = f"{check.latency_s * 1000:7.1f} ms" if check.latency_s is not None else " " * 10
    return f"{check.name:<12} {painted} {latency}  {check.detail}"


def _show_quota(wiring: Wiring, output: TextIO, *, as_json: bool) -> int:
    usage = wiring.limiter.usage()
    if as_json:
        print(json.dumps(asdict(usage), default=_plain), file=output)
        return 0
    for line in usage_lines(usage):
        print(line, file=output)
    return 0


def _plain(value: Any) -> Any:  # noqa: ANN401  json's own
    """Return what JSON can hold: exact decimals as text, times in ISO 8601."""
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


if __name__ == "__main__":
    sys.exit(main())
