"""What is changed in Airflow's supervisor: each change against the code that it changes."""

import json
import logging
import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import psutil
import pytest
import structlog
from airflow.dag_processing import dagbag
from airflow.sdk.definitions.param import process_params
from airflow.sdk.execution_time import supervisor
from airflow.sdk.execution_time.supervisor import ActivitySubprocess
from airflow.sdk.log import logging_processors

from workers.airflow_patches import coordinator, warm_up
from workers.airflow_patches import supervisor as supervisor_patches
from workers.airflow_patches.reused_process import KeptProcess


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


def test_a_dag_is_parsed_once_while_it_stays_as_it_is(dag_file: Path):
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


def test_a_run_leaves_nothing_in_the_dag(dag_file: Path):
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
def test_a_dag_with_an_error_is_parsed_by_its_task(dag_file: Path, content: str | None):
    """A file that cannot be parsed, or is not there, changes nothing: the task says what is wrong."""
    shipped = dagbag.BundleDagBag
    if content is None:
        dag_file.unlink()
    else:
        dag_file.write_text(content, encoding="utf-8")
    parse_once(dag_file)
    assert dagbag.BundleDagBag is shipped


LEFT_BEHIND = "AIRFLOW_CTX_LOGICAL_DATE"


def perform() -> None:
    """Do what the test sends, in place of Airflow's task runner; the requests end with the task, as there."""
    with socket.socket(fileno=0) as requests:
        exec(requests.recv(4096), {"os": os, "signal": signal, "time": time, "logging": logging})


@pytest.fixture
def slot(monkeypatch: pytest.MonkeyPatch) -> Iterator[KeptProcess]:
    """A kept process with all that Airflow prepares in a task's process."""
    monkeypatch.setattr(supervisor, "_subprocess_main", perform)
    monkeypatch.setattr(ActivitySubprocess, "_on_child_started", lambda *_, **__: None)
    monkeypatch.setattr(ActivitySubprocess, "update_task_state_if_needed", lambda _: None)
    monkeypatch.setattr(ActivitySubprocess, "_send_heartbeat_if_needed", lambda _: None)
    kept = KeptProcess(lambda control: coordinator.serve_tasks(control, idle=lambda: None), tasks=9)
    yield kept
    kept.retire()


@dataclass
class Log:
    """A task's log, a file as Airflow writes it."""

    path: Path

    @property
    def events(self) -> list[tuple[str, str]]:
        """What was logged: the logger and the event."""
        lines = map(json.loads, self.path.read_text("utf-8").splitlines())
        return sorted((line["logger"], line["event"]) for line in lines)


def begin(kept: KeptProcess, code: str, log: Path) -> tuple[ActivitySubprocess, Log]:
    """Let the kept process run ``code`` as a task, under Airflow's own supervisor."""
    underlying = structlog.BytesLogger(log.open("ab"))
    logger = structlog.wrap_logger(underlying, processors=logging_processors(json_output=True), logger_name="task")
    how = {"dag_rel_path": "x.py", "bundle_info": None, "client": None, "logger": logger.bind()}
    task = coordinator.supervise(kept, kept.take(), SimpleNamespace(id=uuid4()), **how)
    task.stdin.sendall(code.encode())
    return task, Log(log)


def test_airflows_supervisor_watches_a_kept_process(slot: KeptProcess, tmp_path: Path):
    """It sees each task's end and writes each task's own log; Airflow's variables end with the task."""
    pids = set()
    for number in (1, 2):
        code = f"print('out {number}'); logging.getLogger('x').warning('log {number}')"
        code += f"; assert not os.environ.get('{LEFT_BEHIND}'); os.environ['{LEFT_BEHIND}'] = 'today'"
        task, log = begin(slot, code, tmp_path / str(number))
        assert (task.wait(), task.final_state) == (0, "success")
        assert log.events == [("task.stdout", f"out {number}"), ("x", f"log {number}")]
        pids.add(task.pid)
    assert len(pids) == 1


def test_airflows_supervisor_kills_a_task_that_hangs(slot: KeptProcess, tmp_path: Path):
    """A task that heeds no gentler signal is killed; the next one runs in a new process."""
    code = "[signal.signal(s, signal.SIG_IGN) for s in (signal.SIGINT, signal.SIGTERM)]; print('deaf', flush=True)"
    task, log = begin(slot, f"{code}; time.sleep(60)", tmp_path / "deaf")
    while not log.events:
        task._service_subprocess(5)
    task.kill(signal.SIGTERM, escalation_delay=0.2, force=True)
    assert task._exit_code == -signal.SIGKILL
    assert task.final_state == "failed"
    after, _ = begin(slot, "pass", tmp_path / "after")
    assert after.wait() == 0
    assert after.pid != task.pid
