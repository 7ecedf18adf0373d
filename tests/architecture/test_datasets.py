"""What adding a dataset costs: its own five files, and the places that docs/adr/0017-one-dataset-one-file.md names."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.datasets import DATASETS, NAMES
from common.values import Symbol
from sandbox.functions import FUNCTIONS
from tests.architecture.test_imports import ROOT, files, imports
from workers.pipeline.feeds import DAGS, OTHERS

#: Where a run chooses by the settings what its first two feeds ask for; and the quote's row is shown to a person.
CHOOSE = {"workers/wiring.py", "workers/pipeline/feeds.py", "workers/commands.py"}
MIGRATIONS = "".join((ROOT / name).read_text("utf-8") for name in files("common/database/migrations/versions"))


def texts(path: Path) -> Iterator[str]:
    """Yield each text that the file's code holds: a docstring is none that could be a name."""
    yield from (
        node.value
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def naming(dataset: str, *folders: str) -> list[str]:
    """Return the files that name the dataset, as a text or by importing its module."""
    return [
        name
        for name in files(*folders)
        if dataset in texts(ROOT / name) or f"common.datasets.{dataset}" in imports(ROOT / name)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_dataset_is_its_modules(name: str):
    """The registry's line is the name of the module, of the constant in it, and of the dataset for the ledger."""
    assert DATASETS[name].name == name
    assert (ROOT / "common" / "datasets" / f"{name}.py").exists()


@pytest.mark.parametrize("name", NAMES)
def test_a_run_takes_any_dataset(name: str):
    """In workers/ no step of a run names a dataset: only what chooses by the settings does."""
    assert set(naming(name, "workers")) <= CHOOSE


@pytest.mark.parametrize("name", OTHERS)
def test_two_registries_name_a_dataset(name: str):
    """A dataset with a feed of its own is named by its line in common/, its function by its line in the sandbox."""
    assert naming(name, "workers", "dags", "local") == []
    by_name = [file for file in files("common") if name in texts(ROOT / file)]
    assert by_name == ["common/datasets/__init__.py", f"common/datasets/{name}.py"]
    function = DATASETS[name].request(Symbol("IBM")).function
    assert [file for file in files("sandbox") if function in texts(ROOT / file)] == ["sandbox/functions/__init__.py"]
    assert FUNCTIONS[function].__module__ == f"sandbox.functions.{name}"


@pytest.mark.parametrize("name", OTHERS)
def test_a_dataset_has_its_five_files(name: str):
    """Beside the dataset and the sandbox's function: a migration for its tables, a test, and a recorded reply."""
    assert [table.name for table in DATASETS[name].tables if f"CREATE TABLE {table.name} (" not in MIGRATIONS] == []
    assert (ROOT / "tests" / "datasets" / f"test_{name}.py").exists()
    assert (ROOT / "tests" / "contract" / "recordings" / f"{name}.json").exists()


def test_each_dataset_is_fed():
    """Each has a feed, its own or one of the first two, so that no dataset is stored only by hand."""
    first, second, *others = DAGS
    assert (first, second) == ("quotes", "history")
    assert tuple(others) == OTHERS
    assert set(NAMES) - set(OTHERS) == {"quotes", "daily_bars", "full_history"}
