"""The DAG of the list of companies."""

import pytest

from tests.dags.test_dags import FILES, load
from workers.airflow_universe import RenewListings

FILE = next(path for path in FILES if path.stem == "stock_universe_dag")


def test_the_list_comes_weekly():
    """One task, once a week, one run at a time; its form accepts a list that shrank."""
    dag = load(FILE)["stock_universe"]
    (task,) = dag.tasks
    assert isinstance(task, RenewListings)
    assert (dag.dag_id, dag.max_active_runs, dag.catchup, set(dag.params)) == ("stock_universe", 1, False, {"accept"})
    assert dag.timetable.expression == "0 5 * * 0"
    assert task.retries == 3


@pytest.mark.parametrize(("schedule", "kind"), [("none", "NullTimetable"), ("6h", "CronTriggerTimetable")])
def test_without_a_schedule_nothing_comes(monkeypatch: pytest.MonkeyPatch, schedule: str, kind: str):
    """Where STOCK_SCHEDULE lets no DAG run by itself this one does not either; any other leaves it weekly."""
    monkeypatch.setenv("STOCK_SCHEDULE", schedule)
    assert type(load(FILE)["stock_universe"].timetable).__name__ == kind
