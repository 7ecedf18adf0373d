"""A task in a slot's kept process, under Airflow's own supervisor."""

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
from uuid import uuid4

import pytest
import structlog
from airflow.sdk.execution_time import supervisor
from airflow.sdk.execution_time.supervisor import ActivitySubprocess
from airflow.sdk.log import logging_processors

from workers.airflow_patches import coordinator
from workers.airflow_patches.reused_process import KeptProcess

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


def test_airflows_supervisor_kills_a_hanging_task(slot: KeptProcess, tmp_path: Path):
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
