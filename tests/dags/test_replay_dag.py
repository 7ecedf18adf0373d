"""The DAG that replays refused replies."""

from tests.dags.test_dags import FILES, load
from workers.airflow_replay import ReplayRefused


def test_a_person_starts_the_replay():
    """One task without a schedule, one run at a time; its form chooses what is replayed."""
    dag = load(next(path for path in FILES if path.stem == "stock_replay_dag"))["stock_replay"]
    (task,) = dag.tasks
    assert isinstance(task, ReplayRefused)
    assert (dag.schedule, dag.max_active_runs, dag.catchup) == (None, 1, False)
    assert dict(dag.params) == {"dataset": None, "reason": None, "dry_run": False}
