"""What is changed in Airflow's supervisor: each change against the code that it changes."""

import os
import time
from collections.abc import Iterator
from types import SimpleNamespace

import psutil
import pytest
from airflow.sdk.execution_time.supervisor import ActivitySubprocess

from workers.airflow_patches import supervisor as supervisor_patches


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[ActivitySubprocess]]:
    """The supervisor that waits on its process, undone afterwards."""
    monkeypatch.setattr(ActivitySubprocess, "_service_subprocess", ActivitySubprocess._service_subprocess)
    supervisor_patches.wait_on_process(ActivitySubprocess)
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


def test_the_supervisor_waits_for_the_process(patched: type[ActivitySubprocess]):
    """Once the sockets are closed the wait ends with the process, and nothing is waited for on no socket."""
    task = Supervised(child(0.2))
    assert patched._service_subprocess(task, 30) == 3
    assert max(task.selector.waits) < 1


def test_a_living_process_is_left_alone(patched: type[ActivitySubprocess]):
    """A task whose sockets are closed but which works on is not taken for ended."""
    process = child(30)
    try:
        assert patched._service_subprocess(Supervised(process), 0.05) is None
    finally:
        process.kill()
        process.wait()


class Child:
    """As much of a supervised task as its heartbeat looks at. ``beats`` counts those that reach the api-server."""

    _send_heartbeat_if_needed = ActivitySubprocess._send_heartbeat_if_needed

    def __init__(self) -> None:
        self.beats = 0
        self.id = self.failed_heartbeats = 0
        self._last_heartbeat_attempt = 0.0
        self._terminal_state = None
        self._process = SimpleNamespace(pid=1)
        self.client = SimpleNamespace(task_instances=self)

    def heartbeat(self, *_: object, **__: object) -> None:
        self.beats += 1

    def _on_child_started(self, *, ti: str, **_: object) -> None:
        self._last_successful_heartbeat = time.monotonic()
        self.started = ti


@pytest.mark.parametrize("patch", [False, True])
def test_the_start_counts_as_a_heartbeat(patch: bool):
    """Unpatched, a task sends a heartbeat right after its start; with the patch it does so an interval later."""
    kind = type("Child", (Child,), {})
    if patch:
        supervisor_patches.count_start_as_heartbeat(kind)
    child = kind()
    child._on_child_started(ti="AAPL", dag_rel_path="x.py", bundle_info=None, sentry_integration="")
    assert child.started == "AAPL"
    child._send_heartbeat_if_needed()
    assert child.beats == (0 if patch else 1)
    child._last_heartbeat_attempt -= 3600
    child._send_heartbeat_if_needed()
    assert child.beats == (1 if patch else 2)
