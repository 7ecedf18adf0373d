"""The Market page on 25 million bars: twenty readers at once, what the server's memory grows by, what a task pays."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final

import psutil
import requests

from benchmarks.big_market import BigMarket, big_market
from benchmarks.clusters import progress
from benchmarks.comparing import percentile
from benchmarks.tables import Table
from local.ports import free_port
from local.state import ROOT
from local.temporary import wait_until

READERS: Final = 20
ROUNDS: Final = 25
#: What a screen shows, and what each question must take at most (ms, p95).
_SCREEN: Final = 40
_FEW: Final = {"symbols": 100, "sessions": 1_000}
_LOADS: Final = 7
#: What a task's process does with plugins, by Airflow's own clock; the folder is given or not.
_LOAD: Final = """
import sys, time
from airflow.sdk import plugins_manager
begun = time.process_time()
plugins_manager.integrate_macros_plugins()
print((time.process_time() - begun) * 1000)
"""

Ask = Callable[[requests.Session, int], requests.Response]


def run(*, quick: bool = False, keep: Path | None = None) -> list[Table]:
    """Serve the page on the big market, ask for each thing, and load the plugins as a task's process does."""
    size = _FEW if quick else {}
    rounds = 2 if quick else ROUNDS
    with big_market(keep, **size) as market, _served(market) as (url, process):
        answers = Table("Twenty readers at once", _COLUMNS, list(_answers(url, rounds)), _ANSWERS_NOTE)
        grown = _memory(process)
    return [answers, Table("Memory of a server", ("what", "MB"), grown, _MEMORY_NOTE), _task(1 if quick else _LOADS)]


@contextmanager
def _served(market: BigMarket) -> Iterator[tuple[str, psutil.Process]]:
    """Serve the page in a process of its own until the block ends; yield its address, once the calendars are there."""
    port = free_port()
    environment = {"MARKET_DATABASE_URL": market.reader.get_secret_value(), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "plugins.market", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(command, env={**os.environ, **environment}, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: _calendars_known(url), "the page answers", 120)
        yield url, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def _calendars_known(url: str) -> bool:
    meta = requests.get(f"{url}/api/meta", timeout=30).json()
    return bool(meta["exchanges"][0]["expected_session"])


def _answers(url: str, rounds: int) -> Iterator[tuple[str | float, ...]]:
    listed = requests.get(f"{url}/api/symbols?limit=10000", timeout=30).json()
    symbols = [str(row[0]) for row in listed["rows"]]
    turn = count()

    def another(_: int) -> str:
        return symbols[next(turn) * 97 % len(symbols)]

    def screen(_: int) -> str:
        first = next(turn) * 41 % max(1, len(symbols) - _SCREEN)
        return ",".join(symbols[first : first + _SCREEN])

    questions: Mapping[str, tuple[Callable[[int], str], int]] = {
        "the list of all symbols": (lambda _: "symbols?limit=10000", 150),
        "the same, not changed (304)": (lambda _: "symbols?limit=10000", 150),
        "the list, searched and sorted": (lambda n: f"symbols?limit=500&sort=change_percent&q={chr(65 + n)}", 150),
        "all sessions of a symbol": (lambda n: f"bars/{another(n)}?range=all&mode=split", 100),
        "sparklines of a screen": (lambda n: f"sparks?symbols={screen(n)}", 100),
        "the shell": (lambda _: "", 100),
    }
    for question, (path, wanted) in questions.items():
        etag = question.endswith("(304)")
        base = f"{url}/api/" if path(0) else f"{url}/"
        seconds, size = _at_once(base, path, rounds, etag=etag)
        yield question, len(seconds), *(percentile(seconds, p) * 1000 for p in (50, 95)), wanted, size / 1000
        progress(f"{question}: done")


def _at_once(base: str, path: Callable[[int], str], rounds: int, *, etag: bool) -> tuple[Sequence[float], int]:
    """Return how long each answer took of rounds in which all readers ask at the same time, and its size in bytes."""
    together = threading.Barrier(READERS)
    seconds: list[float] = []
    sizes: list[int] = []

    def read(number: int) -> None:
        with requests.Session() as session:
            for _ in range(rounds + 1):
                address = base + path(number)
                together.wait()
                begun = time.perf_counter()
                answer = session.get(address, timeout=30, stream=True)
                body = answer.raw.read(decode_content=False)
                took = time.perf_counter() - begun
                answer.raise_for_status()
                if etag:
                    session.headers["If-None-Match"] = answer.headers["etag"]
                seconds.append(took)
                sizes.append(len(body))

    threads = [threading.Thread(target=read, args=(number,)) for number in range(READERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seconds[READERS:], sizes[-1]  # the first round only connects


def _memory(process: psutil.Process) -> list[tuple[str, float]]:
    """Return what the server has after all of that, and what the same imports take before anything is asked."""
    idle = "import psutil; from plugins.market.web import create_app; print(psutil.Process().memory_info().rss)"
    before, after = int(_output([sys.executable, "-c", idle], os.environ)), process.memory_info().rss
    return [("imported", before / 1e6), ("after all of the above", after / 1e6), ("grown by", (after - before) / 1e6)]


def _task(loads: int) -> Table:
    """Load plugins as a task's process does: with the folder of plugins that the API server has, and with its own."""
    rows = [
        (name, *_load(folder, loads)) for name, folder in (("as it is", None), ("with the folder", ROOT / "plugins"))
    ]
    return Table("What a task's process pays for plugins", ("process", "loads", "p50 (ms CPU)"), rows, _TASK_NOTE)


def _load(folder: Path | None, loads: int) -> tuple[int, float]:
    with tempfile.TemporaryDirectory(prefix="pipeline-page-") as home:
        environment = {**os.environ, "AIRFLOW_HOME": home, "PYTHONPATH": str(ROOT)}
        environment["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(folder or Path(home) / "plugins")
        command = [sys.executable, "-c", _LOAD]
        seen = [float(_output(command, environment).split()[-1]) for _ in range(loads)]
    return loads, percentile(seen, 50)


def _output(command: Sequence[str], environment: Mapping[str, str]) -> str:
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True).stdout


_COLUMNS: Final = ("question", "answers", "p50 (ms)", "p95 (ms)", "wanted (ms, p95)", "sent (kB)")
_ANSWERS_NOTE: Final = (
    f"{READERS} readers, each on a connection of its own, ask at the same time, wait for the slowest, and ask again; "
    "they, the server and PostgreSQL share the machine. The list is the same for all; of charts and sparklines each "
    "reader asks for others each time. Served by `make page`, so without Airflow's check of the login."
)
_MEMORY_NOTE: Final = "The rows of 10,000 symbols and up to 32 MB of kept answers; calendars are another process's."
_TASK_NOTE: Final = (
    "In the cluster the API server alone has the folder, so every other process is as it is. With the folder, the one "
    "file that Airflow would load imports nothing of the page."
)
