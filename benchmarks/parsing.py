"""Parsing and validation: bytes to checked values, beside the bare ``json.loads``."""

import json
import timeit
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import requests

from benchmarks.bare import values
from benchmarks.clusters import progress
from benchmarks.tables import Table, middle
from common.datasets.daily_bars import bars_from_reply
from common.datasets.quotes import quote_from_reply
from common.provider.strict_json import read_object
from common.settings import SANDBOX_API_KEY
from common.values import Reply, Symbol
from sandbox.running import running

SECONDS, REPEATS = 0.5, 9
_IBM = Symbol("IBM")


def run(*, quick: bool = False) -> list[Table]:
    """Time each step on one core; the median of several repeats."""
    with running("--plan", "premium1200") as sandbox:
        quote = _body(sandbox.url, "GLOBAL_QUOTE")
        series = _body(sandbox.url, "TIME_SERIES_DAILY")
        full = _body(sandbox.url, "TIME_SERIES_DAILY", outputsize="full")
    measured: list[Sequence[str | float]] = [
        (name, len(body), *(_rate(step, quick=quick) for step in steps))
        for name, body, steps in (
            ("GLOBAL_QUOTE", quote, _steps(quote, lambda reply: quote_from_reply(_IBM, reply))),
            ("TIME_SERIES_DAILY, compact", series, _steps(series, lambda reply: bars_from_reply(_IBM, reply))),
            ("TIME_SERIES_DAILY, full", full, _steps(full, lambda reply: bars_from_reply(_IBM, reply))),
        )
    ]
    progress(f"bare values of a quote: {_rate(lambda: values(json.loads(quote)), quick=quick):,.0f}/s")
    columns = ("reply", "bytes", "json.loads", "strict JSON", "validation", "both")
    note = (
        f"Replies a second on one core, median of {REPEATS} times {SECONDS} s. Strict JSON refuses what json.loads "
        "takes (a name twice, NaN, absurd numbers) and reads numbers as Decimal; validation checks every field and "
        "builds the frozen values."
    )
    return [Table("Parsing and validation", columns, measured, note)]


def _steps(body: bytes, validate: Callable[[Reply], object]) -> list[Callable[[], object]]:
    reply = _reply(body)
    return [
        lambda: json.loads(body),
        lambda: read_object(body),
        lambda: validate(reply),
        lambda: validate(_reply(body)),
    ]


def _reply(body: bytes) -> Reply:
    return Reply(read_object(body), "", datetime.now(UTC), 0.0)


def _rate(step: Callable[[], object], *, quick: bool) -> float:
    timer = timeit.Timer(step)
    number, took = timer.autorange()
    number = max(1, int(number * (0.02 if quick else SECONDS) / took))
    return number / middle(timer.repeat(repeat=REPEATS, number=number))


def _body(url: str, function: str, **more: str) -> bytes:
    params = {"function": function, "symbol": _IBM, "apikey": SANDBOX_API_KEY, **more}
    response = requests.get(f"{url}/query", params=params, timeout=30)
    response.raise_for_status()
    return response.content
