"""The Celery side: what monitors see, and what a worker prepares before it forks."""

import json
import signal
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from airflow.sdk import TaskInstanceState
from airflow.sdk.configuration import AirflowSDKConfigParser, conf
from airflow.sdk.execution_time import comms, coordinator, supervisor

from workers import celery_config

TOKEN = "eyJhbGciOiJIUzUxMiJ9.marked.token"


def published(body: object) -> dict[str, object]:
    headers: dict[str, object] = {"argsrepr": f"('{body}',)", "kwargsrepr": "{}", "task": "execute_workload"}
    celery_config.redact_arguments(headers=headers, body=body)
    return headers


@pytest.mark.parametrize(
    ("index", "shown"),
    [
        (-1, "(run_id='manual__1', try_number=2)"),
        (0, "(run_id='manual__1', map_index=0, try_number=2)"),
        (7, "(run_id='manual__1', map_index=7, try_number=2)"),
    ],
)
def test_a_workload_is_named_without_token(index: int, shown: str):
    """Monitors see DAG and task as the name, the map index among the arguments, and the bearer token nowhere."""
    instance = {"dag_id": "stock_data_pipeline", "task_id": "plan", "run_id": "manual__1", "try_number": 2}
    body = ([json.dumps({"token": TOKEN, "ti": instance | {"map_index": index}})], {}, {})
    headers = published(body)
    assert headers["shadow"] == "stock_data_pipeline.plan"
    assert headers["argsrepr"] == shown
    assert TOKEN not in str(headers)
    assert TOKEN in body[0][0]


def test_sixty_map_indexes_share_one_name():
    """Flower keeps series for each name that it sees, so a fan-out adds one name, however wide it is."""
    instance = {"dag_id": "stock_data_pipeline", "task_id": "fetch_and_store"}
    bodies = [([json.dumps({"ti": instance | {"map_index": index}})], {}, {}) for index in range(60)]
    assert {published(body)["shadow"] for body in bodies} == {"stock_data_pipeline.fetch_and_store"}


@pytest.mark.parametrize("body", [None, (), ([],), (["no json"], {}, {}), (['{"token": "x"}'], {}, {}), ([7], {}, {})])
def test_another_message_is_hidden_all_the_same(body: object):
    """A message that is no workload of a DAG gets a plain name and shows no argument."""
    headers = published(body)
    assert (headers["shadow"], headers["kwargsrepr"]) == ("workload", "{}")
    assert "token" not in str(headers["argsrepr"])


def test_no_event_shows_the_arguments_before_redaction():
    """The events that Flower draws from are on; the one that is made before redaction is off."""
    assert celery_config.CELERY_CONFIG["worker_send_task_events"] is True
    assert celery_config.CELERY_CONFIG["task_send_sent_event"] is False


def test_a_pool_process_reaps_its_children():
    """The handler for ended children is the system's own again."""
    kept = signal.signal(signal.SIGCHLD, lambda *_: None)
    try:
        celery_config.reset_child_signals()
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGCHLD, kept)


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> dict[object, object]:
    """What patch_airflow() replaces, put back afterwards."""
    kept = {}
    for owner, name in PATCHED:
        kept[owner, name] = getattr(owner, name)
        monkeypatch.setattr(owner, name, kept[owner, name])
    monkeypatch.setattr(supervisor, celery_config._MARK, False, raising=False)
    return kept


PATCHED = (
    (supervisor.ActivitySubprocess, "_service_subprocess"),
    (supervisor.ActivitySubprocess, "_on_child_started"),
    (comms, "TypeAdapter"),
)


def now() -> dict[object, object]:
    return {(owner, name): getattr(owner, name) for owner, name in PATCHED}


def test_the_patches_are_applied_once(shipped: dict[object, object]):
    """The first call replaces what Airflow ships, a second call changes nothing."""
    assert celery_config.patch_airflow()
    once = now()
    assert all(once[key] is not shipped[key] for key in shipped)
    assert celery_config.patch_airflow()
    assert now() == once


