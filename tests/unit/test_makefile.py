"""What a person gives to make is data: neither make nor a shell reads it as anything else."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import missing

ROOT = Path(__file__).resolve().parents[2]
#: Notes its arguments, each ended by NUL.
STUB = '#!/bin/sh\nprintf "%s\\0" "$@" >>"{notes}"\n'
NASTY = [
    "plain",
    "two words",
    "it's",
    'say "hello"',
    "$(touch canary)",
    "$(shell touch canary)",
    "${HOME}$HOME$$",
    "`touch canary`",
    "; touch canary #",
    "' ; touch canary ; '",
    '" ; touch canary ; "',
    "&& touch canary || true",
    "> canary",
    "IBM\ntouch canary",
    "back\\slash\\",
    "100%",
    "*",
    "-x",
    "Größe",
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with our Makefile, and programs that only note how they are called."""
    if not shutil.which("make"):
        missing("make is not installed")
    shutil.copy(ROOT / "Makefile", tmp_path)
    for program in (".venv/bin/python", ".venv/bin/uv", "config/container/backup", "my python$(x)'s"):
        path = tmp_path / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(STUB.format(notes=tmp_path / "notes"), encoding="utf-8")
        path.chmod(0o755)
    return tmp_path


def called(checkout: Path, *words: str, **environment: str) -> list[str]:
    """Run make; return the arguments of the programs that it called, one after another."""
    notes = checkout / "notes"
    notes.unlink(missing_ok=True)
    given = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHON": "true", **environment}
    done = subprocess.run(["make", "-s", *words], cwd=checkout, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in checkout.iterdir() if "canary" in path.name) == []
    return notes.read_text("utf-8").split("\0")[:-1]


@pytest.mark.parametrize("value", NASTY)
def test_what_is_given_is_data(checkout: Path, value: str):
    """Each variable arrives as it was written, from the command line and from the environment, and runs nothing."""
    targets = ["trigger", "up", "logs", "backup", "bench"]
    names = ["SYMBOLS", "WORKERS", "MONITORING", "PROCESS", "BACKUP", "WHAT"]
    local = ["-m", "local"]
    expected = [
        *local,
        "trigger",
        f"--symbols={value}",
        *local,
        "up",
        f"--workers={value}",
        f"--monitoring={value}",
        *local,
        "logs",
        "--",
        value,
    ]
    expected += ["dump", value, "pip", "install", "--quiet", "--require-hashes", "-r", "requirements-bench.lock"]
    expected += ["-m", "benchmarks", *value.split()]
    assert called(checkout, *targets, *(f"{name}={value}" for name in names)) == expected
    assert called(checkout, *targets, **dict.fromkeys(names, value)) == expected


def test_a_python_may_have_any_path(checkout: Path):
    """The Python that is named makes the environment, whatever its path looks like."""
    path = checkout / "my python$(x)'s"
    assert called(checkout, "venv", f"PYTHON={path}") == ["local/install.py", "--this-python"]
    assert called(checkout, "venv", PYTHON=str(path)) == ["local/install.py"]


def test_defaults_stand_where_nothing_is_given(checkout: Path):
    """Without variables there are two workers, all logs, and the symbols of the settings."""
    assert called(checkout, "up") == ["-m", "local", "up", "--workers=2", "--monitoring="]
    assert called(checkout, "logs") == ["-m", "local", "logs", "--", "*"]
    assert called(checkout, "trigger") == ["-m", "local", "trigger", "--symbols="]
