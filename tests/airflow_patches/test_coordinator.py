"""How Airflow's tasks come into a slot's kept process: which do, and what becomes of it when one ends."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from airflow.sdk import TaskInstanceState
from airflow.sdk.configuration import AirflowSDKConfigParser, conf
from airflow.sdk.execution_time import coordinator, supervisor

from workers.airflow_patches import coordinator as slots


@pytest.fixture
def routes(monkeypatch: pytest.MonkeyPatch) -> Iterator[AirflowSDKConfigParser]:
    """Airflow's configuration, in which no queue is routed; put back afterwards."""
    for name in ("coordinators", "queue_to_coordinator"):
        monkeypatch.delenv(f"AIRFLOW__SDK__{name.upper()}", raising=False)
    yield conf
    for name in ("coordinators", "queue_to_coordinator"):
        conf.remove_option("sdk", name, remove_default=False)


def test_fetches_are_routed_to_the_slot(routes: AirflowSDKConfigParser, monkeypatch: pytest.MonkeyPatch):
    """Airflow's own manager of coordinators finds ours for the fetch queue, whatever it is called, and for no other."""
    monkeypatch.setenv("FETCH_QUEUE", "fetch")
    slots.route_fetches(["stock_data_pipeline"])
    manager = coordinator.CoordinatorManager.from_config()
    assert isinstance(manager.for_queue("fetch"), slots.SlotCoordinator)
    assert not isinstance(manager.for_queue("default"), slots.SlotCoordinator)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TASKS_PER_PROCESS", "1"),
        ("TASKS_PER_PROCESS", "many"),  # the DAG processor says what is wrong
        ("AIRFLOW__SDK__QUEUE_TO_COORDINATOR", "{}"),
        ("AIRFLOW__CORE__DEFAULT_IMPERSONATION", "somebody"),
    ],
)
def test_each_task_may_have_its_process(
    routes: AirflowSDKConfigParser, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
):
    """With one task a process, or queues that a person routes, Airflow does as without the patch."""
    monkeypatch.setenv(variable, value)
    slots.route_fetches(["stock_data_pipeline"])
    assert not routes.has_option("sdk", "coordinators")


def test_without_a_dag_nothing_is_routed(routes: AirflowSDKConfigParser):
    """A DAG that could not be parsed is each task's own to parse, in a process of its own."""
    slots.route_fetches([])
    assert not routes.has_option("sdk", "queue_to_coordinator")


#: A mapped task of the pipeline's DAG.
OURS = SimpleNamespace(dag_id="ours", map_index=0)


class Ended:
    """A supervised task that has ended."""

    def __init__(self, code: int, state: str) -> None:
        self.code, self.final_state = code, state

    def wait(self) -> int:
        return self.code


class Slot(slots.SlotCoordinator):
    """One that notes what it does with its process."""

    def __init__(self) -> None:
        super().__init__(["ours"], tasks=5)
        self.retired = 0
        self._process = SimpleNamespace(retire=self.retire, take=self.take)

    def take(self) -> str:
        return "channels"

    def retire(self) -> None:
        self.retired += 1


@pytest.mark.parametrize(
    ("code", "state", "retired"),
    [(0, "success", 0), (0, TaskInstanceState.SKIPPED, 0), (0, "deferred", 0), (0, "failed", 1), (-9, "failed", 1)],
)
def test_a_bad_end_ends_the_process(monkeypatch: pytest.MonkeyPatch, code: int, state: str, retired: int):
    """Only what ended well leaves a process to the next task."""
    monkeypatch.setattr(slots, "supervise", lambda *_, **__: Ended(code, state))
    slot = Slot()
    result = slot.execute_task(what=OURS)
    assert (result.exit_code, result.final_state, slot.retired) == (code, state, retired)


@pytest.mark.parametrize("fails", ["supervise", "wait"])
def test_an_unwatched_task_ends_its_process(monkeypatch: pytest.MonkeyPatch, fails: str):
    """When the api-server refuses the start or cannot be told of the end, nobody knows where the task stands."""

    class Lost(Ended):
        def wait(self) -> int:
            raise ConnectionError("no api-server")

    def supervise(*_: object, **__: object) -> Lost:
        if fails == "supervise":
            raise ConnectionError("no api-server")
        return Lost(0, "success")

    monkeypatch.setattr(slots, "supervise", supervise)
    slot = Slot()
    with pytest.raises(ConnectionError):
        slot.execute_task(what=OURS)
    assert slot.retired == 1


@pytest.fixture
def forked_tasks(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The tasks that were started as Airflow does."""
    tasks = []

    def start(**how: object) -> Ended:
        tasks.append(how["what"])
        return Ended(0, "success")

    monkeypatch.setattr(supervisor.ActivitySubprocess, "start", start)
    return tasks


#: What Airflow tells a coordinator beside the task.
HOW = {"dag_rel_path": "x.py", "bundle_info": None, "client": None, "subprocess_logs_to_stdout": False}


@pytest.mark.parametrize("error", [ChildProcessError("it ends at once"), BlockingIOError("no process left")])
def test_without_a_kept_process_tasks_fork(
    error: OSError, caplog: pytest.LogCaptureFixture, forked_tasks: list[object]
):
    """A task is not lost to what keeps the process from serving: it runs as without the patch, and the log says why."""

    def fail() -> str:
        raise error

    slot = Slot()
    slot._process.take = fail
    assert slot.execute_task(what=OURS, **HOW).final_state == "success"
    assert forked_tasks == [OURS]
    assert str(error) in caplog.text


@pytest.mark.parametrize(("dag", "index"), [("theirs", 0), ("ours", -1), ("ours", None)])
def test_other_tasks_have_their_own_process(forked_tasks: list[object], dag: str, index: int | None):
    """Tasks of other DAGs, and those that a run has once, run as Airflow runs them."""
    task = SimpleNamespace(dag_id=dag, map_index=index)
    assert Slot().execute_task(what=task, **HOW).final_state == "success"
    assert forked_tasks == [task]
