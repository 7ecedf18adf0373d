"""Celery, where it takes code: names in monitors, no token in them, signals. Its settings are in config/airflow.env.

Airflow reads ``CELERY_CONFIG`` from here (``[celery] celery_config_options``) in the scheduler, in every worker and
in Flower; importing this module also connects the signal handlers below, and patches the scheduler where this is one.
"""

import json
import signal
import sys
from pathlib import Path
from typing import Any, Final

from airflow.configuration import AIRFLOW_HOME
from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG
from celery.signals import before_task_publish, worker_init, worker_process_init

from common.errors import ConfigurationError
from common.parent_death import end_with_parent
from workers import airflow_patches, celery_health

CELERY_CONFIG: Final[dict[str, Any]] = {
    **DEFAULT_CELERY_CONFIG,
    # Flower draws its pages from these events; a task's start and end cost one small message each.
    "worker_send_task_events": True,
    # The event "task-sent" would show the arguments as they were before redact_arguments().
    "task_send_sent_event": False,
    # A worker that lost its broker cancels nothing: the ledger makes a second run of a task harmless.
    "worker_cancel_long_running_tasks_on_connection_loss": False,
}

#: The map index of a task that is not mapped.
_NOT_MAPPED: Final = -1


def patch_scheduler() -> None:
    """Patch the scheduler where this is one: it has imported itself by then, and reads this before its first loop.

    Raises SystemExit with one sentence for a value of AIRFLOW_PATCHES that names no patch, in whatever process.
    """
    try:
        airflow_patches.check_setting()
        if "airflow.jobs.scheduler_job_runner" in sys.modules:
            airflow_patches.install("scheduler")
    except ConfigurationError as error:
        raise SystemExit(str(error)) from None


patch_scheduler()


@before_task_publish.connect  # type: ignore[untyped-decorator]  # Celery has no types
def redact_arguments(headers: dict[str, Any], body: object, **_: object) -> None:
    """Name a workload readably and keep its token out of what monitors see.

    Airflow's workload carries a bearer token. Celery copies the arguments into the header ``argsrepr``, which
    every event, Flower's pages and its database repeat. The message's body stays as it is: the worker needs it.
    """
    headers["shadow"], headers["argsrepr"] = _shown(body)
    headers["kwargsrepr"] = "{}"


def _shown(body: object) -> tuple[str, str]:
    """Return what monitors show of a workload, its name and its arguments; plain words where it is no task of a DAG.

    Flower makes series of its metrics for each name, so the name has no map index: a run of 60 symbols made 1,700.
    """
    try:
        instance = json.loads(body[0][0])["ti"]  # type: ignore[index]  # Celery's body: (args, kwargs, embedded)
        name = f"{instance['dag_id']}.{instance['task_id']}"
    except (LookupError, TypeError, ValueError):
        return "workload", "()"
    fields = {field: instance.get(field) for field in ("run_id", "map_index", "try_number")}
    if fields["map_index"] == _NOT_MAPPED:
        del fields["map_index"]
    return name, "(" + ", ".join(f"{field}={value!r}" for field, value in fields.items()) + ")"


@worker_init.connect  # type: ignore[untyped-decorator]  # Celery has no types
def prepare_worker(sender: object, **_: object) -> None:
    """Before the pool forks: watch the consumer, and import and prepare what every task needs.

    The watch first: Celery logs what else fails here and goes on.
    """
    from celery.bootsteps import StartStopStep  # noqa: PLC0415  only workers need it
    from celery.worker import state  # noqa: PLC0415  only workers need it

    celery_health.watch(sender, StartStopStep, celery_health.Heartbeat(Path(AIRFLOW_HOME), state))
    from workers.airflow_patches import warm_up  # noqa: PLC0415  same; it imports Airflow's private parts, so after

    warm_up.preload()
    airflow_patches.install("worker")


@worker_process_init.connect  # type: ignore[untyped-decorator]  # Celery has no types
def reset_child_signals(**_: object) -> None:
    """Let a pool process reap its task's process: with an inherited handler an exit can be missed.

    https://github.com/apache/airflow/issues/70117. And let it end with its worker: the task is run again elsewhere.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    end_with_parent(signal.SIGKILL)
