"""The Celery side of the cluster: readable names, no token in a monitor, warm imports, no idle wait, kept processes.

Airflow reads ``CELERY_CONFIG`` from here (``[celery] celery_config_options``) in the scheduler, in every worker and
in Flower; importing this module also connects the signal handlers below, and patches the scheduler.
"""

import json
import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from socket import socket
from typing import Any, Final

from airflow import __version__ as airflow_version
from airflow.configuration import AIRFLOW_HOME
from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG
from celery.signals import before_task_publish, worker_init, worker_process_init

from common.errors import ConfigurationError
from common.parent_death import end_with_parent
from common.settings import DagSettings
from workers import celery_health
from workers.airflow_patches import scheduler as scheduler_patches
from workers.airflow_patches import supervisor as supervisor_patches
from workers.airflow_patches.reused_process import Channels, KeptProcess

log = logging.getLogger(__name__)

#: Imported once by a worker, before it forks: a task's process then starts with them in memory.
PRELOADED: Final = (
    "airflow.dag_processing.bundles.local",
    "airflow.providers.standard.operators.empty",
    "airflow.sdk.bases.sensor",
    "airflow.sdk.definitions.connection",
    "airflow.sdk.execution_time.task_runner",
    "workers.airflow_operator",
    "workers.pipeline.run",
    "workers.wiring",
)

#: The DAG that a worker parses once. It reads nothing but itself and the environment.
DAG_FILE: Final = "stock_data_dag.py"

CELERY_CONFIG: Final[dict[str, Any]] = {
    **DEFAULT_CELERY_CONFIG,
    # Flower draws its pages from these events; a task's start and end cost one small message each.
    "worker_send_task_events": True,
    # The event "task-sent" would show the arguments as they were before redact_arguments().
    "task_send_sent_event": False,
    # A worker that lost its broker cancels nothing: the ledger makes a second run of a task harmless.
    "worker_cancel_long_running_tasks_on_connection_loss": False,
}

#: How long (s) the scheduler pauses at least while tasks are out. A loop takes it a twentieth of a second, so looking
#: costs a fifth of a core at most, where the tasks of a run come and go all the time.
LEAST_PAUSE_S: Final = 0.2
#: With so many tasks out a loop begins no sooner (s) than this after the last one. Two cores end about five tasks in
#: that time, so enough are left in the broker; a loop that takes longer by itself is not held up.
MANY_OUT: Final = 16
LEAST_LOOP_S: Final = 0.5
#: How long (s) a queued task's message may be in no queue before the task is queued again. A worker's slot needs a
#: second or two from taking a message to the task's start; ten times as long bears a restart of the api-server.
LOST_AFTER_S: Final = 15.0

#: The version whose private parts are patched here; another one runs as it was shipped.
PATCHED_AIRFLOW: Final = "3.3.2"
_MARK: Final = "stock_data_pipeline_patched"
#: The map index of a task that is not mapped.
_NOT_MAPPED: Final = -1

#: The ends of a task after which its process can go on.
_WELL_ENDED: Final = ("success", "deferred", "skipped")


def patch_scheduler() -> None:
    """Where this is the scheduler, patch it (workers/airflow_patches/scheduler.py)."""
    scheduler = sys.modules.get("airflow.jobs.scheduler_job_runner")
    if getattr(scheduler, _MARK, False):
        return
    if scheduler and airflow_version == PATCHED_AIRFLOW:
        setattr(scheduler, _MARK, True)
        scheduler_patches.look_often_amid_work(scheduler.SchedulerJobRunner, LEAST_PAUSE_S)
        scheduler_patches.space_loops_amid_many(scheduler.SchedulerJobRunner, LEAST_LOOP_S, MANY_OUT)
        scheduler_patches.retry_at_once_after_a_kill(scheduler.SchedulerJobRunner)
        scheduler_patches.requeue_what_the_broker_lost(scheduler.SchedulerJobRunner, lost_after_s=LOST_AFTER_S)
        scheduler_patches.add_mapped_without_lookup(import_module("airflow.models.taskmap").TaskMap)
    elif scheduler:
        log.warning(
            "Airflow %s is not %s: each step of a run waits for a pause, and a fan-out costs more",
            airflow_version,
            PATCHED_AIRFLOW,
        )


patch_scheduler()  # the scheduler has imported itself by then, and imports its executor before the first loop


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

    celery_health.watch(sender, StartStopStep, celery_health.Pulse(Path(AIRFLOW_HOME), state))
    for module in PRELOADED:
        import_module(module)
    if patch_airflow():
        keep_processes(rehearse())


