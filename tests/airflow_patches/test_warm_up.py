"""What a worker prepares before it forks: the DAG that its tasks then find parsed."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing import dagbag
from airflow.sdk.definitions.param import process_params

from workers.airflow_patches import warm_up

DAG = """
from airflow.sdk import DAG
with DAG("d{number}"):
    pass
"""


@pytest.fixture
def dag_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DAG's file; the class that parses it is put back afterwards."""
    monkeypatch.setattr(dagbag, "BundleDagBag", dagbag.BundleDagBag)
    file = tmp_path / "one_dag.py"
    file.write_text(DAG.format(number=1), encoding="utf-8")
    return file


def parse_once(file: Path) -> Any:
    bag = warm_up.parse(file, bundle_path=file.parent)
    warm_up.parse_once(file, bag)
    return bag


def parsed(file: Path) -> Any:
    return dagbag.BundleDagBag(dag_folder=str(file), bundle_path=file.parent, safe_mode=False)


def test_an_unchanged_dag_is_parsed_once(dag_file: Path):
    """The same file is not parsed again; an edited one is, and so is another one."""
    once = parse_once(dag_file)
    assert list(once.dags) == ["d1"]
    once.dags["d1"].description = "parsed before"
    assert [parsed(dag_file).dags["d1"].description for _ in range(2)] == ["parsed before"] * 2
    other = dag_file.with_name("another_dag.py")
    other.write_text(DAG.format(number=2), encoding="utf-8")
    assert list(parsed(other).dags) == ["d2"]
    dag_file.write_text(DAG.format(number=33), encoding="utf-8")
    assert list(parsed(dag_file).dags) == ["d33"]


def test_runs_leave_nothing_in_a_dag(dag_file: Path):
    """What one run was triggered with is not the default of the next one, whose task has the same process."""
    dag_file.write_text(DAG.format(number=1).replace('("d1"', '("d1", params={"symbols": None}'), encoding="utf-8")
    parse_once(dag_file)
    task = SimpleNamespace(params=None)
    seen = [
        process_params(parsed(dag_file).dags["d1"], task, conf, suppress_exception=False)
        for conf in ({"symbols": ["MINE"]}, None)
    ]
    assert seen == [{"symbols": ["MINE"]}, {"symbols": None}]


@pytest.mark.parametrize("content", ["raise ValueError('STOCK_SYMBOLS')", None])
def test_a_wrong_dag_is_never_kept(dag_file: Path, content: str | None):
    """A file that cannot be parsed, or is not there, changes nothing: the task says what is wrong."""
    shipped = dagbag.BundleDagBag
    if content is None:
        dag_file.unlink()
    else:
        dag_file.write_text(content, encoding="utf-8")
    parse_once(dag_file)
    assert dagbag.BundleDagBag is shipped
