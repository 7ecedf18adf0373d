"""The Compose stack with docker-compose.scale.yml laid over it beside the plain one, in turns; needs Docker."""

import os
import secrets
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.cluster import Measurements, cpu, measure, throughput
from benchmarks.clusters import PERSON, Measured, Run, progress, symbols
from benchmarks.processes import Groups, watching
from benchmarks.tables import Table
from common.settings import PipelineSettings
from local.ports import free_port
from tests.support.stack import SCALE, Stack, fresh_clone

_STACKS: Final[Mapping[str, Sequence[str]]] = {"plain": (), "scaled": SCALE}
#: Up to a hundred symbols are a task each, more are batches.
_SIZES: Final = {"one symbol a task": 100, "batches": 3_000}
_TURNS: Final = 2
_PORTS: Final = ("AIRFLOW_PORT", "FLOWER_PORT", "POSTGRES_PORT", "REDIS_PORT", "SANDBOX_PORT")
_UNIVERSE: Final = "config/symbols/benchmark.txt"


@dataclass
class _Seen:
    """Runs by (stack, way); the load average before each; what the stack that waited took (% of a core) meanwhile."""

    runs: dict[tuple[str, str], list[Run]] = field(default_factory=lambda: defaultdict(list))
    loads: list[float] = field(default_factory=list)
    idle: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def run(*, quick: bool = False) -> list[Table]:
    """Start both stacks; run each size on the plain one, then on the scaled one, and again."""
    sizes, turns = ({"one symbol a task": 10}, 1) if quick else (_SIZES, _TURNS)
    _require_docker()
    seen = _Seen()
    with tempfile.TemporaryDirectory(prefix="pipeline-bench-") as folder, ExitStack() as started:
        stacks = {name: started.enter_context(_running(name, Path(folder))) for name in _STACKS}
        for way, size in [*sizes.items()] * turns:
            for name, other in (("plain", "scaled"), ("scaled", "plain")):
                seen.loads.append(os.getloadavg()[0])
                with watching(stacks[other].groups, every_s=3600) as waiting:
                    seen.runs[name, way] += measure(stacks[name], f"{name}, {way}", size, 1)
                seen.idle[other].append(100 * sum(waiting.cpu_s.values()) / waiting.seconds)
    return _tables(seen)


def _require_docker() -> None:
    """Raise SystemExit where no engine answers."""
    try:
        subprocess.run(["docker", "info"], capture_output=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        raise SystemExit("`docker info` does not answer: install Docker with Compose v2, or start its engine") from None


@contextmanager
def _running(name: str, folder: Path) -> Iterator[Measured]:
    """Run one of the stacks, with four workers and new volumes, warmed up by one small run."""
    clone = fresh_clone(folder / name)
    password = secrets.token_hex()
    universe = clone / _UNIVERSE
    universe.write_text("\n".join(symbols(8)), encoding="utf-8")
    stack = Stack(clone, f"pipelinebench{name}", files=_STACKS[name])
    ports = {port: str(free_port()) for port in _PORTS}
    stack.set_dotenv(**PERSON, **ports, STOCK_SYMBOLS=f"@{_UNIVERSE}", POSTGRES_PASSWORD=password, WORKER_REPLICAS="4")
    progress(f"stack: {name}")
    stack.down()  # what an interrupted run left
    try:
        stack.compose("build", "secrets", timeout_s=900)
        progress(f"{name}: healthy after {stack.up(timeout_s=900):.0f} s")
        containers = [container for container in stack.inspect() if container["State"]["Running"]]
        groups = Groups({container["State"]["Pid"]: _service(container) for container in containers})
        database_url = _database_url(stack, containers, password)
        settings = PipelineSettings.from_environment(
            {"SANDBOX_URL": f"http://127.0.0.1:{ports['SANDBOX_PORT']}", "MARKET_DATABASE_URL": database_url}
        )
        measured = Measured(stack.api, settings, database_url, groups, universe)
        stack.finish_run(stack.start_run())
        yield measured
    finally:
        stack.down()


def _service(container: Mapping[str, Any]) -> str:
    return str(container["Config"]["Labels"]["com.docker.compose.service"])


def _database_url(stack: Stack, containers: Sequence[Mapping[str, Any]], password: str) -> str:
    """Return the address that this machine, and only this machine, has into the stack's own network."""
    postgres = next(container for container in containers if _service(container) == "postgres")
    address = postgres["NetworkSettings"]["Networks"][f"{stack.name}_storage"]["IPAddress"]
    return f"postgresql://postgres:{password}@{address}/market_sandbox"


def _tables(seen: _Seen) -> list[Table]:
    runs: Measurements = {(f"{name}, {way}", done[0].symbols): done for (name, way), done in seen.runs.items()}
    setting = (
        "Four workers in both stacks: plain, of four slots; scaled, of 4 to 16, with two schedulers, two api-servers "
        "for tasks and a worker for plans and reports. Both were up all the time, and took turns: the one that waited "
        f"took {median(seen.idle['plain']):.0f} % of a core (plain) and {median(seen.idle['scaled']):.0f} % (scaled). "
        f"Load average of the machine before the runs: {min(seen.loads):.0f} to {max(seen.loads):.0f}"
    )
    return [throughput("The scaled stack beside the plain one", runs, setting), _ratios(seen.runs), cpu(runs)]


def _ratios(runs: Mapping[tuple[str, str], Sequence[Run]]) -> Table:
    """Compare each run of the scaled stack with the plain one's of the same turn."""
    rows: list[Sequence[str | float]] = []
    for way in dict.fromkeys(way for _, way in runs):
        pairs = list(zip(runs["scaled", way], runs["plain", way], strict=True))
        speeds = [scaled.symbols_a_second / plain.symbols_a_second for scaled, plain in pairs]
        costs = [scaled.cpu_ms_a_symbol / plain.cpu_ms_a_symbol for scaled, plain in pairs]
        rows.append((way, median(speeds), min(speeds), max(speeds), median(costs), min(costs), max(costs)))
    columns = ("way", "speed", "lowest", "highest", "CPU a symbol", "lowest", "highest")
    note = (
        "The scaled stack's figure divided by that of the plain one's run just before: median, lowest, highest. One "
        "machine: that api-servers, schedulers and workers may have cores of their own is not seen here. The engine's "
        "CPU and that of its health checks are not counted."
    )
    return Table("Scaled to plain", columns, rows, note)
