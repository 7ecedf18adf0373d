"""Results as tables with the machine and versions behind them: Markdown to read, JSON to compare."""

import json
import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

RESULTS: Final = Path(__file__).parent / "results"
_PACKAGES: Final = ("apache-airflow", "celery", "redis", "requests", "psycopg2-binary")


@dataclass(frozen=True)
class Table:
    """One table. ``columns`` name their units; ``note`` says how it was measured, and what it does not show."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | float]]
    note: str = ""
    measured: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC")

    def markdown(self) -> str:
        """Return it as Markdown, numbers to the right."""
        right = [all(isinstance(row[column], int | float) for row in self.rows) for column in range(len(self.columns))]
        lines = [_line(self.columns), _line("--:" if number else "---" for number in right)]
        lines += [_line(_shown(cell) for cell in row) for row in self.rows]
        return "\n".join([f"### {self.title}", "", *lines, "", *([self.note, ""] if self.note else [])])


def machine() -> dict[str, str]:
    """Return what the figures depend on: processor, cores, memory, Python and the packages."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{pages / 2**30:.0f} GiB",
        "system": platform.system(),
        "Python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES},
    }


def write(name: str, tables: Sequence[Table], folder: Path = RESULTS) -> None:
    """Write ``name``.md and ``name``.json into the folder."""
    folder.mkdir(exist_ok=True)
    about = machine()
    text = "\n".join(table.markdown() for table in tables)
    (folder / f"{name}.md").write_text(f"{_about(about)}\n\n{text}", encoding="utf-8")
    record = {"machine": about, "tables": [asdict(table) for table in tables]}
    (folder / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def middle(figures: Iterable[float]) -> float:
    """Return the median: what a busy moment of the machine adds to one run does not count."""
    return statistics.median(figures)


def _about(about: Mapping[str, str]) -> str:
    return "Measured with " + ", ".join(f"{name} {value}" for name, value in about.items()) + "."


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _shown(cell: str | float) -> str:
    if isinstance(cell, str):
        return cell
    return (
        f"{cell:,}" if isinstance(cell, int) else f"{cell:,.{0 if abs(cell) >= 100 else 1 if abs(cell) >= 10 else 2}f}"
    )
