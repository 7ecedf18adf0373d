"""What is changed in Airflow's scheduler: each change against the code that it changes."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.models.taskinstance import TaskInstance

from workers.airflow_patches import scheduler as scheduler_patches


class Scheduler:
    """As much of a scheduler as its pause looks at."""

    def __init__(self) -> None:
        self._scheduler_idle_sleep_time = 1.0
        self.executors = [SimpleNamespace(running=set(), queued_tasks={})]

    def _do_scheduling(self, session: object) -> object:
        return session


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time (s) that the scheduler sees, and for how long it slept."""
    clock = SimpleNamespace(now=100.0, slept=[])
    monkeypatch.setattr(scheduler_patches.time, "monotonic", lambda: clock.now)

    def sleep(seconds: float) -> None:
        clock.now += seconds
        clock.slept.append(seconds)

    monkeypatch.setattr(scheduler_patches.time, "sleep", sleep)
    return clock


@pytest.mark.parametrize("made_before", [True, False])
def test_the_scheduler_looks_often_during_work(clock: SimpleNamespace, made_before: bool):
    """It pauses as configured where nothing is out, little after each change, and longer the longer it waits."""
    kind = type("Scheduler", (Scheduler,), {})
    if made_before:
        scheduler = kind()
    scheduler_patches.adaptive_idle_sleep(kind, 0.1)
    if not made_before:
        scheduler = kind()
    executor = scheduler.executors[0]
    pauses = [scheduler._scheduler_idle_sleep_time]
    for after_s, out in ((0, {"a"}), (0.5, {"a"}), (1, {"b"}), (9, {"b"}), (0, set())):
        clock.now += after_s
        executor.running = out
        pauses.append(scheduler._scheduler_idle_sleep_time)
    executor.queued_tasks = {"c": None}
    pauses.append(scheduler._scheduler_idle_sleep_time)
    assert pauses == [1.0, 0.1, 0.25, 0.1, 1.0, 1.0, 0.1]


def test_a_shorter_configured_pause_stays(clock: SimpleNamespace):
    """The setting stays the longest pause."""
    kind = type("Scheduler", (Scheduler,), {})
    scheduler_patches.adaptive_idle_sleep(kind, 0.1)
    scheduler = kind()
    scheduler._scheduler_idle_sleep_time = 0.05
    scheduler.executors[0].running = {"a"}
    assert scheduler._scheduler_idle_sleep_time == 0.05


def test_fan_out_is_looked_at_seldom(clock: SimpleNamespace):
    """With many tasks out a loop begins half a second after the last one; with fewer, or later, it begins at once."""
    kind = type("Scheduler", (Scheduler,), {})
    scheduler_patches.minimum_loop_interval(kind, 0.5, 3)
    scheduler = kind()
    (executor,) = scheduler.executors
    executor.running, executor.queued_tasks = {"a", "b"}, {"b": None}
    for _ in range(2):
        assert scheduler._do_scheduling("a session") == "a session"
    executor.queued_tasks = {"c": None}
    clock.now += 0.25
    scheduler._do_scheduling("a session")
    scheduler._do_scheduling(session="a session")
    clock.now += 0.5
    scheduler._do_scheduling("a session")
    assert clock.slept == [0.25, 0.5]


def test_airflows_scheduler_pauses_as_patched():
    """In the order in which a scheduler imports it is patched, and its loop does what is patched."""
    order = (
        "import airflow.cli.cli_parser, sys; from airflow.jobs.scheduler_job_runner import SchedulerJobRunner as runner"
    )
    order += "; assert 'workers.celery_config' not in sys.modules"
    order += "; import airflow.providers.celery.executors.celery_executor_utils"
    order += "; patched = runner._do_scheduling, runner._get_tis_stuck_in_queued"
    order += "; print(vars(runner)[sys.argv[1]], *(each.__module__ for each in patched))"
    setting = "_scheduler_idle_sleep_time"
    options = {"AIRFLOW__CELERY__CELERY_CONFIG_OPTIONS": "workers.celery_config.CELERY_CONFIG"}
    printed = subprocess.run(
        [sys.executable, "-c", order, setting], env=os.environ | options, capture_output=True, text=True, check=True
    )
    assert "<property object" in printed.stdout
    assert printed.stdout.split()[-2:] == ["workers.airflow_patches.scheduler"] * 2


def test_killed_tasks_are_retried_at_once():
    """What lost its heartbeat is due at once, whatever its retry delay; Airflow's own instance reckons so."""
    purged = []
    kind = type(
        "Runner",
        (),
        {
            "_purge_task_instances_without_heartbeats": lambda _, task_instances_without_heartbeats, *, session: (
                purged.append(session)
            )
        },
    )
    scheduler_patches.retry_after_kill(kind)
    instance = SimpleNamespace(end_date=datetime(2026, 1, 5, tzinfo=UTC), task=SimpleNamespace(retry_delay=300))
    kind()._purge_task_instances_without_heartbeats([instance], session="session")
    assert purged == ["session"]
    assert TaskInstance.next_retry_datetime(instance) == instance.end_date