@worker_process_init.connect  # type: ignore[untyped-decorator]  # Celery has no types
def reset_child_signals(**_: object) -> None:
    """Let a pool process reap its task's process: with an inherited handler an exit can be missed.

    https://github.com/apache/airflow/issues/70117. And let it end with its worker: the task is run again elsewhere.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    end_with_parent(signal.SIGKILL)


def patch_airflow() -> bool:
    """Take out of each task what it does for nothing (workers/airflow_patches); return whether that is so."""
    if airflow_version != PATCHED_AIRFLOW:
        log.warning(
            "Airflow %s is not %s, for which workers/airflow_patches was written: tasks cost more and end up to a "
            "heartbeat late",
            airflow_version,
            PATCHED_AIRFLOW,
        )
        return False
    from airflow.sdk.execution_time import comms, supervisor  # noqa: PLC0415  slow; only workers need it

    if getattr(supervisor, _MARK, False):
        return True
    supervisor_patches.wait_on_process(supervisor.ActivitySubprocess)
    supervisor_patches.count_start_as_heartbeat(supervisor.ActivitySubprocess)
    supervisor_patches.share_decoder(comms)
    setattr(supervisor, _MARK, True)  # a second call patches nothing
    return True


def rehearse() -> list[str]:
    """Do once what each task's process would do anew: parse the pipeline's DAG, fill the caches of libraries.

    Those are of classes, schema validators, lexers and scripts. Nothing connects. What is wrong with a setting is said
    by a run's first task, and what is wrong with the DAG by the DAG processor too: where a person looks. Returns the
    names of the DAGs.
    """
    from workers.wiring import Wiring  # noqa: PLC0415  slow; only workers need it

    with suppress(ConfigurationError), Wiring.from_environment() as wiring:
        wiring.make_all()
    try:
        return list(_rehearse_dags())
    except Exception:
        log.exception("%s could not be rehearsed: each task parses it for itself", DAG_FILE)
        return []


def _rehearse_dags() -> Iterator[str]:
    from airflow.dag_processing import dagbag  # noqa: PLC0415  slow; only workers need it
    from airflow.dag_processing.bundles.manager import DagBundlesManager  # noqa: PLC0415  same

    for bundle in DagBundlesManager().get_all_dag_bundles():  # type: ignore[no-untyped-call]  # Airflow's
        how = {"bundle_path": bundle.path, "bundle_name": bundle.name, "safe_mode": False, "load_op_links": False}
        for name, dag in supervisor_patches.parse_once(dagbag, Path(bundle.path, DAG_FILE), **how).dags.items():
            dag.params.validate()
            dag.get_template_env().from_string("{{ any }}")
            yield name


def keep_processes(dags: Sequence[str]) -> None:
    """Let the worker's slots keep their process for the mapped tasks of ``dags``: Airflow asks SlotCoordinator."""
    from airflow.sdk.configuration import conf  # noqa: PLC0415  slow; only workers need it

    if not dags or sys.platform != "linux" or conf.has_option("sdk", "queue_to_coordinator"):
        return  # elsewhere Airflow executes what it forks; and who routes queues to coordinators routes all of them
    if conf.get("core", "default_impersonation", fallback=None):
        return  # a task's process then becomes another user's
    with suppress(ConfigurationError):  # the DAG processor says what is wrong
        settings = DagSettings.from_environment()
        if settings.tasks_per_process > 1:
            how = {"dags": list(dags), "tasks": settings.tasks_per_process}
            slot = {"classpath": f"{__name__}.{SlotCoordinator.__name__}", "kwargs": how}
            conf.set("sdk", "coordinators", json.dumps({"slot": slot}))
            conf.set("sdk", "queue_to_coordinator", json.dumps({settings.fetch_queue: "slot"}))


class SlotCoordinator:
    """What Airflow asks to run the tasks of the fetch queue: a coordinator, as ``[sdk] coordinators`` has them.

    The mapped tasks of ``dags`` run in the slot's kept process, ``tasks`` of them in each; all others as shipped.
    """

    def __init__(self, dags: Sequence[str], tasks: int) -> None:
        self._dags = frozenset(dags)
        self._process = KeptProcess(_serve, tasks=tasks)

    def execute_task(self, *, what: Any, **how: Any) -> Any:  # noqa: ANN401  Airflow's
        """Run one task to its end; return Airflow's ExecutionResult."""
        from airflow.sdk.execution_time import coordinator  # noqa: PLC0415  slow; only workers need it

        channels = self._take(what)
        if not channels:
            return coordinator._build_python_coordinator().execute_task(what=what, **how)
        return coordinator.BaseCoordinator.ExecutionResult(*self._execute(channels, what=what, **how))

    def _take(self, what: Any) -> Channels | None:  # noqa: ANN401  Airflow's
        """Hand the task to the slot's process; return None if it gets a process of its own, as shipped."""
        if what.dag_id not in self._dags or what.map_index is None or what.map_index < 0:
            return None
        try:
            return self._process.take()
        except OSError:
            log.exception("the task gets a process of its own")
            return None

    def _execute(self, channels: Channels, **how: Any) -> tuple[int, str]:  # noqa: ANN401  Airflow's
        from airflow.sdk.execution_time import supervisor  # noqa: PLC0415  slow; only workers need it

        ended_well = False
        try:
            task = supervisor_patches.supervise(supervisor.ActivitySubprocess, self._process, channels, **how)
            code = task.wait()
            ended_well = not code and task.final_state in _WELL_ENDED
            return code, task.final_state
        finally:
            if not ended_well:  # a time-out or a signal may have stopped it anywhere
                self._process.retire()


def _serve(control: socket) -> None:
    from airflow.sdk.execution_time import supervisor  # noqa: PLC0415  slow; only workers need it

    from workers import airflow_operator  # noqa: PLC0415  same

    airflow_operator.collaborators.keep()
    supervisor_patches.serve_tasks(supervisor, control, rest=airflow_operator.collaborators.rest)
