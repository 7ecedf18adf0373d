"""Exports of a test: taken no notice of, and by the command as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.market import Market

ROOT = Path(__file__).resolve().parents[2]
#: More rows than fit into a row group, and than anybody wants in memory.
INSERT_MANY = """
INSERT INTO daily_bars SELECT 'S' || n, date '1999-11-01' + day, 9, 9, 9, 9, 1
FROM generate_series(1, 20) AS n, generate_series(1, 6000) AS day
"""


def ignore(count: int) -> None:
    """Take no notice of progress."""


@contextmanager
def exporting(market: Market, *options: object) -> Iterator[subprocess.Popen]:
    environment = os.environ | {"MARKET_DATABASE_URL": market.dsn().get_secret_value(), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "workers", "export", "price_history", *map(str, options)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        yield process