def test_another_airflow_is_left_as_it_is(
    shipped: dict[object, object], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """A version that nobody has looked at runs as it was shipped, and the log says so."""
    monkeypatch.setattr(celery_config, "airflow_version", "9.9.9")
    assert celery_config.patch_airflow() is False
    assert now() == shipped
    assert "Airflow 9.9.9 is not 3.3.2" in caplog.text


def test_a_worker_is_watched_whatever_else_fails(monkeypatch: pytest.MonkeyPatch):
    """A module that cannot be imported leaves a worker that is slower, and not one without its health check."""
    monkeypatch.setattr(celery_config, "PRELOADED", ("airflow.renamed",))
    worker = SimpleNamespace(app=SimpleNamespace(steps={"consumer": set()}))
    with pytest.raises(ModuleNotFoundError, match="renamed"):
        celery_config.prepare_worker(sender=worker)
    assert [step.__name__ for step in worker.app.steps["consumer"]] == ["Heartbeat"]


def test_a_dag_that_cannot_be_rehearsed_stops_no_worker(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """What is wrong with the DAG's folder is logged, and the worker starts."""

    def fail(*_: object, **__: object) -> None:
        raise OSError("the folder is away")

    monkeypatch.setattr(celery_config.supervisor_patches, "parse_once", fail)
    celery_config.rehearse()
    assert "stock_data_dag.py could not be rehearsed" in caplog.text
    assert "the folder is away" in caplog.text


def test_the_locked_airflow_is_the_one_that_is_patched():
    """Whoever upgrades Airflow must look at the patches again."""
    from airflow import __version__

    assert __version__ == celery_config.PATCHED_AIRFLOW


@pytest.fixture
def routes(monkeypatch: pytest.MonkeyPatch) -> Iterator[AirflowSDKConfigParser]:
    """Airflow's configuration, in which no queue is routed; put back afterwards."""
    for name in ("coordinators", "queue_to_coordinator"):
        monkeypatch.delenv(f"AIRFLOW__SDK__{name.upper()}", raising=False)
    yield conf
    for name in ("coordinators", "queue_to_coordinator"):
        conf.remove_option("sdk", name, remove_default=False)


def test_the_fetch_queue_is_routed_to_the_slots_process(
    routes: AirflowSDKConfigParser, monkeypatch: pytest.MonkeyPatch
):
    """Airflow's own manager of coordinators finds ours for the fetch queue, whatever it is called, and for no other."""
    monkeypatch.setenv("FETCH_QUEUE", "fetch")
    celery_config.keep_processes(["stock_data_pipeline"])
    manager = coordinator.CoordinatorManager.from_config()
    assert isinstance(manager.for_queue("fetch"), celery_config.SlotCoordinator)
    assert not isinstance(manager.for_queue("default"), celery_config.SlotCoordinator)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TASKS_PER_PROCESS", "1"),
        ("TASKS_PER_PROCESS", "many"),  # the DAG processor says what is wrong
        ("AIRFLOW__SDK__QUEUE_TO_COORDINATOR", "{}"),
        ("AIRFLOW__CORE__DEFAULT_IMPERSONATION", "somebody"),
    ],
)
def test_who_wants_a_process_for_each_task_has_it(
    routes: AirflowSDKConfigParser, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
):
    """With one task a process, or queues that a person routes, Airflow does as shipped."""
    monkeypatch.setenv(variable, value)
    celery_config.keep_processes(["stock_data_pipeline"])
    assert not routes.has_option("sdk", "coordinators")


def test_without_a_dag_nothing_is_routed(routes: AirflowSDKConfigParser):
    """A DAG that could not be rehearsed is each task's own to parse, in a process of its own."""
    celery_config.keep_processes([])
    assert not routes.has_option("sdk", "queue_to_coordinator")


#: A mapped task of the pipeline's DAG.
OURS = SimpleNamespace(dag_id="ours", map_index=0)


class Ended:
    """A supervised task that has ended."""

    def __init__(self, code: int, state: str) -> None:
        self.code, self.final_state = code, state

    def wait(self) -> int:
        return self.code


class Slot(celery_config.SlotCoordinator):
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
def test_a_task_that_ended_badly_takes_its_process_along(
    monkeypatch: pytest.MonkeyPatch, code: int, state: str, retired: int
):
    """Only what ended well leaves a process to the next task."""
    monkeypatch.setattr(celery_config.supervisor_patches, "supervise", lambda *_, **__: Ended(code, state))
    slot = Slot()
    result = slot.execute_task(what=OURS)
    assert (result.exit_code, result.final_state, slot.retired) == (code, state, retired)


@pytest.mark.parametrize("fails", ["supervise", "wait"])
def test_a_task_that_cannot_be_watched_takes_its_process_along(monkeypatch: pytest.MonkeyPatch, fails: str):
    """When the api-server refuses the start or cannot be told of the end, nobody knows where the task stands."""

    class Lost(Ended):
        def wait(self) -> int:
            raise ConnectionError("no api-server")

    def supervise(*_: object, **__: object) -> Lost:
        if fails == "supervise":
            raise ConnectionError("no api-server")
        return Lost(0, "success")

    monkeypatch.setattr(celery_config.supervisor_patches, "supervise", supervise)
    slot = Slot()
    with pytest.raises(ConnectionError):
        slot.execute_task(what=OURS)
    assert slot.retired == 1


@pytest.fixture
def shipped_tasks(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The tasks that were started as Airflow ships it."""
    tasks = []

    def start(**how: object) -> Ended:
        tasks.append(how["what"])
        return Ended(0, "success")

    monkeypatch.setattr(supervisor.ActivitySubprocess, "start", start)
    return tasks


#: What Airflow tells a coordinator beside the task.
HOW = {"dag_rel_path": "x.py", "bundle_info": None, "client": None, "subprocess_logs_to_stdout": False}


@pytest.mark.parametrize("error", [ChildProcessError("it ends at once"), BlockingIOError("no process left")])
def test_where_no_process_can_be_kept_a_task_has_its_own(
    error: OSError, caplog: pytest.LogCaptureFixture, shipped_tasks: list[object]
):
    """A task is not lost to what keeps the process from serving: it runs as shipped, and the log says why."""

    def fail() -> str:
        raise error

    slot = Slot()
    slot._process.take = fail
    assert slot.execute_task(what=OURS, **HOW).final_state == "success"
    assert shipped_tasks == [OURS]
    assert str(error) in caplog.text


@pytest.mark.parametrize(("dag", "index"), [("theirs", 0), ("ours", -1), ("ours", None)])
def test_other_tasks_have_a_process_of_their_own(shipped_tasks: list[object], dag: str, index: int | None):
    """Tasks of other DAGs, and those that a run has once, run as Airflow ships it."""
    task = SimpleNamespace(dag_id=dag, map_index=index)
    assert Slot().execute_task(what=task, **HOW).final_state == "success"
    assert shipped_tasks == [task]
