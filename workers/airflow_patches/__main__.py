"""``python -m workers.airflow_patches --check``: which patches fit the installed Airflow, and what differs."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from difflib import unified_diff
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Column, Table

from common.command_line import run
from common.errors import ConfigurationError
from workers.airflow_patches import sources
from workers.airflow_patches.registry import PATCHES, WRITTEN_FOR, Patch, check_setting

_ADVICE: Final = """\
To see how they differ, unpack the packages that the patches were written for, and name the folder:
  pip install --no-deps --target FOLDER {packages}
  python -m workers.airflow_patches --check --against FOLDER"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what would be applied; return 1 where the source of a patch differs, 2 for a setting that is wrong."""
    options = _parser().parse_args(arguments)
    try:
        chosen = check_setting()
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    findings = [_finding(patch, patch.name in chosen) for patch in PATCHES]
    differing = {name: finding["sources"][name]["recorded"] for finding in findings for name in finding["differs"]}
    if options.json:
        installed = {package: version(package) for package in WRITTEN_FOR}
        text = {"installed": installed, "written_for": WRITTEN_FOR, "patches": findings}
        print(json.dumps(text, indent=2))
    else:
        _show(findings, differing, options.against)
    return 1 if differing else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workers.airflow_patches", description=__doc__)
    parser.add_argument("--check", action="store_true", help="check (what the command does in any case)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--against", type=Path, metavar="FOLDER", help="the packages that the patches were written for: shows a diff"
    )
    return parser


def _finding(patch: Patch, selected: bool) -> dict[str, Any]:
    """Return what is to be said of a patch: its fields, whether it is applied, and the sources that differ."""
    differs = patch.differences()
    state = "source differs" if differs else "applied" if selected else "not selected"
    present = sources.texts(patch.sources)
    return {
        "name": patch.name,
        "where": patch.where,
        "state": state,
        "gain": patch.gain,
        "reason": patch.reason,
        "upstream": patch.upstream,
        "sources": {
            target: {"recorded": recorded, "installed": sources.digest(present[target])}
            for target, recorded in patch.sources.items()
        },
        "differs": differs,
    }


def _show(findings: Sequence[Mapping[str, Any]], differing: Mapping[str, str], against: Path | None) -> None:
    console = Console(soft_wrap=True)
    for package, known in WRITTEN_FOR.items():
        console.print(
            f"{package} {version(package)} is installed; the patches were written for {known}.", highlight=False
        )
    table = Table(Column("patch", no_wrap=True), "where", "now", "gain", box=box.SIMPLE)
    for finding in findings:
        table.add_row(*(str(finding[column]) for column in ("name", "where", "state", "gain")))
    console.print(table)
    for line in _differences(differing, against):
        print(line)
    if differing and not against:
        packages = " ".join(f"{package}=={known}" for package, known in WRITTEN_FOR.items())
        print(_ADVICE.format(packages=packages))


def _differences(recorded: Mapping[str, str], against: Path | None) -> Iterator[str]:
    """Yield for each target its hashes, and a unified diff where the recorded text is to be had."""
    installed = sources.texts(recorded)
    earlier = sources.texts(recorded, against) if against else {}
    for target in recorded:
        yield f"{target}: recorded {recorded[target]}, installed {sources.digest(installed[target])}"
        if not against:
            continue
        if sources.digest(earlier[target]) != recorded[target]:
            yield f"  {against} has {sources.digest(earlier[target])}, which is not the recorded text either"
            continue
        before, now = ((text or "").splitlines() for text in (earlier[target], installed[target]))
        yield from unified_diff(before, now, "written for", "installed", lineterm="")


if __name__ == "__main__":
    run(main)
