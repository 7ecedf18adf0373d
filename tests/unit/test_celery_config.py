"""The Celery side: what monitors see, and the wait that is taken out of each task's end."""

import json
import os
import signal
import time
from collections.abc import Iterator

import psutil
import pytest
from airflow.sdk.execution_time.supervisor import ActivitySubprocess

from workers import celery_config

TOKEN = "eyJhbGciOiJIUzUxMiJ9.marked.token"


def published(body: object) -> dict[str, object]:
    headers: dict[str, object] = {"argsrepr": f"('{body}',)", "kwargsrepr": "{}", "task": "execute_workload"}
    celery_config.redact_arguments(headers=headers, body=body)
    return headers


@pytest.mark.parametrize(
    ("index", "name"),
    [(-1, "stock_data_pipeline.plan"), (7, "stock_data_pipeline.plan[7]"), (0, "stock_data_pipeline.plan[0]")],
)
def test_a_workload_is_named_and_its_token_hidden(index: int, name: str):
    """Monitors see DAG, task and map index; the bearer token is in no header, and the body stays as it was."""
    workload = {"token": TOKEN, "ti": {"dag_id": "stock_data_pipeline", "task_id": "plan", "map_index": index}}
    body = ([json.dumps(workload)], {}, {})
    headers = published(body)
    assert headers["shadow"] == name
    assert name in str(headers["argsrepr"])
    assert TOKEN not in str(headers)
    assert TOKEN in body[0][0]


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
def patched(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[ActivitySubprocess]]:
    """The supervisor with the patch, undone afterwards."""
    monkeypatch.setattr(ActivitySubprocess, "_service_subprocess", ActivitySubprocess._service_subprocess)
    assert celery_config.patch_supervisor_wait()
    return ActivitySubprocess


class Selector:
    """A selector with nothing registered, which notes how long it was asked to wait."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def get_map(self) -> dict[int, object]:
        return {}

    def select(self, timeout: float) -> list[object]:
        self.waits.append(timeout)
        return []


class Supervised:
    """As much of a supervised task as the wait looks at: a real process, and no socket left."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._process.TimeoutExpired = psutil.TimeoutExpired  # type: ignore[attr-defined]
        self._exit_code: int | None = None
        self.selector = Selector()

    def _check_subprocess_exit(self, **_: object) -> int | None:
        try:
            self._exit_code = self._process.wait(timeout=0)
        except psutil.TimeoutExpired:
            return None
        return self._exit_code


def child(lives_s: float) -> psutil.Process:
    pid = os.fork()
    if pid == 0:
        time.sleep(lives_s)
        os._exit(3)
    return psutil.Process(pid)


def test_the_supervisor_waits_for_the_process_itself(patched: type[ActivitySubprocess]):
    """Once the sockets are closed the wait ends with the process, and nothing is waited for on no socket."""
    task = Supervised(child(0.2))
    assert patched._service_subprocess(task, 30) == 3
    assert max(task.selector.waits) < 1


def test_a_process_that_lives_on_is_left_alone(patched: type[ActivitySubprocess]):
    """A task whose sockets are closed but which works on is not taken for ended."""
    process = child(30)
    try:
        assert patched._service_subprocess(Supervised(process), 0.05) is None
    finally:
        process.kill()
        process.wait()


def test_the_patch_is_applied_once(patched: type[ActivitySubprocess]):
    """A second call changes nothing."""
    once = patched._service_subprocess
    assert celery_config.patch_supervisor_wait()
    assert patched._service_subprocess is once


def test_another_airflow_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch):
    """A version that nobody has looked at runs as it was shipped, and the log says so."""
    monkeypatch.setattr(celery_config, "airflow_version", "9.9.9")
    shipped = ActivitySubprocess._service_subprocess
    assert celery_config.patch_supervisor_wait() is False
    assert ActivitySubprocess._service_subprocess is shipped


def test_the_locked_airflow_is_the_one_that_is_patched():
    """Whoever upgrades Airflow must look at the patch again."""
    from airflow import __version__

    assert __version__ == celery_config.PATCHED_AIRFLOW
