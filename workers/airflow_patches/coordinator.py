"""How Airflow's tasks come into a slot's kept process: by the coordinator that Airflow asks for the fetch queue."""

import atexit
import json
import logging
import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypedDict, Unpack, cast

from airflow.sdk.configuration import conf
from airflow.sdk.execution_time import coordinator, supervisor
from airflow.sdk.execution_time.supervisor import ActivitySubprocess

from common.errors import ConfigurationError
from common.settings import DagSettings
from workers import airflow_operator
from workers.airflow_patches import reused_process, warm_up
from workers.airflow_patches.reused_process import Channels, KeptProcess

if TYPE_CHECKING:
    from airflow.sdk.api.client import Client
    from airflow.sdk.api.datamodels._generated import BundleInfo, TaskInstance
    from airflow.sdk.execution_time.supervisor import ProcessTracker
    from structlog.typing import FilteringBoundLogger

log = logging.getLogger(__name__)
ExecutionResult = coordinator.BaseCoordinator.ExecutionResult


class Start(TypedDict, total=False):
    """What Airflow tells a coordinator beside the task."""

    dag_rel_path: "str | os.PathLike[str]"
    bundle_info: "BundleInfo"
    client: "Client"
    logger: "FilteringBoundLogger"
    sentry_integration: str
    subprocess_logs_to_stdout: bool


#: The environment variables that Airflow sets for each task.
_OF_A_TASK: Final = "AIRFLOW_CTX_"
#: The ends of a task after which its process can go on.
_WELL_ENDED: Final = ("success", "deferred", "skipped")


def keep_processes() -> None:
    """Let the worker's slots keep their process for the mapped tasks of the pipeline's DAGs."""
    route_fetches([name for _, bag in warm_up.pipeline_bags() for name in bag.dags])


def route_fetches(dags: Sequence[str]) -> None:
    """Let Airflow ask SlotCoordinator for the tasks of the fetch queue; those of ``dags`` get kept processes."""
    if not dags or sys.platform != "linux" or conf.has_option("sdk", "queue_to_coordinator"):
        return  # elsewhere Airflow executes what it forks; and a person that routes queues routes all of them
    if conf.get("core", "default_impersonation", fallback=None):
        return  # a task's process then becomes another user's
    with suppress(ConfigurationError):  # the DAG processor says what is wrong
        settings = DagSettings.from_environment()
        if settings.tasks_per_process > 1:
            how = {"dags": list(dags), "tasks": settings.tasks_per_process}
            slot = {"classpath": f"{__name__}.{SlotCoordinator.__name__}", "kwargs": how}
            conf.set("sdk", "coordinators", json.dumps({"slot": slot}))
            conf.set("sdk", "queue_to_coordinator", json.dumps({settings.fetch_queue: "slot"}))


class SlotCoordinator(coordinator.BaseCoordinator):
    """What Airflow asks to run the tasks of the fetch queue: a coordinator, as ``[sdk] coordinators`` has them.

    The mapped tasks of ``dags`` run in the slot's kept process, ``tasks`` of them in each; all others as Airflow does.
    """

    def __init__(self, dags: Sequence[str], tasks: int) -> None:
        self._dags = frozenset(dags)
        self._process = KeptProcess(_serve, tasks=tasks)

    def execute_task(  # type: ignore[override]  # the one caller passes these
        self, *, what: "TaskInstance", **how: Unpack[Start]
    ) -> ExecutionResult:
        """Run one task to its end."""
        channels = self._take(what)
        if not channels:
            return coordinator._build_python_coordinator().execute_task(what=what, **how)
        return ExecutionResult(*self._execute(channels, what, **how))

    def _take(self, what: "TaskInstance") -> Channels | None:
        """Hand the task to the slot's process; return None if it gets a process of its own, as Airflow does."""
        if what.dag_id not in self._dags or what.map_index is None or what.map_index < 0:
            return None
        try:
            return self._process.take()
        except OSError:
            log.exception("the task gets a process of its own")
            return None

    def _execute(self, channels: Channels, what: "TaskInstance", **how: Unpack[Start]) -> tuple[int, str]:
        ended_well = False
        try:
            task = supervise(self._process, channels, what, **how)
            code = task.wait()
            ended_well = not code and task.final_state in _WELL_ENDED
            return code, task.final_state
        finally:
            if not ended_well:  # a time-out or a signal may have stopped it anywhere
                self._process.retire()


def supervise(
    process: KeptProcess,
    channels: Channels,
    what: "TaskInstance",
    **how: Unpack[Start],
) -> ActivitySubprocess:
    """Start the task that the slot's kept process has taken; return its supervisor, as ``ActivitySubprocess.start``."""
    task = ActivitySubprocess(
        id=what.id,
        pid=process.pid,
        process=cast("ProcessTracker", process),
        process_log=how["logger"],
        stdin=channels.requests,
        new_process_group=True,
        client=how["client"],
        subprocess_logs_to_stdout=how.get("subprocess_logs_to_stdout", False),
    )
    task._register_pipe_readers(channels.stdout, channels.stderr, channels.requests, channels.logs, data={})
    task._on_child_started(
        ti=what,
        dag_rel_path=how["dag_rel_path"],
        bundle_info=how["bundle_info"],
        sentry_integration=how.get("sentry_integration", ""),
    )
    return task


def _serve(control: socket.socket) -> None:
    airflow_operator.collaborators.keep()
    serve_tasks(control, idle=airflow_operator.collaborators.close_idle)


def serve_tasks(control: socket.socket, idle: Callable[[], None]) -> None:
    """Be a slot's kept process: prepare once what Airflow prepares in each task's process, then serve.

    ``idle`` is called after each longer time without a task.
    """
    unused, other = socket.socketpair()
    other.close()
    logs = os.dup(unused.fileno())
    supervisor._reset_signals()
    atexit._clear()  # the worker's, not this process's; Airflow does the same
    supervisor._configure_logs_over_json_channel(logs)
    supervisor._reopen_std_io_handles(unused, unused, unused)
    unused.close()
    supervisor.block_orm_access()

    def work() -> None:
        try:
            supervisor._subprocess_main()
        finally:
            supervisor._reset_signals()
            for name in [name for name in os.environ if name.startswith(_OF_A_TASK)]:
                del os.environ[name]

    reused_process.serve(control, (0, 1, 2, logs), work, idle)
    atexit._run_exitfuncs()
