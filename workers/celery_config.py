"""The Celery side of the cluster: readable names, no token in a monitor, warm imports, no idle wait.

Airflow reads ``CELERY_CONFIG`` from here (``[celery] celery_config_options``) in the scheduler, in every worker and
in Flower; importing this module also connects the signal handlers below.
"""

import json
import logging
import signal
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from airflow import __version__ as airflow_version
from airflow.configuration import AIRFLOW_HOME
from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG
from celery.signals import before_task_publish, worker_init, worker_process_init

from workers import celery_health

log = logging.getLogger(__name__)

#: Imported once by a worker, before it forks: a task's process then starts with them in memory.
PRELOADED: Final = (
    "airflow.sdk.execution_time.task_runner",
    "workers.airflow_operator",
    "workers.run",
    "workers.wiring",
)

CELERY_CONFIG: Final[dict[str, Any]] = {
    **DEFAULT_CELERY_CONFIG,
    # Flower draws its pages from these events; a task's start and end cost one small message each.
    "worker_send_task_events": True,
    # The event "task-sent" would show the arguments as they were before redact_arguments().
    "task_send_sent_event": False,
    # A worker that lost its broker cancels nothing: the ledger makes a second run of a task harmless.
    "worker_cancel_long_running_tasks_on_connection_loss": False,
}

#: The version whose private method patch_supervisor_wait() replaces; another one runs as it was shipped.
PATCHED_AIRFLOW: Final = "3.3.2"


@before_task_publish.connect  # type: ignore[untyped-decorator]  # Celery has no types
def redact_arguments(headers: dict[str, Any], body: object, **_: object) -> None:
    """Name a workload readably and keep its token out of what monitors see.

    Airflow's workload carries a bearer token. Celery copies the arguments into the header ``argsrepr``, which
    every event, Flower's pages and its database repeat. The message's body stays as it is: the worker needs it.
    """
    name = _readable_name(body)
    headers["argsrepr"] = f"({name!r},)"
    headers["kwargsrepr"] = "{}"
    headers["shadow"] = name


def _readable_name(body: object) -> str:
    """Return ``dag.task[map index]`` of a workload, or a plain word where the message is no task of a DAG."""
    try:
        workload = json.loads(body[0][0])  # type: ignore[index]  # Celery's body: (args, kwargs, embedded)
        instance = workload["ti"]
        index = "" if instance.get("map_index", -1) < 0 else f"[{instance['map_index']}]"
        return f"{instance['dag_id']}.{instance['task_id']}{index}"
    except (LookupError, TypeError, ValueError):
        return "workload"


@worker_init.connect  # type: ignore[untyped-decorator]  # Celery has no types
def prepare_worker(sender: object, **_: object) -> None:
    """Before the pool forks: import what every task needs, take the idle wait out of its end, watch the consumer."""
    for module in PRELOADED:
        import_module(module)
    patch_supervisor_wait()
    from celery.bootsteps import StartStopStep  # noqa: PLC0415  only workers need it
    from celery.worker import state  # noqa: PLC0415  only workers need it

    celery_health.watch(sender, StartStopStep, celery_health.Pulse(Path(AIRFLOW_HOME), state))


@worker_process_init.connect  # type: ignore[untyped-decorator]  # Celery has no types
def reset_child_signals(**_: object) -> None:
    """Let a pool process reap its task's process: with an inherited handler an exit can be missed.

    https://github.com/apache/airflow/issues/70117
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def patch_supervisor_wait() -> bool:
    """Wait for the task's process itself once its sockets are closed; return whether the patch applies.

    Airflow's supervisor waits on the sockets of the task's process. They reach end of file moments before the
    process can be reaped; in a third of all tasks the supervisor then waits on nothing for a whole heartbeat
    interval. Waiting on the process (psutil uses a pidfd on Linux) ends when it ends. Unnecessary once
    ``ActivitySubprocess._service_subprocess`` upstream waits on the process too.
    """
    if airflow_version != PATCHED_AIRFLOW:
        log.warning("Airflow %s is not %s: tasks end up to a heartbeat late", airflow_version, PATCHED_AIRFLOW)
        return False
    import psutil  # noqa: PLC0415  only workers need it
    from airflow.sdk.execution_time.supervisor import ActivitySubprocess  # noqa: PLC0415  slow; only workers need it

    shipped = ActivitySubprocess._service_subprocess  # what is patched is private
    if getattr(shipped, "waits_on_process", False):
        return True

    def service(self: Any, max_wait_time: float, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  the shipped one's
        if self._exit_code is None and not self.selector.get_map():
            try:
                self._process.wait(timeout=max(0.01, max_wait_time))
            except psutil.TimeoutExpired:
                log.debug("the task's process lives on without sockets")
            max_wait_time = 0
        return shipped(self, max_wait_time, *args, **kwargs)

    service.waits_on_process = True  # type: ignore[attr-defined]  # a mark, so that a second call patches nothing
    ActivitySubprocess._service_subprocess = service  # type: ignore[method-assign]
    return True
