"""What this project changes in Airflow's supervisor of tasks, which has no settings for it.

Each function patches private parts of the class or module that it is given, so the caller applies them to the version
that they were written for (``workers/celery_config.py``). Free of Airflow itself.
"""

import atexit
import logging
import os
import socket
from collections.abc import Callable
from copy import copy, deepcopy
from pathlib import Path
from typing import Any, Final

import psutil

from workers.airflow_patches import reused_process
from workers.airflow_patches.reused_process import Channels, KeptProcess

log = logging.getLogger(__name__)

#: The environment variables that Airflow sets for each task.
_OF_A_TASK: Final = "AIRFLOW_CTX_"


def wait_on_process(subprocess: Any) -> None:  # noqa: ANN401  Airflow's ActivitySubprocess
    """Wait for the task's process itself once its sockets are closed.

    Airflow's supervisor waits on the sockets of the task's process. They reach end of file moments before the
    process can be reaped; in a third of all tasks the supervisor then waits on nothing for a whole heartbeat
    interval. Waiting on the process (psutil uses a pidfd on Linux) ends when it ends. Unnecessary once
    ``ActivitySubprocess._service_subprocess`` upstream waits on the process too.
    """
    shipped = subprocess._service_subprocess  # what is patched is private

    def service(self: Any, max_wait_time: float, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  the shipped one's
        if self._exit_code is None and not self.selector.get_map():
            try:
                self._process.wait(timeout=max(0.01, max_wait_time))
            except psutil.TimeoutExpired:
                log.debug("the task's process lives on without sockets")
            max_wait_time = 0
        return shipped(self, max_wait_time, *args, **kwargs)

    subprocess._service_subprocess = service


def count_start_as_heartbeat(subprocess: Any) -> None:  # noqa: ANN401  Airflow's ActivitySubprocess
    """Send the first heartbeat one interval after the start, not with it.

    The api-server notes a heartbeat when it hears of the start (``ti_run`` sets ``last_heartbeat_at``). The
    supervisor reckons from the machine's boot and sends another one milliseconds later: a fifth of a short task's
    calls. Unnecessary once ``_last_heartbeat_attempt`` upstream starts at the start.
    """
    shipped = subprocess._on_child_started

    def started(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  the shipped one's
        result = shipped(self, *args, **kwargs)
        self._last_heartbeat_attempt = self._last_successful_heartbeat
        return result

    subprocess._on_child_started = started


def share_decoder(comms: Any) -> None:  # noqa: ANN401  Airflow's module airflow.sdk.execution_time.comms
    """Build the decoder of the supervisor's messages once, before the fork, and not twice in each task's process.

    Unnecessary once the defaults of ``CommsDecoder.body_decoder`` and ``err_decoder`` upstream are shared.
    """
    build, shared = comms.TypeAdapter, comms.TypeAdapter(comms.ToTask)
    comms.TypeAdapter = lambda kind, *args, **kwargs: shared if kind is comms.ToTask else build(kind, *args, **kwargs)


def parse_once(dagbag: Any, file: Path, **how: Any) -> Any:  # noqa: ANN401  Airflow's airflow.dag_processing.dagbag
    """Parse ``file`` now, and hand each task a copy of the outcome; return it, a BundleDagBag.

    A copy, because Airflow resolves a run's parameters in the DAG itself. Only for a file that reads nothing but itself
    and the environment. Once it is changed it is parsed as shipped, as every other file is, and as one that has an
    error. Unnecessary once a worker upstream keeps what it has parsed.
    """
    shipped, seen = dagbag.BundleDagBag, signature(file)
    parsed = shipped(dag_folder=os.fspath(file), **how)

    def bag(*, dag_folder: str, **kwargs: Any) -> Any:  # noqa: ANN401  the shipped one's
        if dag_folder != os.fspath(file) or signature(file) != seen:
            return shipped(dag_folder=dag_folder, **kwargs)
        copied = copy(parsed)
        copied.dags = deepcopy(parsed.dags)
        return copied

    if parsed.dags and not parsed.import_errors:
        dagbag.BundleDagBag = bag
    return parsed


def signature(file: Path) -> tuple[int, int, int]:
    """Return what differs once a file was edited or replaced; zeros where there is none."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return 0, 0, 0
    return status.st_ino, status.st_size, status.st_mtime_ns


def supervise(
    subprocess: Any,  # noqa: ANN401  Airflow's ActivitySubprocess
    process: KeptProcess,
    channels: Channels,
    *,
    what: Any,  # noqa: ANN401  Airflow's TaskInstance
    dag_rel_path: str | os.PathLike[str],
    bundle_info: object,
    sentry_integration: str = "",
    logger: object,
    **rest: object,
) -> Any:  # noqa: ANN401  same as ``subprocess``
    """Start the task that the slot's kept process has taken; return its supervisor, as ``ActivitySubprocess.start``."""
    supervisor = subprocess(
        id=what.id,
        pid=process.pid,
        process=process,
        process_log=logger,
        stdin=channels.requests,
        new_process_group=True,
        **rest,
    )
    supervisor._register_pipe_readers(channels.stdout, channels.stderr, channels.requests, channels.logs, data={})
    supervisor._on_child_started(
        ti=what, dag_rel_path=dag_rel_path, bundle_info=bundle_info, sentry_integration=sentry_integration
    )
    return supervisor


def serve_tasks(supervisor: Any, control: socket.socket, rest: Callable[[], None]) -> None:  # noqa: ANN401
    """Be a slot's kept process: prepare once what Airflow prepares in each task's process, then serve.

    ``supervisor`` is Airflow's module of that name; ``rest`` is called after each longer time without a task.
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

    reused_process.serve(control, (0, 1, 2, logs), work, rest)
    atexit._run_exitfuncs()
