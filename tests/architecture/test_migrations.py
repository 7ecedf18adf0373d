"""The numbers of the migrations."""

from importlib import import_module

from common.database.migrations import HEAD
from tests.architecture.test_imports import ROOT


def test_migrations_are_numbered_without_gaps():
    """Each migration has the number that its file's name begins with, and follows the one before."""
    folder = ROOT / "common" / "database" / "migrations" / "versions"
    steps = [
        import_module(f"common.database.migrations.versions.{path.stem}") for path in sorted(folder.glob("[0-9]*.py"))
    ]
    numbers = [f"{number:04}" for number in range(1, len(steps) + 1)]
    assert [(step.__name__.rpartition(".")[2][:4], step.revision) for step in steps] == [(n, n) for n in numbers]
    assert [step.down_revision for step in steps] == [None, *numbers[:-1]]
    assert numbers[-1] == HEAD
