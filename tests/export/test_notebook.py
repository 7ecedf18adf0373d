"""docs/notebook.ipynb runs from its first cell to its last, and holds nothing but its cells."""

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.market import Market

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "notebook.ipynb"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the kernel, which writes nothing into the home of whoever runs the tests."""
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    return tmp_path


def executed(market: Market, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Run the notebook in a folder; return what each of its cells shows, by the cell's id."""
    monkeypatch.setenv("READER_ADDRESS", market.reader.get_secret_value())
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(folder)}}).execute()
    return {cell["id"]: "".join(map(shown, cell.outputs)) for cell in notebook.cells if cell.cell_type == "code"}


def shown(output: Any) -> str:
    data = output.get("data", {})
    return data.get("text/html") or data.get("text/plain") or output["text"]


def test_the_notebook_runs(filled: Market, elsewhere: Path, monkeypatch: pytest.MonkeyPatch):
    """Each cell shows what it promises of three years of four symbols, and none shows the password."""
    outputs = executed(filled, elsewhere, monkeypatch)
    assert len(outputs) > 10
    assert filled.password not in "".join(outputs.values())
    for cell, said in {
        "quotes": "SPLIT7",
        "newest-split": "SPLIT7",
        "around": "0.2500|4.0000",
        "brought": r"[+-]\d+\.\d%",
        "gaps": "IBM",
        "findings": "spin_off",
        "quality": "half of the one before",
        "restated": "(?s)before.*now",
    }.items():
        assert re.search(said, outputs[cell]), cell


def test_the_notebook_without_data(market: Market, elsewhere: Path, monkeypatch: pytest.MonkeyPatch):
    """Before anything is stored it runs to its end too, and says what there is not."""
    outputs = executed(market, elsewhere, monkeypatch)
    assert "no split lies within the stored bars" in outputs["around"]
    assert "no stored bar was restated" in outputs["restated"]


def test_the_notebook_is_stripped():
    """No output, count or metadata of somebody's machine is committed, no absolute path, no address."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [(cell.outputs, cell.execution_count, dict(cell.metadata)) for cell in code] == [([], None, {})] * len(code)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert not re.search(r"""["' ](/\w|[A-Z]:\\|\w+://)""", NOTEBOOK.read_text("utf-8"))
